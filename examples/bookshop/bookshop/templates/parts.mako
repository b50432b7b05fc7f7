<%def name="which(number)">
% if number is not None:
<input type="hidden" name="book" value="${number}">
% endif
</%def>

<%def name="laboratory(laboratory, number, state)">
<h2>Break it</h2>
<form method="post" action="/kill-a-writer">
${which(number)}
<button>Kill a writer</button>
<p>Another process raises a price, and dies when PostgreSQL has committed, before it can say ALKEY.COMMIT.</p>
</form>
<form method="post" action="/restart-redis">
${which(number)}
<button>Restart Redis from an old dump</button>
<p>It comes back as it was before the last change, and does not know of it. What was cached then is still cached.</p>
</form>
% if laboratory.events:
<ol class="events">
% for event in laboratory.events:
<li><time>${event.at}</time> ${event.text}</li>
% endfor
</ol>
% endif
<ul class="flights">
% if state.grace_left_ms:
<li>Redis has just started, so nothing is shared for ${f"{state.grace_left_ms / 1000:.1f}"} s more</li>
% endif
% for identifiers, left_ms in state.in_flight:
<li>In flight for ${f"{left_ms / 1000:.1f}"} s more: <code>${", ".join(identifiers)}</code></li>
% endfor
</ul>
</%def>

<%def name="got(got)">\
% if got.is_stale:
<td class="stale">stale hit</td>\
% else:
<td class="${got.how}">${got.how}\
% if got.how == "hit":
, as in the database\
% endif
</td>\
% endif
</%def>

<%def name="comparison(page, library, statements)">
<section class="comparison">
<h2>This page, compared with what the database says</h2>
<p class="totals">
<span><b id="hits">${sum(shown.strict.how == "hit" for shown in page.shown)} of ${len(page.shown)}</b> fragments of this page from the cache</span>
<span><b id="statements">${statements.count}</b> statements sent to PostgreSQL for it</span>
<span class="${'good' if library.strict_tally.stale == 0 else 'bad'}"><b id="stale">${library.strict_tally.stale}</b> stale fragments since the start, in ${library.strict_tally.hits} hits (${library.strict_tally.percentage} %)</span>
<span class="${'good' if library.relaxed_tally.stale == 0 else 'bad'}"><b id="relaxed-stale">${library.relaxed_tally.stale}</b> would be with relaxed keys, in ${library.relaxed_tally.hits} hits (${library.relaxed_tally.percentage} %)</span>
</p>
<div class="scrolls">
<table>
<thead><tr><th>Fragment</th><th>Depends on</th><th>Key</th><th class="number">Time</th><th>From the cache?</th><th>With a relaxed key</th></tr></thead>
<tbody>
% for shown in page.shown:
<tr data-fragment="${shown.name}">
<td>${shown.name}</td>
<td><code>${" ".join(shown.depends_on)}</code></td>
<td><code title="${shown.strict.key}">${shown.strict.short_key}</code></td>
<td class="number">${f"{shown.strict.ms:.1f}"} ms</td>
${got(shown.strict)}
${got(shown.relaxed)}
</tr>
% endfor
</tbody>
</table>
</div>
</section>
</%def>
