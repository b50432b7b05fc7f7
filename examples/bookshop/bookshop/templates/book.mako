<%inherit file="layout.mako"/>
${page.show("details", book=number, author=author)}
<h2>By the same author</h2>
${page.show("same_author", author=author)}
<h2>Reviews</h2>
${page.show("reviews", book=number)}
<form class="edit" method="post" action="/books/${number}/reviews">
<label>Your name <input name="reader" maxlength="200" required></label>
<label class="wide">Review <input name="text" maxlength="200" required></label>
<button>Add</button>
</form>
