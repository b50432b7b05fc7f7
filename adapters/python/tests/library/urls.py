"""It has no pages: tests have their own."""

from __future__ import annotations

urlpatterns: list[object] = []
