"""The kind of a type, by the name that PostgreSQL's format_type() gives it, as in `numeric(10,2)`. Who follows the
database's log knows no more than this."""

from __future__ import annotations

import re

from alkey._names import kinds, moments, networks, numbers
from alkey._names.kinds import Kind

_TYPE = re.compile(
    r'(?P<name>[a-z0-9_"][a-z0-9_" ]*?)(?:\((?P<modifiers>[0-9, ]+)\))?(?P<zone> with(?:out)? time zone)?'
)

_PLAIN: dict[str, Kind] = {
    "smallint": numbers.integer,
    "integer": numbers.integer,
    "bigint": numbers.integer,
    "numeric": numbers.numeric,
    "real": numbers.single,
    "double precision": numbers.double,
    "text": kinds.text,
    "character varying": kinds.text,
    "uuid": kinds.uuid,
    "boolean": kinds.boolean,
    "bytea": kinds.octets,
    # What is one is for the caller to say: each has a name of its own.
    "enum": kinds.label,
    "date": moments.day,
    "time without time zone": moments.time_of_day,
    "timestamp without time zone": moments.timestamp,
    "timestamp with time zone": moments.timestamp_with_zone,
    "inet": networks.inet,
    "cidr": networks.cidr,
    "macaddr": networks.macaddr_of(6),
    "macaddr8": networks.macaddr_of(8),
}


def kind_of(type_name: str) -> Kind | None:
    """None: a row with a key of this type is named by its table."""
    found = _TYPE.fullmatch(type_name)
    if found is None:
        return None
    name = found["name"] + (found["zone"] or "")
    modifiers = [int(each) for each in (found["modifiers"] or "").split(",") if each]
    if name == "character":
        return kinds.padded_text(modifiers[0] if modifiers else 1)
    kind = _PLAIN.get(name)
    if kind is None or not modifiers:
        return kind
    if kind is kinds.text:
        return kinds.text_up_to(modifiers[0])
    if kind is numbers.numeric:
        precision, scale = (*modifiers, 0)[:2]
        return numbers.numeric_of(precision, scale)
    if found["zone"]:
        return moments.with_decimals(modifiers[0], kind)
    return None
