"""A site of Django for the tests, configured as this is imported: before its models are.

Only tests of Django import it. Its settings disturb nobody else in this process.
"""

from __future__ import annotations

import django
from django.conf import settings

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
