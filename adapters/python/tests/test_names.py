"""The names of values, keys, tables, scopes and namespaces are those of the vectors."""

from __future__ import annotations

from typing import Any

import pytest

from alkey._names import identifier, schemas
from alkey._names.kinds import NULL, OnlyTheDatabaseKnows
from alkey._names.rows import Rows
from alkey._names.types import kind_of
from alkey._names.values import value_name
from alkey.errors import NoIdentifier
from vectors import VECTORS, bytes_of, label_of, value_of


def name_of(type_name: str, value: Any) -> bytes:
    kind = kind_of(type_name)
    assert kind is not None, f"no kind for {type_name}"
    return identifier.row_name([kind(value)])


def each(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[section], ids=label_of)


@each("values")
def test_values(vector: Any) -> None:
    name = bytes_of(vector["name"])
    printed = bytes_of(vector["text"])
    # Bytes that are no text come as bytes.
    text = printed if isinstance(value_of(vector["text"]), bytes) else printed.decode()
    assert name_of(vector["type"], text) == name
    for value in map(value_of, vector["values"]):
        assert name_of(vector["type"], value) == name, repr(value)


def test_no_two_rows_of_a_type_have_one_name() -> None:
    found: dict[tuple[str, bytes], set[bytes]] = {}
    for vector in VECTORS["values"]:
        found.setdefault((vector["type"], bytes_of(vector["name"])), set()).add(bytes_of(vector["text"]))
    # All but what the database prints in two ways and takes for equal.
    twice = {frozenset(printed) for printed in found.values() if len(printed) > 1}
    assert twice == {frozenset({b"-0", b"0"}), frozenset({b"1", b"1.0"})}


@each("refused")
def test_what_a_type_can_t_hold(vector: Any) -> None:
    with pytest.raises(NoIdentifier, match=r"^expected .*, not ") as caught:
        name_of(vector["type"], value_of(vector["value"]))
    assert not isinstance(caught.value, OnlyTheDatabaseKnows)
    assert isinstance(caught.value, ValueError)


@each("values_named_by_table")
def test_values_of_which_only_the_database_knows_the_row(vector: Any) -> None:
    with pytest.raises(OnlyTheDatabaseKnows):
        name_of(vector["type"], value_of(vector["value"]))


@each("types_named_by_table")
def test_types_whose_values_have_no_names(vector: Any) -> None:
    assert kind_of(vector["type"]) is None


@each("values_without_a_column")
def test_values_without_a_column(vector: Any) -> None:
    assert value_name(value_of(vector["value"])) == bytes_of(vector["name"])


def rows_of(vector: Any) -> Rows:
    return Rows(b"", vector["types"], [kind_of(each) for each in vector["types"]])


@each("keys")
def test_keys(vector: Any) -> None:
    assert rows_of(vector).row([value_of(each) for each in vector["key"]]) == bytes_of(vector["name"])


@each("keys_refused")
def test_what_is_no_key(vector: Any) -> None:
    with pytest.raises(NoIdentifier, match="expected"):
        rows_of(vector).row(vector["key"])


@each("tables")
def test_tables(vector: Any) -> None:
    default = schemas.DEFAULT.get(vector["database"])
    schema = schemas.without_default(vector["schema"], (default,))
    assert identifier.table("alkey", value_of(vector["table"]), schema) == bytes_of(vector["identifier"])


@each("scopes")
def test_scopes(vector: Any) -> None:
    columns = []
    for column, type_name, value in vector["columns"]:
        kind = kind_of(type_name)
        assert kind is not None
        columns.append((column, NULL if value is None else kind(value_of(value))))
    prefix = identifier.row_prefix("alkey", vector["table"])
    for order in (columns, columns[::-1]):
        assert identifier.scope(prefix, order) == bytes_of(vector["identifier"])


@each("namespaces")
def test_namespaces(vector: Any) -> None:
    namespace = identifier.checked_namespace(vector["namespace"])
    row = identifier.row(namespace, "users", [1])
    assert row == bytes_of(vector["row"])
    assert identifier.everything(namespace) == bytes_of(vector["everything"])
    assert identifier.namespace_of(row) == namespace
    assert identifier.table_of(row) == identifier.table(namespace, "users")
    assert identifier.table_of(bytes_of(vector["everything"])) == bytes_of(vector["everything"])


@pytest.mark.parametrize("wrong", VECTORS["namespaces_refused"])
def test_what_is_no_namespace(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a namespace"):
        identifier.checked_namespace(wrong)
