"""The figures of a benchmark, printed as lines of the form `name value unit ratio goal`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg2
from django.db import connection

Statement = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a report.

    `goal` is the limit of the ratio. If the line has no ratio, `goal` is the limit of the value. A
    goal that starts with “>” is a minimum, and the goal “-” means that there is no limit. Any other
    goal is a maximum.
    """

    name: str
    value: float
    unit: str
    ratio: float | None
    goal: str

    def misses(self, slack: float) -> bool:
        measured = self.value if self.ratio is None else self.ratio
        if self.goal.startswith(">"):
            return measured < float(self.goal[1:]) / slack
        return self.goal != "-" and measured > float(self.goal) * slack


_said: list[Figure] = []


def say(name: str, value: float, unit: str, ratio: float | None, goal: str) -> None:
    _said.append(Figure(name, value, unit, ratio, goal))
    print(name, f"{value:.4g}", unit, "-" if ratio is None else f"{ratio:.2f}", goal, flush=True)


def missed(*, slack: float) -> int:
    """Return how many figures miss their goals by more than the factor `slack`.

    Figures in milliseconds are ignored, because they depend on the machine. The only exceptions are
    figures whose names end with `_page`.
    """
    judged = [each for each in _said if each.unit != "ms" or each.name.endswith("_page")]
    misses = [each for each in judged if each.misses(slack)]
    for each in misses:
        print("missed:", each.name, each.value, each.unit, each.ratio, each.goal, file=sys.stderr)
    return len(misses)


def compare(name: str, small: Cost, large: Cost) -> None:
    """Report the cost of a query in the large database, and its ratio to that in the small one.

    The ratio is the cost in the large database, divided by the cost in the small database. If the
    small database returns fewer rows, the ratio compares the cost per row. The goal for the ratios
    of buffers and p99 is 2.
    """
    full = large.rows and small.rows and small.rows < large.rows
    shown = small.rows / large.rows if full else 1
    say(f"{name}_buffers", large.buffers, "pages", large.buffers / small.buffers * shown, "2")
    say(f"{name}_p50", large.p50, "ms", large.p50 / small.p50 * shown, "-")
    say(f"{name}_p99", large.p99, "ms", large.p99 / small.p99 * shown, "2")


def into(database: str) -> None:
    """Make Django's default connection use this database from now on."""
    connection.close()
    connection.settings_dict["NAME"] = database


def statements(call: Callable[[], object]) -> list[Statement]:
    """Call a function of scrm, and return the SQL statements that the function executes."""
    asked: list[Statement] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return asked


@dataclass(frozen=True, slots=True)
class Cost:
    """The total cost of several SQL statements.

    `buffers` is the number of pages that PostgreSQL reads from its cache or from disk. `rows` is
    the number of rows that the last statement returns. `p50` and `p99` are percentiles of the CPU
    time in milliseconds, of the database server and the benchmark process together.
    """

    buffers: int
    rows: int
    p50: float
    p99: float


class Line:
    """A separate connection to one database.

    It can also measure the CPU time of the server process that handles the connection.
    """

    def __init__(self, database: str) -> None:
        facts = connection.get_connection_params() | {"dbname": database}
        facts.pop("cursor_factory", None)
        self.to = psycopg2.connect(**facts)
        self.to.autocommit = True
        self.clock = Path(f"/proc/{self.to.info.backend_pid}/schedstat")

    def spent(self) -> float:
        """Return the CPU seconds that this thread and the server process have used so far."""
        return time.thread_time() + int(self.clock.read_text().split()[0]) / 1e9

    def ask(self, asked: Sequence[Statement]) -> float:
        with closing(self.to.cursor()) as cursor:
            start = self.spent()
            for sql, params in asked:
                cursor.execute(sql, params)
                cursor.fetchall()
            return (self.spent() - start) * 1000

    def read(self, asked: Statement) -> tuple[int, int]:
        """Run a statement with EXPLAIN; return the numbers of pages read and rows returned."""
        with closing(self.to.cursor()) as cursor:
            sql, params = asked
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()
        top = plan[0]["Plan"]
        return top["Shared Hit Blocks"] + top["Shared Read Blocks"], round(top["Actual Rows"])


def costs(asked: dict[str, list[Statement]], *, runs: int) -> list[Cost]:
    """Measure the statements in each database, and return one cost for each database.

    `asked` maps the name of each database to its statements. The runs alternate between the
    databases, so that a disturbance of the machine affects all databases equally.
    """
    lines = {name: Line(name) for name in asked}
    took: dict[str, list[float]] = {name: [] for name in asked}
    try:
        read = {name: [lines[name].read(each) for each in asked[name]] for name in asked}
        for turn in range(runs):
            for name in asked if turn % 2 else reversed(asked):
                took[name].append(lines[name].ask(asked[name]))
    finally:
        for line in lines.values():
            line.to.close()
    return [
        Cost(
            buffers=sum(pages for pages, _rows in read[name]),
            rows=read[name][-1][1],
            p50=median(took[name]),
            p99=quantiles(took[name], n=100)[98],
        )
        for name in asked
    ]
