"""A small bookshop that caches the fragments of its pages with alkey, and shows what becomes of them.

`app` is the application as any other: Pyramid, SQLAlchemy (`models`), Mako, dogpile.cache. What it caches is declared
in `contents`. `fragments` and `laboratory` are there for the show: they look over its shoulder, and break things.
"""
