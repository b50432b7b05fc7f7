"""A site of Django for the tests, configured as this is imported: before its models are.

Only tests of Django import it. Its settings disturb nobody else in this process.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.db import connections

from harness import Postgres

settings.configure(
    SECRET_KEY="of the tests",
    INSTALLED_APPS=["alkey.django", "library"],
    DATABASES={
        alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        for alias in ("default", "archive")
    },
    CACHES={
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
        for name in ("default", "other")
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    ROOT_URLCONF="library.urls",
    ALKEY={"URL": "redis://127.0.0.1:9"},
)
django.setup()


def use(alias: str, **options: Any) -> None:
    """From now on the alias is another database."""
    connections[alias].close()
    del connections[alias]
    defaults = {**connections.settings[alias], "HOST": "", "PORT": "", "USER": "", "OPTIONS": {}}
    connections.settings[alias] = {**defaults, **options}


def postgres_options(postgres: Postgres, name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": str(postgres.directory),
        "PORT": str(postgres.port),
        "USER": "postgres",
    }
