"""Answer requests to parse content, in a child process that may be killed.

`scrm.channels.parser_process` runs this module.

A request is a line of JSON (`{"operation", "length", "seconds", "arguments"}`) followed by `length`
bytes. The answer is a line of JSON (`{"facts", "lengths"}`), followed by bytes of these lengths. If
parsing fails, the line contains the reason (`"error"`). The process does not use the network and
keeps no data of earlier requests.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO

from django.conf import settings

from scrm.channels.parser_process import MAX_ANSWER_BYTES, Answer


def serve(requests: BinaryIO, answers: BinaryIO, memory: int) -> None:
    """Answer requests until the parent process closes the pipe.

    Each request says in "seconds" how much CPU time it may use. If it uses more, the kernel kills
    this process.
    """
    # Set before the first request, so that no content can fill the memory or leave a core dump.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A worker that is told to stop finishes its task first, and this process is part of that.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _write(answers, b"\n")
    while line := requests.readline():
        request = json.loads(line)
        body = requests.read(request["length"])
        parse = _function(request["operation"])
        # The kernel's timer kills the process even inside C code, because no Python handler has to
        # run.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        answer = _answer(parse, body, request["arguments"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(answers, *answer)


def _function(operation: str) -> Callable[..., Answer]:
    """Return the function with this name, such as "scrm.channels.feed.parse:feed"."""
    module, _, name = operation.partition(":")
    function: Callable[..., Answer] = getattr(import_module(module), name)
    return function


def _answer(parse: Callable[..., Answer], body: bytes, arguments: dict[str, Any]) -> list[bytes]:
    """Return the pieces of the answer. If parsing fails, the answer contains the reason."""
    try:
        found = parse(body, **arguments)
        lengths = [len(blob) for blob in found.blobs]
        line = _line({"facts": found.facts, "lengths": lengths})
        if max(len(line), sum(lengths)) <= MAX_ANSWER_BYTES:
            return [line, *found.blobs]
        reason = "it is too large"
    except MemoryError:
        reason = "it needs too much memory"
    except RecursionError:
        reason = "it is nested too deeply"
    # The content is at fault for any error of the parser, so the error becomes the reason.
    except Exception as error:
        reason = f"the parser gave up ({type(error).__name__}: {str(error)[:200]})"
    return [_line({"error": reason, "facts": {}, "lengths": []})]


def _line(answer: dict[str, Any]) -> bytes:
    """Return the answer as a line of JSON.

    UTF-8 is shorter than escapes. Escapes are used only for lone surrogates, which UTF-8 lacks.
    """
    try:
        return json.dumps(answer, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(answer).encode() + b"\n"


def _write(answers: BinaryIO, *pieces: bytes) -> None:
    for piece in pieces:
        answers.write(piece)
    answers.flush()


if __name__ == "__main__":
    # Names of charsets are marked for translation. They stay in English, as in the worker, which
    # has no user. The real settings contain secrets.
    settings.configure(USE_I18N=False)
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
