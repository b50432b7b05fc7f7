"""Statements in SQL that write, by chance: see test_raw_sql_random. Each table of `models` is written under each of the
names that a text may give it, by each verb, alone, in a CTE, explained, or beside others."""

from __future__ import annotations

from random import Random

# Each with a column that may be assigned to, a value, and the columns and values of a new row.
TABLES = {
    "users": ("name", "'z'", "id, name, visits", "{key}, 'n', 0"),
    "orders": ("total", "9", "id, customer, total", "{key}, 1, 0"),
    "tags": ("note", "'z'", "name", "'t{key}'"),
    "parents": ("id", "id + 10", "id", "{key}"),
    "children": ("id", "id + 10", "id, parent_id", "{key}, 1"),
    "grandchildren": ("child_id", "NULL", "id, child_id", "{key}, 1"),
    "people": ("name", "'z'", "id, kind, name", "{key}, 'person', 'n'"),
    "Documents-2": ("title", "'z'", "id, title", "'00000000-0000-0000-0000-00000000000{key}', 'n'"),
    "seats": ("taken", "NOT taken", "row, letter, taken", "{key}, 'b', FALSE"),
}
COMMENTS = ("", "", "-- DELETE FROM tags\n", "/* UPDATE tags */ ", "\n\t")


class Generator:
    def __init__(self, dice: Random, dialect: str) -> None:
        self.dice = dice
        self.is_postgres = dialect == "postgresql"

    def statement(self) -> str:
        if not self.is_postgres:
            return self.comment() + self.write()
        kind = self.dice.randrange(12)
        if kind == 0:
            return f"{self.write()}; {self.comment()}{self.write()};"
        if kind == 1:
            how = self.pick("ANALYZE", "(ANALYZE)", "(COSTS OFF, ANALYZE TRUE)", "ANALYZE VERBOSE")
            return f"EXPLAIN {how} {self.write()}"
        if kind == 2:
            return f"SELECT 1; {self.write()}"
        if kind == 3:
            return self.pick("DO $$ BEGIN {0}; END $$", "PREPARE p AS {0}; EXECUTE p; DEALLOCATE p").format(
                self.write()
            )
        return self.comment() + self.write()

    def write(self) -> str:
        verbs = [self.insert, self.update, self.delete, self.delete]
        if self.is_postgres:
            verbs += [self.upsert, self.cte, self.merge, self.truncate, self.copy, self.into, self.ddl]
        else:
            verbs += [self.upsert, self.replace]
        return self.dice.choice(verbs)()

    def pick(self, *choices: str) -> str:
        return self.dice.choice(choices)

    def comment(self) -> str:
        return self.pick(*COMMENTS)

    def table(self) -> str:
        return self.dice.choice(list(TABLES))

    def name(self, table: str) -> str:
        """As a text may write it."""
        schema = self.pick(
            "", "", "public." if self.is_postgres else "main.", '"public".' if self.is_postgres else ""
        )
        if table != table.lower():
            return f'{schema}"{table}"'
        return schema + self.pick(table, table, table.upper(), f'"{table}"', table.title())

    def condition(self) -> str:
        return self.pick("", "", " WHERE 1 = 1", " WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = 1)")

    def returning(self) -> str:
        return self.pick("", " RETURNING 1")

    def key(self) -> int:
        return self.dice.randint(1, 9)

    def insert(self) -> str:
        table = self.table()
        *_, columns, values = TABLES[table]
        values = values.format(key=self.key())
        source = self.pick(f"VALUES ({values})", f"SELECT {values}")
        return f"{self.pick('INSERT INTO', 'insert  into')} {self.name(table)} ({columns}) {source}{self.returning()}"

    def upsert(self) -> str:
        key = self.key()
        return (
            f"INSERT INTO {self.name('parents')} (id) VALUES ({key}) ON CONFLICT (id) "
            f"{self.pick('DO NOTHING', f'DO UPDATE SET id = {key + 20}')}"
        )

    def replace(self) -> str:
        table = self.table()
        *_, columns, values = TABLES[table]
        verb = self.pick("REPLACE INTO", "INSERT OR REPLACE INTO")
        return f"{verb} {self.name(table)} ({columns}) VALUES ({values.format(key=self.key())})"

    def update(self) -> str:
        table = self.table()
        column, value, *_ = TABLES[table]
        only = self.pick("", "ONLY ") if self.is_postgres else ""
        alias = self.pick("", " AS x", " AS tags")
        source = self.pick("", " FROM users AS other") if table != "users" and column not in value else ""
        end = f"{source}{self.condition()}{self.returning()}"
        return f"UPDATE {only}{self.name(table)}{alias} SET {column} = {value}{end}"

    def delete(self) -> str:
        table = self.table()
        if not self.is_postgres:
            return f"DELETE FROM {self.name(table)}{self.condition()}"
        using = self.pick("", " USING seats AS s", " USING people, seats AS users")
        return f"DELETE FROM {self.pick('', 'ONLY ')}{self.name(table)} AS x{using}{self.returning()}"

    def cte(self) -> str:
        table = self.table()
        inner = self.pick(
            f"DELETE FROM {self.name(table)} RETURNING *",
            f"UPDATE {self.name(table)} SET {TABLES[table][0]} = {TABLES[table][1]} RETURNING *",
        )
        outer = self.pick(
            f"SELECT count(*) FROM {self.pick('users', 'w')}",
            self.update(),
            self.insert(),
            "DELETE FROM tags",
        )
        return f"WITH w AS ({inner}) {outer}"

    def merge(self) -> str:
        table = self.pick("users", "orders", "parents", "children")
        column, value, *_ = TABLES[table]
        update = f"UPDATE SET {column} = {value.replace('id ', 't.id ')}"
        return (
            f"MERGE INTO {self.name(table)} AS t USING {self.pick('users', 'orders')} AS s ON t.id = s.id "
            f"WHEN MATCHED THEN {self.pick('DELETE', update)}"
        )

    def truncate(self) -> str:
        tables = ", ".join({self.name(self.table()) for _ in range(self.dice.randint(1, 2))})
        end = self.pick("", " RESTART IDENTITY") + self.pick("", " CASCADE")
        return f"TRUNCATE {self.pick('', 'TABLE ', 'ONLY ')}{tables}{end}"

    def copy(self) -> str:
        line = f"echo {self.key()}"
        return self.pick(
            f"COPY {self.name('parents')} (id) FROM PROGRAM '{line}'",
            f"COPY {self.name('parents')} (id) FROM PROGRAM '{line}' WITH (FORMAT csv)",
            f"COPY (DELETE FROM {self.name('seats')} RETURNING *) TO PROGRAM 'cat >/dev/null'",
        )

    def into(self) -> str:
        return self.pick(
            f"SELECT * INTO new{self.key()} FROM {self.name('users')}",
            f"WITH w AS (DELETE FROM seats RETURNING *) SELECT * INTO TEMP new{self.key()} FROM w",
            f"CREATE TABLE new{self.key()} AS SELECT * FROM users",
        )

    def ddl(self) -> str:
        table = self.table()
        return self.pick(
            f"DROP TABLE {self.name(table)} CASCADE",
            f"ALTER TABLE {self.name(table)} DROP COLUMN {TABLES[table][0]} CASCADE",
            f"ALTER TABLE {self.name(table)} RENAME TO gone",
            f"ALTER TABLE {self.name(table)} ADD COLUMN more int DEFAULT 1",
        )
