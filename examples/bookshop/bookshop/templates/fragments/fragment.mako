<div class="fragment ${fragment.strict.how}" data-fragment="${fragment.name}">
${html}
<p class="label"><code title="${fragment.strict.key}">${fragment.strict.short_key}</code>
<b>${fragment.strict.how}</b>
${f"{fragment.strict.ms:.1f}"} ms
% if fragment.strict.why_private:
<i>${fragment.strict.why_private}</i>
% endif
</p>
</div>
