"""Parse feeds in a parser process, a child process with limits of CPU, memory and time.

The parser process is started on first use. A start takes 0.3 s, so one parser process parses many
feeds, one at a time. A parser process that exceeds its limits is killed, and a new one is started
for the next feed.

The parser process ends when its standard input is closed. This happens when the process that
started it, its parent, ends. But if the parent forks, the forked process has copies of the pipes,
which would keep the standard input open. Therefore the forked process closes its copies.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal, cast

from scrm.channels.base import ChannelError

CPU_SECONDS = 3.0
WALL_SECONDS = 20.0
MEMORY_BYTES = 1024**3
_ROOT = Path(__file__).parents[3]


class _Child:
    """A parser process, the pipes to it, and a lock.

    A thread holds the lock while it uses the pipes, so only one thread uses them at a time.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, head: bytes, body: bytes) -> bytes:
        """Send a request to the parser process and return the answer.

        If the parser process died, the answer has no line break at its end.
        """
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        # readline() has no time limit, but it returns when the child is killed.
        watchdog = threading.Timer(WALL_SECONDS, child.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            child.stdin.write(head + body)
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line.endswith(b"\n"):
            # Wait until the child has ended: otherwise the next feed could be sent to a dying
            # child.
            child.kill()
            child.wait()
        return line

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "scrm.channels.feed.parse", str(MEMORY_BYTES)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self.process

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


_own = _Child()
os.register_at_fork(after_in_child=_own.close_pipes_after_fork)


def parse(
    op: Literal["feed", "page"], body: bytes, *, base: str, content_type: str
) -> dict[str, Any]:
    """Call `parse_feed` or `parse_page` in the parser process, and return the result.

    Raises ChannelError.
    """
    request = {
        "op": op,
        "length": len(body),
        "seconds": CPU_SECONDS,
        "base": base,
        "type": content_type,
    }
    # Only one request at a time, because an answer does not say which request it belongs to.
    with _own.lock:
        line = _own.ask(json.dumps(request).encode() + b"\n", body)
    if not line.endswith(b"\n"):
        raise ChannelError(
            f"The content of this address takes over {CPU_SECONDS:g} seconds of computing or too "
            "much memory to read; nothing was stored."
        )
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ChannelError(f"The content of this address cannot be read: {answer['error']}.")
    return answer
