"""Check that no secret of an account appears in a log record, an error or a representation."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scrm.channels.base import ChannelError


class Recorder(logging.Handler):
    """Receives the records of all loggers, at all levels, and keeps those with a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets: list[str] = []
        self.found: list[str] = []
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        text = f"{self.format(record)} {record.__dict__!r}"
        if any(secret in text for secret in self.secrets):
            self.found.append(f"{record.name}: {text[:2000]}")


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record every logger at level DEBUG, whatever the settings of the loggers are."""
    recorder, root = Recorder(), logging.getLogger()
    loggers = [
        logger
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger)
    ]
    before = [(logger, logger.level, logger.propagate, logger.disabled) for logger in loggers]
    level, disabled = root.level, logging.root.manager.disable
    for logger in loggers:
        logger.level, logger.propagate, logger.disabled = logging.NOTSET, True, False
    root.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    root.addHandler(recorder)
    try:
        yield recorder
    finally:
        root.removeHandler(recorder)
        for logger, old_level, propagate, was_disabled in before:
            logger.level, logger.propagate, logger.disabled = old_level, propagate, was_disabled
        root.setLevel(level)
        logging.disable(disabled)


@contextmanager
def check_error(secrets: Sequence[str]) -> Iterator[None]:
    """Check an error that leaves a channel: only ChannelError may, and without a secret."""
    try:
        yield
    except ChannelError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
        assert not any(secret in shown for secret in secrets), "an error contains a secret"
        raise
