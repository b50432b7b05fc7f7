% if reviews:
<ul class="reviews">
% for review in reviews:
<li><q>${review.text}</q> <span class="author">${review.reader}</span></li>
% endfor
</ul>
% else:
<p class="author">Nobody has written any yet.</p>
% endif
