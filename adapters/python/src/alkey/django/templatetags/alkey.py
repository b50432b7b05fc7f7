"""`{% alkeycache [ttl] part ... [ttl=seconds] [using="cache"] %}…{% endalkeycache %}`: a fragment that is stored until
one of its parts changes, by the rule for strict readers.

The fragment's own source is a part, so that two fragments of the same parts are two, and one that is edited is another.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.cache import InvalidCacheBackendError, caches
from django.db.models.base import ModelBase
from django.template import Library, Node, TemplateSyntaxError, Variable, VariableDoesNotExist

from alkey.django.front import cached

register = Library()


class AlkeyCacheNode(Node):
    def __init__(self, nodelist: Any, source: str, parts: list[Any], ttl: Any, using: Any) -> None:
        self.nodelist = nodelist
        self._source = source
        self._parts = parts
        self._ttl = ttl
        self._using = using

    def render(self, context: Any) -> Any:
        parts = [_resolved(part, context) for part in self._parts]
        return cached(
            "alkeycache",
            self._source,
            *parts,
            load=lambda: self.nodelist.render(context),
            ttl=self._seconds(context),
            cache=self._cache(context),
        )

    def _seconds(self, context: Any) -> float | None:
        if self._ttl is None:
            return None
        ttl = _resolved(self._ttl, context)
        try:
            return int(ttl)
        except (TypeError, ValueError):
            raise TemplateSyntaxError(f"{ttl!r} is no ttl of alkeycache: expected seconds") from None

    def _cache(self, context: Any) -> str:
        if self._using is None:
            return "template_fragments" if "template_fragments" in caches.settings else "default"
        alias = _resolved(self._using, context)
        try:
            caches[alias]
        except InvalidCacheBackendError:
            raise TemplateSyntaxError(f"{alias!r} is no cache: expected an alias of CACHES") from None
        return str(alias)


def _resolved(expression: Any, context: Any) -> Any:
    """Its value. A name that is not there, for which a template shows nothing, would be no dependency; a model, which a
    template would call, would be a new instance."""
    if isinstance(expression.var, Variable):
        name = expression.var.var
        if not expression.filters and isinstance(context.get(name), ModelBase):
            return context[name]
        try:
            expression.var.resolve(context)
        except VariableDoesNotExist as error:
            raise TemplateSyntaxError(f"alkeycache got an unknown variable: {error}") from error
    return expression.resolve(context)


@register.tag("alkeycache")
def do_alkeycache(parser: Any, token: Any) -> AlkeyCacheNode:
    named: dict[str, Any] = {}
    parts: list[Any] = []
    for word in token.split_contents()[1:]:
        name, is_named, value = word.partition("=")
        if is_named and name in ("ttl", "using"):
            named[name] = parser.compile_filter(value)
        elif not parts and "ttl" not in named and word.isdigit():
            named["ttl"] = parser.compile_filter(word)
        else:
            parts.append(parser.compile_filter(word))
    if not parts:
        raise TemplateSyntaxError("alkeycache has no parts: expected what the fragment depends on")
    # What is left to be parsed, the next last.
    before = list(parser.tokens)
    nodelist = parser.parse(("endalkeycache",))
    parser.delete_first_token()
    source = "\0".join(each.contents for each in before[len(parser.tokens) :])
    return AlkeyCacheNode(
        nodelist, hashlib.sha256(source.encode()).hexdigest(), parts, named.get("ttl"), named.get("using")
    )
