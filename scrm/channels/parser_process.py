"""Parse content from outside in a parser process, with limits of CPU, memory and time.

The parser process is a child process that is started on first use. A start takes a second, so one
parser process parses many feeds and mails, one at a time. A parser process that exceeds its limits
ends, and a new one is started for the next content.

The parser process gets no settings and no environment, so it knows no password and no key. Its
answers are JSON and bytes, so that they cannot contain code.

The parser process ends when its standard input is closed. This happens when the process that
started it, its parent, ends. But if the parent forks, the forked process has copies of the pipes,
which would keep the standard input open. Therefore the forked process closes its copies.
"""

from __future__ import annotations

import io
import json
import operator
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from scrm.channels.base import ChannelError
from scrm.channels.unreadable import UNREADABLE

WALL_SECONDS = 15.0
"""The time limit of a request. It is shorter than what a task has left after its fetch."""
START_SECONDS = 30.0
MEMORY_BYTES = 1024**3
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The limit of the JSON of an answer, and of its bytes."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_ROOT = Path(__file__).parents[2]


class ParserError(Exception):
    """Raised if the parser process could not parse the content.

    reason: why, as the end of a sentence that begins with “This email” or the like.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ContentRefused(ParserError):
    """Raised if the parser answered that it cannot read the content. The process can go on."""


class ParserNotStarted(ChannelError):
    """Raised if the parser process does not start. The content is not at fault."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a parser found: facts that JSON can represent, and the bytes to which they refer."""

    facts: dict[str, Any]
    blobs: Sequence[bytes] = ()


class ParserProcess:
    """A parser process, the pipes to it, and a lock.

    A thread holds the lock while it uses the pipes, so only one thread uses them at a time.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def parse(
        self, operation: str, body: bytes, arguments: Mapping[str, Any], *, cpu_seconds: float
    ) -> Answer:
        """Call a function in the parser process: `operation(body, **arguments)`.

        operation: the module and the name of the function, such as "scrm.channels.feed.parse:page".
        Raises ParserError and ParserNotStarted.
        """
        request = {
            "operation": operation,
            "length": len(body),
            "seconds": cpu_seconds,
            "arguments": arguments,
        }
        head = json.dumps(request).encode() + b"\n"
        # Only one request at a time, because an answer does not say which request it belongs to.
        with self.lock:
            process = self._running()
            try:
                answer = self._ask(process, head, body)
            except ContentRefused:
                raise
            except BaseException:
                # Otherwise the next request would get the answer to this one.
                self._end(process)
                raise
            if answer is None:
                status = self._end(process)
                raise ParserError(_why_it_ended(status, cpu_seconds))
        return answer

    def _ask(self, process: subprocess.Popen[bytes], head: bytes, body: bytes) -> Answer | None:
        """Send a request to the parser process and return the answer; None if the process died."""
        assert process.stdin is not None
        assert process.stdout is not None
        # Reading has no time limit, but it returns when the process is killed.
        watchdog = threading.Timer(WALL_SECONDS, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            process.stdin.write(head + body)
            process.stdin.flush()
            return _read_answer(cast(io.BufferedReader, process.stdout))
        except BrokenPipeError:
            return None
        finally:
            watchdog.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
        return self.process

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "scrm.channels.parser_main", str(MEMORY_BYTES)],
            cwd=_ROOT,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            # The process writes an empty line when it is ready.
            if process.stdout.readline(1) != b"\n":
                raise ParserNotStarted("The process that parses mails and feeds does not start.")
        except BaseException:
            self._end(process)
            raise
        finally:
            watchdog.cancel()
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """End the parser process and return its exit status.

        Waits until it has ended: otherwise the next request could be sent to a dying process.
        """
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # The raw file: closing the buffered file would first write what remains.
                cast(io.BufferedWriter, pipe).raw.close()
        return status

    def close_pipes_after_fork(self) -> None:
        """Close the copies of the pipes that a forked process has. It calls this after the fork.

        The parser process still belongs to its parent, which continues to use it.
        """
        process, self.process, self.lock = self.process, None, threading.Lock()
        if process is not None and process.stdin is not None and process.stdout is not None:
            # Close the raw file: closing the buffered file would first write what the parent had
            # begun to send.
            cast(io.BufferedWriter, process.stdin).raw.close()
            process.stdout.close()
            process.returncode = 0


def _read_answer(answers: io.BufferedReader) -> Answer | None:
    """Read an answer of the parser process; return None if it is not complete.

    Raises ContentRefused if parsing failed, and ParserError if the answer is too large or damaged:
    content that has taken over the parser process could write anything.
    """
    line = answers.readline(MAX_ANSWER_BYTES + 1)
    if not line.endswith(b"\n"):
        if len(line) > MAX_ANSWER_BYTES:
            raise ParserError("cannot be read: it is too large")
        return None
    try:
        answer = json.loads(line)
        error, facts = answer.get("error"), answer["facts"]
        lengths = [operator.index(length) for length in answer["lengths"]]
        if not isinstance(facts, dict):
            raise TypeError("facts")
    except UNREADABLE as damage:
        raise ParserError("cannot be read: the parser failed") from damage
    if error:
        raise ContentRefused(f"cannot be read: {str(error)[:300]}")
    if min(lengths, default=0) < 0 or (total := sum(lengths)) > MAX_ANSWER_BYTES:
        raise ParserError("cannot be read: it is too large")
    blobs = [answers.read(length) for length in lengths]
    return Answer(facts, blobs) if sum(map(len, blobs)) == total else None


def _why_it_ended(status: int, cpu_seconds: float) -> str:
    """Return why a parser process ended that was at work, as `ParserError.reason`."""
    if status == -signal.SIGPROF:
        return f"takes more than {cpu_seconds:g} seconds of computing to read"
    if status == -signal.SIGKILL:
        return f"takes more than {WALL_SECONDS:g} seconds or too much memory to read"
    return f"cannot be read: the parser crashed (status {status})"


PARSER = ParserProcess()
"""The parser process that this worker shares."""
os.register_at_fork(after_in_child=PARSER.close_pipes_after_fork)
