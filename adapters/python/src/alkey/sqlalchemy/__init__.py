"""SQLAlchemy 2.0 and 2.1: what sessions change is recorded and committed by itself, and what they read has an age.

What the rest of the package uses:

    bind(alkey, target)                       target: Session class, sessionmaker, scoped_session, or a Session
    see_engines_of(target, namespace)         the same for what becomes a target only later, as in asyncio
    identifiers_of(thing, namespace)          a mapped instance or class -> the identifiers that it stands for; () for
                                              anything else. Mostly one; an instance of a joined-inheritance class
                                              depends on a row in each of its tables, so it has one for each, that of
                                              its own table first. Where only the database knows which row a key is,
                                              they are tables' identifiers, and `Apart`.
    row_of(thing, key, schema, namespace)     the identifier of a row of a mapped class, a Table, or a table's name;
                                              raises NoIdentifier for a key that it can't have
    table_of(thing, schema, namespace)        that of any row
    scope_of_class(model, values, ns)         the identifier of a scope that the class declares; raises NoIdentifier
    reading_of(session | None, things)        -> a Reading: since_ns, is_private, is_known
        since_ns    alkey.age.now_ns() from when the data may be that was read in this transaction, or is in the
                    instances among `things`. None: nothing was read yet, so the age is 0.
        is_private  a session holds changes, flushed or not: its keys are nobody else's.
        is_known    False: an instance of unknown age is among `things` (unpickled, merged without loading, made by
                    hand, loaded by a session that is not bound), or the session is in a transaction that began
                    before alkey could see it. No shared key then.
      The sessions of the instances count, as well as the session given. If there is none, all count that are in a
      transaction that this thread, or this task of asyncio, began.

`alkey` is a `Front`: an Alkey.
"""

from alkey.sqlalchemy.by_hand import row_of, table_of
from alkey.sqlalchemy.events import bind, see_engines_of
from alkey.sqlalchemy.identifiers import identifiers_of
from alkey.sqlalchemy.reading import Reading, reading_of
from alkey.sqlalchemy.scopes import scope_of_class
from alkey.sqlalchemy.session import Front

__all__ = [
    "Front",
    "Reading",
    "bind",
    "identifiers_of",
    "reading_of",
    "row_of",
    "scope_of_class",
    "see_engines_of",
    "table_of",
]
