from django.apps import AppConfig

from scrm.celery import app

__all__ = ["ScrmConfig", "app"]


class ScrmConfig(AppConfig):
    name = "scrm"
