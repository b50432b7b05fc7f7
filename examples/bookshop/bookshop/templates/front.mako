<%inherit file="layout.mako"/>
<div class="shelf">
% for book, author in shelf:
${page.show("card", book=book, author=author)}
% endfor
</div>
<h2>Authors</h2>
${page.show("authors")}
