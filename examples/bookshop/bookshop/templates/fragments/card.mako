<a class="card" href="/books/${book.id}">
<span class="cover" style="--hue: ${book.id * 47 % 360}">${book.title}</span>
<span class="title">${book.title}</span>
<span class="author">${author.name}</span>
<span class="price">${f"{book.cents / 100:.2f}"} €</span>
</a>
<p class="revision">revision ${book.revision}</p>
