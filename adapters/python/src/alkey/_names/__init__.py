"""How rows, tables and scopes are named: docs/names.md, in Python. Its test vectors are in names/vectors.json.

    identifier   the bytes of an identifier, from names that are made already
    kinds        the name of a value of one of the database's types; `numbers`, `moments` and `networks` have more types
    types        the kind of a type, by the name that PostgreSQL prints for it
    values       the name of a value whose type nobody knows
    rows         the names of one table's rows
    schemas      which schema needs no name, and where a search path finds a table

Knows no ORM, no session and no server, and imports nothing of the package but its errors.
"""
