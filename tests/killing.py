"""Kill a process with SIGKILL immediately before or after a named step of its work."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from functools import reduce
from typing import Any

from django.db import connections


def killed_at(where: str, when: str, work: Callable[[], object]) -> int:
    """Run `work` in a process that is killed "before" or "after" a step; return the signal number.

    where: the step, as "module:owner.name". The process is a fork of the test process. The result
    is 0 if the process ends without reaching the step.
    """
    connections.close_all()  # the fork must not share its parent's database connection
    child = os.fork()
    if child == 0:
        try:
            _arm(where, when)
            work()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def _arm(where: str, when: str) -> None:
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner: Any = reduce(getattr, owners, importlib.import_module(module))
    step = getattr(owner, name)

    def deadly(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            step(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)
