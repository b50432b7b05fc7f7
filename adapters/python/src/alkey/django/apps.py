"""What happens when Django has loaded the application's models: everything is listened to from then on."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class AlkeyConfig(AppConfig):
    name = "alkey.django"
    # Its last word would be "django".
    label = "alkey"
    verbose_name = "alkey"

    def ready(self) -> None:
        from django.core import checks
        from django.core.signals import request_finished, request_started, setting_changed
        from django.db.backends.signals import connection_created
        from django.db.models.deletion import Collector
        from django.db.models.signals import class_prepared, post_init, post_save, pre_save

        from alkey.django import alkeys, connection, instances, naming, requests
        from alkey.django.checks import check_server

        checks.register(check_server)
        setting_changed.connect(alkeys.forget, dispatch_uid="alkey")
        setting_changed.connect(naming.forget, dispatch_uid="alkey names")
        class_prepared.connect(naming.forget, dispatch_uid="alkey names")
        request_started.connect(requests.begins, dispatch_uid="alkey")
        request_finished.connect(requests.ends, dispatch_uid="alkey")
        post_init.connect(instances.remember_loaded, dispatch_uid="alkey")
        pre_save.connect(instances.before_save, dispatch_uid="alkey")
        post_save.connect(instances.after_save, dispatch_uid="alkey")
        connection_created.connect(connection.follow, dispatch_uid="alkey")
        connection.follow_all()
        _follow_deletions(Collector, instances.remember_where_it_points)


def _follow_deletions(collector: Any, remember: Any) -> None:
    """Who deletes an instance knows where it pointed, and the statement does not. There is a signal, but who listens
    to it makes Django load all rows before it deletes them. Without this, all rows of the table that it points at are
    taken for changed."""
    delete = collector.delete
    if getattr(delete, "is_followed", False):
        return

    def followed(self: Any) -> Any:
        for found in self.data.values():
            for instance in found:
                remember(instance, self.using)
        return delete(self)

    followed.is_followed = True  # type: ignore[attr-defined]
    collector.delete = followed
