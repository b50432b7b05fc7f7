<div class="details">
<span class="cover" style="--hue: ${book.id * 47 % 360}">${book.title}</span>
<div>
<h1>${book.title}</h1>
<p class="author">by ${author.name}</p>
<p class="price">${f"{book.cents / 100:.2f}"} €</p>
<p class="revision">revision ${book.revision}</p>
</div>
</div>
<form class="edit" method="post" action="/books/${book.id}">
<input type="hidden" name="revision" value="${book.revision}">
<label class="wide">Title <input name="title" value="${book.title}" maxlength="200" required></label>
<label>Price <input name="price" value="${f"{book.cents / 100:.2f}"}" inputmode="decimal" required></label>
<button>Change</button>
</form>
