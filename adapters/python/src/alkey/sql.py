"""Which tables a text in SQL writes, as sqlglot reads it.

What is not understood as a whole is not understood at all: a statement of a kind that is not listed here, one that
sqlglot passes over unread, or a text that two readers could read in two ways. Then `Unclear` says why. Names are told
as they are written; which tables they are is for others to say. Knows no ORM but the names of dialects, which those of
SQLAlchemy and of Django have in common, no session and no server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Action = Literal["create", "insert", "update", "delete", "any", "truncate"]
"""What is done to rows of the table, of which depends what the database does by itself to rows that point at them."""


class Written(NamedTuple):
    """A table that is written."""

    schema: str | None
    name: str
    action: Action


class Unclear(Exception):
    """Nobody knows what a text writes, and why."""


# The ORMs' names of dialects, and sqlglot's.
_DIALECTS = {
    "postgresql": "postgres",
    "cockroachdb": "postgres",
    "redshift": "redshift",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "mysql": "mysql",
    "mariadb": "mysql",
    "oracle": "oracle",
    "snowflake": "snowflake",
    "mssql": "tsql",
}
# Elsewhere an UPDATE or a DELETE may change any of its tables, or name the one that it changes by an alias.
_OF_ONE_TABLE = frozenset({"postgres", "redshift", "sqlite", "duckdb", "snowflake"})

# To read a thousand characters takes one or two milliseconds.
TEXT_CHARS_MAX = 20_000

# A comment in a comment, and one that MySQL executes, are read differently by different databases.
_ODD_COMMENT = re.compile(r"/\*(!|M!|(?:(?!\*/).)*?/\*)", re.DOTALL)
# In MySQL these depend on its settings, or are no comment.
_ODD_IN_MYSQL = re.compile(r"\\|--\S")
_VERBS = re.compile(
    r"\b(INSERT(\s+INTO)?|UPDATE|DELETE|MERGE|TRUNCATE|INTO|EXEC|EXECUTE|CREATE|ALTER|DROP|BULK)\b",
    re.IGNORECASE,
)
# What stands between EXPLAIN and the statement.
_EXPLAIN_OPTIONS = re.compile(
    r"\s*(\([^()]*\)|(ANALY[SZ]E|VERBOSE|QUERY\s+PLAN|EXTENDED|FORMAT\s*=\s*\w+)\b)", re.IGNORECASE
)
_EXECUTES = re.compile(r"\bANALY[SZ]E\b", re.IGNORECASE)


@lru_cache(maxsize=1)
def is_available() -> bool:
    try:
        import sqlglot  # noqa: F401
    except ImportError:
        return False
    return True


@lru_cache(maxsize=512)
def tables_written(dialect: str, text: str) -> frozenset[Written] | str:
    """What a text writes; or why that is unclear."""
    try:
        return frozenset(_read(dialect, text))
    except Unclear as why:
        return str(why)
    except Exception as error:  # noqa: BLE001 - a text that it stumbles over is no reason not to execute it
        return f"it can't be parsed: {type(error).__name__}"


def _read(dialect: str, text: str) -> Iterator[Written]:
    dialect = _DIALECTS.get(dialect, "")
    if not dialect:
        raise Unclear("its dialect is not among those that can be read")
    if len(text) > TEXT_CHARS_MAX:
        raise Unclear(f"it is longer than {TEXT_CHARS_MAX} characters")
    if _ODD_COMMENT.search(text) or (dialect == "mysql" and _ODD_IN_MYSQL.search(text)):
        raise Unclear("its comments or backslashes are read differently by different servers")
    found = [written for statement in _parsed(dialect, text) for written in _of_statement(dialect, statement)]
    # Its statements need no semicolon between them: what looks like an alias may be the next one.
    if dialect == "tsql" and (len(found) == 0 or len(_VERBS.findall(text)) != 1):
        raise Unclear("it may be of several statements")
    yield from found


def _parsed(dialect: str, text: str) -> list[Any]:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        statements = sqlglot.parse(text, read=dialect)
    except SqlglotError as error:
        raise Unclear(f"it can't be parsed: {str(error).splitlines()[0]}") from None
    return [statement for statement in statements if statement is not None]


def _of_statement(dialect: str, statement: Any) -> Iterator[Written]:
    from sqlglot import exp

    if isinstance(statement, exp.Command):
        yield from _of_command(dialect, str(statement.this).upper(), statement.text("expression"))
        return
    if isinstance(statement, exp.Semicolon):
        return
    if not isinstance(
        statement,
        (
            exp.Query, exp.Values, exp.Insert, exp.MultitableInserts, exp.Update, exp.Delete, exp.Merge,
            exp.TruncateTable, exp.Copy, exp.Create, exp.Drop, exp.Alter,
            exp.Set, exp.Transaction, exp.Commit, exp.Rollback,
        ),
    ):  # fmt: skip
        raise Unclear(f"it has a statement of a kind that is not known: {statement.key}")
    for node in statement.walk():
        if isinstance(node, exp.Command):
            raise Unclear("a part of it can't be parsed")
        yield from _of_node(dialect, node)


def _of_command(dialect: str, verb: str, rest: str) -> Iterator[Written]:
    """What sqlglot leaves unread but its first word."""
    if verb == "EXPLAIN":
        if not _EXECUTES.search(rest):
            return
        while options := _EXPLAIN_OPTIONS.match(rest):
            rest = rest[options.end() :]
        for statement in _parsed(dialect, rest):
            yield from _of_statement(dialect, statement)
    elif verb == "REPLACE" and dialect in ("sqlite", "mysql"):
        # It deletes the rows that are in its way.
        for statement in _parsed(dialect, f"INSERT {rest}"):
            yield from (each._replace(action="any") for each in _of_statement(dialect, statement))
    else:
        raise Unclear(f"what {verb} does can't be told")


def _of_node(dialect: str, node: Any) -> Iterator[Written]:
    from sqlglot import exp

    if isinstance(node.parent, exp.When | exp.Alter):
        # What MERGE does to its table, and ALTER to a part of it.
        return
    if isinstance(node, exp.Insert):
        yield _table(node.this, _action_of_insert(node))
    elif isinstance(node, exp.Update | exp.Delete):
        action: Action = "update" if isinstance(node, exp.Update) else "delete"
        if dialect in _OF_ONE_TABLE and not node.args.get("tables") and not node.this.args.get("joins"):
            yield _table(node.this, action)
        else:
            yield from _all_tables(node, action)
    elif isinstance(node, exp.Merge):
        yield _table(node.this, "any")
    elif isinstance(node, exp.TruncateTable):
        if node.args.get("is_database") or not node.expressions:
            raise Unclear("it truncates more than tables")
        yield from (_table(each, "truncate") for each in node.expressions)
    elif isinstance(node, exp.Copy):
        # COPY … TO reads. What it reads may itself write.
        if node.args.get("kind"):
            yield _table(node.this, "insert")
    elif isinstance(node, exp.Into):
        yield _table(node.this, "create")
    elif isinstance(node, exp.Create):
        if _is_of_table(node):
            yield _table(node.this, "any" if node.args.get("replace") else "create")
    elif isinstance(node, exp.Drop):
        if _is_of_table(node):
            yield from (_table(each, "any") for each in node.args.get("tables") or [node.this])
    elif isinstance(node, exp.Alter) and _is_of_table(node):
        yield from _all_tables(node, "any")


def _action_of_insert(node: Any) -> Action:
    if node.args.get("overwrite") or node.args.get("alternative"):
        return "any"
    return "update" if node.args.get("conflict") else "insert"


def _is_of_table(node: Any) -> bool:
    """Otherwise of an index, which has no rows of its own."""
    kind = str(node.args.get("kind")).upper()
    if kind not in ("TABLE", "INDEX"):
        raise Unclear(f"what {node.key} of a {kind.lower()} changes can't be told")
    return kind == "TABLE"


def _all_tables(statement: Any, action: Action) -> Iterator[Written]:
    """All that it names, but for the names that it gives itself: what these stand for is among the others."""
    from sqlglot import exp

    own = {alias.name.lower() for alias in statement.find_all(exp.TableAlias)}
    for table in statement.find_all(exp.Table):
        written = _table(table, action)
        if written.schema is not None or written.name.lower() not in own:
            yield written


def _table(node: Any, action: Action) -> Written:
    from sqlglot import exp

    if isinstance(node, exp.Schema):
        node = node.this
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise Unclear("it writes something else than a table with a name")
    return Written(node.db or None, node.name, action)
