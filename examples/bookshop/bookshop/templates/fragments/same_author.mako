<ul class="books">
% for book in books:
<li><a href="/books/${book.id}">${book.title}</a> <span class="revision">revision ${book.revision}</span></li>
% endfor
</ul>
<p class="author">All by ${author.name}.</p>
