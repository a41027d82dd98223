"""`make run`, tested with small processes instead of those of scrm (see stand_in.py)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrm.launcher import processes
from scrm.launcher.embedded import ServiceError
from scrm.launcher.run import Plan, end_leftovers, plan, read_state

STAND_IN = Path(__file__).with_name("stand_in.py")
GIVEN = ("DATABASE_URL", "REDIS_URL")
ENV = {name: value for name, value in os.environ.items() if name not in GIVEN}


class Machine:
    """A data directory and a port, with which the small processes are started.

    The processes can be started several times.
    """

    def __init__(self, var: Path) -> None:
        self.var = var
        self.output = var.parent / "output.txt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> subprocess.Popen[bytes]:
        root = str(STAND_IN.parents[2])
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, str(STAND_IN), str(self.var), str(self.port)],
                env={**ENV, "PYTHONPATH": root},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def words(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def says(self, words: str, *, within: float = 30) -> bool:
        deadline = time.monotonic() + within
        while words not in self.words:
            if time.monotonic() > deadline:
                pytest.fail(f"{words!r} was not said, but:\n{self.words}")
            time.sleep(0.05)
        return True

    def all_pids(self) -> list[int]:
        mark = json.loads((self.var / "run.json").read_text())["mark"]
        return [
            *processes.marked(mark),
            *processes.working_in(self.var / "postgres", "postgres"),
            *processes.working_in(self.var / "redis", "redis-server"),
        ]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "var")
    yield machine
    if (machine.var / "run.json").exists():
        supervisor = json.loads((machine.var / "run.json").read_text())["pid"]
        processes.end([supervisor], within=20)
        assert processes.gone(machine.all_pids(), within=5)


def until(condition: Callable[[], bool], *, within: float = 15) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.alone
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_says_one_address_and_stops_everything_in_five_seconds(
    machine: Machine, signum: int
) -> None:
    supervisor = machine.start()
    machine.says("logins: ('admin',)")
    assert machine.words.count("http://") == 1
    # One process ignores SIGTERM, and so does its child process in another session.
    pids = machine.all_pids()
    assert len(pids) > 7
    began = time.monotonic()
    supervisor.send_signal(signum)
    assert supervisor.wait(10) == 0
    assert time.monotonic() - began < 5
    assert processes.gone(pids, within=0)
    assert machine.words.endswith("scrm has stopped.\n")


@pytest.mark.slow
def test_a_killed_supervisor_costs_no_data_and_its_leftovers_are_ended(machine: Machine) -> None:
    supervisor = machine.start()
    machine.says("logins: ('admin',)")
    left = machine.all_pids()
    supervisor.kill()
    supervisor.wait()
    machine.start()
    machine.says("logins: ('admin',)")
    assert "processes that an earlier run left behind" in machine.words
    assert "sample loaded" not in machine.words
    assert processes.gone(left, within=0)


@pytest.mark.slow
def test_a_second_start_is_refused_and_names_the_first(machine: Machine) -> None:
    first = machine.start()
    machine.says("scrm is ready")
    second = machine.start()
    assert second.wait(20) == 1
    assert f"already running here: process {first.pid}, http://localhost" in machine.words
    assert first.poll() is None
    first.terminate()
    first.wait(20)


@pytest.mark.slow
def test_a_process_or_a_database_that_dies_is_started_again(machine: Machine) -> None:
    machine.start()
    machine.says("scrm is ready")
    machine.says("dying    | ended with code 3; starting it again in 2 s")
    machine.says("stubborn | stubborn ")
    stubborn = int(re.findall(r"stubborn \| stubborn (\d+)", machine.words)[0])
    os.kill(stubborn, signal.SIGKILL)
    machine.says("stubborn | was ended by SIGKILL; starting it again")
    pids = processes.working_in(machine.var / "postgres", "postgres")
    os.kill(min(pids), signal.SIGKILL)
    machine.says("postgres ended; starting it again")
    until(lambda: bool(set(processes.working_in(machine.var / "postgres", "postgres")) - {*pids}))
    assert processes.gone([stubborn, min(pids)], within=0)


@pytest.mark.slow
def test_an_interrupt_during_the_first_setup_leaves_nothing_and_the_next_start_works(
    machine: Machine,
) -> None:
    supervisor = machine.start()
    until((machine.var / "postgres.new").exists)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(20) == 0
    assert processes.gone(machine.all_pids(), within=0)
    machine.start()
    machine.says("logins: ('admin',)")


def test_a_taken_port_is_refused_before_anything_starts(machine: Machine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        assert machine.start().wait(20) == 1
    assert f"Port {machine.port} on 127.0.0.1 cannot be used" in machine.words
    assert "Nothing was started" in machine.words
    assert not (machine.var / "postgres").exists()


def test_a_stranger_who_got_the_pid_of_a_leftover_is_spared(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    before = processes.started_at(stranger.pid)
    assert before is not None
    (tmp_path / "run.json").write_text(
        json.dumps({"mark": "gone", "children": {str(stranger.pid): before - 1}})
    )
    try:
        end_leftovers(plan_in(tmp_path))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_state_file_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"pid": 1')
    end_leftovers(plan_in(tmp_path))
    assert read_state(plan_in(tmp_path)) == {}


def plan_in(var: Path) -> Plan:
    return Plan(processes={}, migrate=(), sample=None, logins=(), var=var)


def test_the_environment_chooses_address_and_sample() -> None:
    chosen = plan({"PORT": "8001", "HOST": "0.0.0.0", "SAMPLE": "0"})
    assert (chosen.port, chosen.host, chosen.url) == (8001, "0.0.0.0", "http://localhost:8001")
    assert chosen.sample is not None
    assert chosen.sample[-1] == "first_admin"
    sample = plan({}).sample
    assert sample is not None
    assert sample[-1] == "load_sample"


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", ""])
def test_a_port_that_is_no_port_is_refused_in_words(port: str) -> None:
    with pytest.raises(ServiceError, match="PORT must be a number"):
        plan({"PORT": port})
