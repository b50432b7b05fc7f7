"""What `manage.py check` says of the setting ALKEY and of the server."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured

from alkey.django import alkeys
from alkey.errors import AlkeyError, ModuleNotLoaded, Unavailable


def check_server(**_: Any) -> list[CheckMessage]:
    try:
        alkey = alkeys.default()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="alkey.E001")]
    try:
        # As readers ask, so they need no other right. A key of nothing changes nothing, and makes no namespace.
        (alkey.commands.lookup if alkey.strict else alkey.commands.key)([b"--", b"check"])
    except ModuleNotLoaded as error:
        return [Error(str(error), id="alkey.E002")]
    except Unavailable as error:
        return [Warning(f"{error}; nothing is cached until it answers", id="alkey.W001")]
    except AlkeyError as error:
        return [Error(str(error), id="alkey.E003")]
    return []
