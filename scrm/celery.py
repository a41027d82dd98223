"""The Celery app.

Celery messages only wake workers. Therefore they are acknowledged before the task runs, and tasks
return no result.
"""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")

from django.conf import settings
from django.db import close_old_connections

from scrm.web.logs import configure

# Celery warns about running as root, because pickled messages could run code; ours are JSON only.
warnings.simplefilter("ignore", SecurityWarning)
SOCKET = {"socket_timeout": 2, "socket_connect_timeout": 2, "socket_keepalive": True}
TASKS_PER_CHILD = 2000

TASKS = ["scrm.pipeline", "crm.tasks", "listening.tasks", "routing.tasks", "responses.tasks"]

app = Celery("scrm", broker=settings.REDIS_URL, include=TASKS)
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # Shorter than the lease of a delivery, so that no lease lapses while its task still runs.
    task_time_limit=90,
    task_soft_time_limit=75,
    task_routes={
        "scrm.pipeline.tick": {"queue": "tick"},
        "scrm.pipeline.community": {"queue": "tick"},
        "scrm.pipeline.poll": {"queue": "poll"},
        "scrm.pipeline.process": {"queue": "process"},
        "scrm.pipeline.deliver": {"queue": "deliver"},
        "scrm.pipeline.settle": {"queue": "deliver"},
    },
    # A worker must not reserve messages that another worker could run now.
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=TASKS_PER_CHILD,
    # Celery closes the database connection after each task unless this setting states how many
    # tasks may share one: here, all tasks of one process.
    CELERY_DB_REUSE_MAX=TASKS_PER_CHILD,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=SOCKET | {"max_retries": 0},
    redis_socket_timeout=SOCKET["socket_timeout"],
    redis_socket_connect_timeout=SOCKET["socket_connect_timeout"],
    beat_max_loop_interval=1,
    beat_schedule={
        name: {
            "task": f"scrm.pipeline.{name}",
            "schedule": seconds,
            "options": {"expires": seconds * 5},
        }
        for name, seconds in (
            ("tick", settings.TICK_SECONDS),
            ("community", settings.SANDBOX_SECONDS),
        )
        if seconds
    },
)


@task_prerun.connect
def _close_old_connections(**_: object) -> None:
    """Close a broken or expired database connection before each task.

    Django does the same at the start of each request. Otherwise, after the database has closed a
    connection, every further task of this process would fail.
    """
    close_old_connections()


@setup_logging.connect
def _log(**_: object) -> None:
    configure()
