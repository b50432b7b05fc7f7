"""Which request this thread serves. Django tells by signals; its asynchronous handler, in the thread of the request."""

from __future__ import annotations

from typing import Any

from alkey.django.life import here


def begins(**_: Any) -> None:
    here.request = object()


def ends(**_: Any) -> None:
    here.request = None
