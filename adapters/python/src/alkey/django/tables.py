"""What matters of a model's table: its key, and which rows its rows point at.

Built once for each model. Knows no connection, and nothing of what is in the database.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db.models import DO_NOTHING, Model
from django.db.models.deletion import get_candidate_relations_to_delete


class Table:
    """The table of a model itself, without those of the models that it inherits from."""

    def __init__(self, model: type[Model]) -> None:
        meta = model._meta
        self.model: Any = model
        self.schema, self.name = split(meta.db_table)
        self.key = tuple(meta.pk_fields)


class Parent:
    """What a foreign key points at."""

    def __init__(self, field: Any) -> None:
        self.field = field
        self.attribute: str = field.attname
        self.table = table_of(field.related_model)
        self.is_by_key = (field.target_field,) == self.table.key


def is_plain(value: object) -> bool:
    """Whether it is a value that can be in a database: not None, and no expression that the database computes."""
    return value is not None and not hasattr(value, "resolve_expression") and not hasattr(value, "as_sql")


# Models are there for as long as the process, but for those that migrations make.
@lru_cache(maxsize=4096)
def _table(model: type[Model]) -> Table:
    return Table(model)


def table_of(model: type[Model]) -> Table:
    found: Table = _table(model._meta.concrete_model)
    return found


@lru_cache(maxsize=4096)
def tables_of(model: type[Model]) -> tuple[Table, ...]:
    """Of a model and of those that it inherits from: an instance has a row in each. Its own first."""
    meta = model._meta.concrete_model._meta
    models = [meta.model, *(parent._meta.concrete_model for parent in meta.all_parents)]
    return tuple(map(table_of, dict.fromkeys(models)))


@lru_cache(maxsize=4096)
def parents_of(model: type[Model]) -> tuple[Parent, ...]:
    """By the foreign keys in the table of the model itself."""
    fields = model._meta.concrete_model._meta.local_concrete_fields
    return tuple(
        Parent(field)
        for field in fields
        if field.remote_field is not None
        and isinstance(field.related_model, type)
        and hasattr(field, "target_field")
    )


@lru_cache(maxsize=4096)
def left_to_the_database(model: type[Model]) -> tuple[Table, ...]:
    """The tables whose rows the database may change or delete as rows of this model are deleted: those of which Django
    is told to do nothing, or that the database does it."""
    found: dict[Table, None] = {}
    todo = [model._meta.concrete_model]
    while todo:
        for relation in get_candidate_relations_to_delete(todo.pop()._meta):
            action = relation.field.remote_field.on_delete
            is_left = action is DO_NOTHING or getattr(action, "__name__", str(action)).startswith("DB_")
            child = table_of(relation.related_model)
            if is_left and child not in found:
                found[child] = None
                todo.append(child.model)
    return tuple(found)


def split(name: str) -> tuple[str | None, str]:
    """`shop"."orders` is how Django is told of a schema."""
    schema, point, table = name.strip('"').partition('"."')
    return (schema, table) if point else (None, schema)
