<ul class="authors">
% for author, books in authors:
<li>${author.name} <span class="number">${books}</span></li>
% endfor
</ul>
