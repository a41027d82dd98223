"""Parsers that fail. The tests of the parser process run them there."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from scrm.channels.parser_process import Answer


def echo(body: bytes) -> Answer:
    return Answer({"size": len(body)}, [body, b"", body[:3]])


def environment(body: bytes) -> Answer:
    return Answer({"names": sorted(os.environ)})


def compute(body: bytes) -> Answer:
    while True:
        pass


def sleep(body: bytes) -> Answer:
    time.sleep(float(body))
    return Answer({"slept": True})


def crash(body: bytes) -> Answer:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    return Answer({})


def fill_memory(body: bytes) -> Answer:
    return Answer({}, [bytes(1024) * 1024**2])


def nest(body: bytes) -> Answer:
    inner: list[Any] = []
    for _ in range(len(body)):
        inner = [inner]
    return Answer({"nested": inner})


def write(body: bytes) -> Answer:
    """Write any bytes as the answer, as content does that has taken over the process."""
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
    time.sleep(60)
    return Answer({})
