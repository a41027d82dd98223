"""The parser process: limits of CPU, memory and time, and no trust in its answers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import pytest

from scrm.channels import parser_main, parser_process
from scrm.channels.base import ChannelError
from scrm.channels.parser_process import PARSER, Answer, ParserError, ParserNotStarted

FAULTS = "tests.channels.parser_faults"


def parse(name: str, body: bytes = b"", *, cpu_seconds: float = 3.0) -> Answer:
    return PARSER.parse(f"{FAULTS}:{name}", body, {}, cpu_seconds=cpu_seconds)


def assert_it_answers() -> None:
    assert parse("echo", b"after it").facts == {"size": 8}


@pytest.fixture(autouse=True)
def child() -> psutil.Process:
    assert_it_answers()
    assert PARSER.process is not None
    return psutil.Process(PARSER.process.pid)


def test_it_answers_with_facts_and_bytes() -> None:
    body = bytes(range(256)) * 10_000
    answer = parse("echo", body)
    assert answer.facts == {"size": len(body)}
    assert answer.blobs == [body, b"", body[:3]]


def test_it_serves_request_after_request(child: psutil.Process) -> None:
    assert_it_answers()
    assert PARSER.process is not None
    assert PARSER.process.pid == child.pid


# Fails with "seconds": 0, because then only the limit of elapsed time ends the parser.
def test_it_is_killed_when_it_computes_too_long(child: psutil.Process) -> None:
    started = time.monotonic()
    with pytest.raises(ParserError, match=r"^takes more than 0\.3 seconds of computing to read$"):
        parse("compute", cpu_seconds=0.3)
    assert time.monotonic() - started < parser_process.WALL_SECONDS / 2
    assert not child.is_running()
    assert_it_answers()


def test_it_is_killed_when_it_hangs(child: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_process, "WALL_SECONDS", 0.3)
    with pytest.raises(ParserError, match=r"takes more than 0\.3 seconds"):
        parse("sleep", b"60")
    assert not child.is_running()
    assert_it_answers()


def test_a_crash_is_reported_and_the_next_content_is_read() -> None:
    with pytest.raises(ParserError, match="the parser crashed"):
        parse("crash")
    assert_it_answers()


def test_it_has_a_bounded_memory(child: psutil.Process) -> None:
    assert child.rlimit(psutil.RLIMIT_AS) == (1024**3, 1024**3)
    with pytest.raises(ParserError, match="it needs too much memory"):
        parse("fill_memory")
    assert_it_answers()


# Fails if each refused feed or mail costs the second that a start takes.
def test_after_an_error_it_goes_on(child: psutil.Process) -> None:
    with pytest.raises(ParserError, match=r"^cannot be read: the parser gave up \(ValueError: "):
        parse("sleep", b"no number")
    assert_it_answers()
    assert PARSER.process is not None
    assert PARSER.process.pid == child.pid


def test_an_answer_that_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(ParserError, match="nested too deeply"):
        parse("nest", bytes(100_000))
    assert_it_answers()


def test_one_that_died_is_replaced(child: psutil.Process) -> None:
    child.kill()
    child.wait(5)
    assert_it_answers()


# Fails if the process is stopped by SIGTERM, which a supervisor sends to all processes of a worker.
def test_a_worker_that_is_told_to_stop_can_still_parse(child: psutil.Process) -> None:
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)
    assert_it_answers()
    assert PARSER.process is not None
    assert PARSER.process.pid == child.pid


# Fails if the process inherits the environment, which contains the keys of the installation.
def test_it_knows_no_secret() -> None:
    assert {"SECRET_KEY", "SCRM_SECRETS_KEYS", "DATABASE_URL"} & set(os.environ)
    names = set(parse("environment").facts["names"])
    assert names <= {"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE"}


class Interrupted(Exception):
    """Raised as the soft time limit of a task is, in the middle of a request."""


@pytest.fixture
def interrupting() -> Iterator[None]:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise Interrupted

    former = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


# Fails if the process goes on after the interrupted request: its answer would be taken for the
# answer to the next request.
@pytest.mark.usefixtures("interrupting")
def test_after_an_interrupted_request_no_other_gets_its_answer() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(Interrupted):
        parse("sleep", b"1")
    assert_it_answers()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        b"no json", b"[]", b"1", b"{}", b'{"facts": 1, "lengths": []}', b'"text"', b"\xff",
        b'{"facts": {}, "lengths": 3}', b'{"facts": {}, "lengths": [-1]}',
        b'{"facts": {}, "lengths": [1.5]}', b'{"facts": {}, "lengths": ["1"]}',
        b'{"facts": {}, "lengths": [1e300]}', b'{"facts": {}, "lengths": [99999999999]}',
        b'{"error": {}, "facts": [], "lengths": []}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_false_answer_is_an_error_and_no_other_request_gets_it(line: bytes) -> None:
    with pytest.raises(ParserError, match=r"^cannot be read: "):
        parse("write", line + b"\n")
    assert_it_answers()


def test_an_endless_answer_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_process, "MAX_ANSWER_BYTES", 1000)
    with pytest.raises(ParserError, match="it is too large"):
        parse("write", b"x" * 5000)


def test_a_process_that_does_not_start_is_not_the_fault_of_the_content(
    child: psutil.Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child.kill()
    child.wait(5)
    monkeypatch.setattr(parser_process, "_ROOT", tmp_path)
    with pytest.raises(ParserNotStarted) as error:
        parse("echo")
    assert isinstance(error.value, ChannelError)
    assert not error.value.permanent
    monkeypatch.undo()
    assert_it_answers()


# Fails without `register_at_fork`.
def test_a_forked_process_gets_its_own_and_leaves_ours(child: psutil.Process) -> None:
    forked = os.fork()
    if forked == 0:
        good = PARSER.process is None
        facts = parse("echo", b"abc").facts
        own: Any = PARSER.process
        good = good and own is not None and own.pid != child.pid
        os._exit(0 if good and facts == {"size": 3} else 1)
    assert os.waitpid(forked, 0)[1] == 0
    assert_it_answers()
    assert PARSER.process is not None
    assert PARSER.process.pid == child.pid


def test_it_ends_with_the_process_that_started_it() -> None:
    reader, writer = os.pipe()
    forked = os.fork()
    if forked == 0:
        assert_it_answers()
        assert PARSER.process is not None
        os.write(writer, b"%d\n" % PARSER.process.pid)
        signal.pause()
    orphan = psutil.Process(int(os.read(reader, 20)))
    os.kill(forked, signal.SIGKILL)
    os.waitpid(forked, 0)
    psutil.wait_procs([orphan], timeout=5)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("text", ["насос", "a\udc80b", "\x00\n"])
def test_any_text_comes_back_as_it_is(text: str) -> None:
    line = parser_main._line({"text": text})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"text": text}
