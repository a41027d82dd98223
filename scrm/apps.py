from django.apps import AppConfig

from scrm.celery import app
from scrm.db.other_version import check_migrations_are_known

__all__ = ["ScrmConfig", "app", "check_migrations_are_known"]


class ScrmConfig(AppConfig):
    name = "scrm"
