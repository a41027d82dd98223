from django.apps import AppConfig
from django.utils.module_loading import import_string

from scrm.celery import app
from scrm.db.other_version import check_migrations_are_known

__all__ = ["ScrmConfig", "app", "check_migrations_are_known"]


class ScrmConfig(AppConfig):
    name = "scrm"

    def ready(self) -> None:
        # Models cannot be imported before all apps are loaded, so this function names them as text.
        import_string("scrm.wiring.connect")()
