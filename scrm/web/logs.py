"""Configure the logs. Each log line is a JSON object that contains the request's id.

In development, log lines are coloured text instead.
"""

from __future__ import annotations

import logging
import logging.config

import structlog
from django.conf import settings
from django.http import HttpRequest

from scrm.web.middleware import route


def without_address(record: logging.LogRecord) -> bool:
    """Log filter that replaces the URL path by the URL pattern in Django's own log lines.

    The path must not be logged, because it may contain a secret key.
    """
    request = getattr(record, "request", None)
    if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
        record.args = tuple(
            route(request) if argument == request.path else argument for argument in record.args
        )
    return True


def configure() -> None:
    """Send the log lines of structlog and of the standard library through one formatter."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if settings.DEBUG
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler()
    handler.addFilter(without_address)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # The request log shows refused requests with their status; only errors need a traceback.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    for noisy in (
        "celery.worker.strategy",
        "celery.worker.request",
        "celery.app.trace",
        "celery.beat",
        "tweepy",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
