"""Benchmark of the inbox at 100,000 and at a million mentions.

Measures lists, tags, search, badges and timelines (V5), the cost of a page (V6), and fifty users
who press “next case” at once (V8).

Run it with `make bench`. It prints `name value unit ratio goal`. Two databases are filled from one
seed, one with ten times as many mentions as the other, and queried in turns. `_buffers` are the
pages that PostgreSQL reads for a query, from EXPLAIN. `_p50` and `_p99` are CPU time of the
database and of this process, because other programs may run on the machine. The ratio compares a
million with 100,000; for a list that is not yet full at 100,000 it is per row. With --smoke all
sizes are small, and a result that is not flat makes it exit with an error.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")

import django

django.setup()

import structlog
from inbox_parts import claims, figures, filling, pages, queries

SMALL, LARGE = "bench_small", "bench_large"
# Below 100,000 mentions there are fewer matches than the search examines.
NOT_SMALL = ("search_word", "search_common", "search_two", "search_beginning", "topic_common")


def main(*, smoke: bool) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    mentions, runs = ((50_000, 500_000), 10) if smoke else ((100_000, 1_000_000), 200)
    for name, number in zip((SMALL, LARGE), mentions, strict=True):
        filling.made(name, number)
    asked: dict[str, dict[str, list[figures.Statement]]] = {}
    for name in (SMALL, LARGE):
        figures.into(name)
        for query, call in queries.queries():
            if smoke and query.startswith(NOT_SMALL):
                continue
            asked.setdefault(query, {})[name] = figures.statements(call)
    for query, statements in asked.items():
        figures.compare(query, *figures.costs(statements, runs=runs))
    figures.into(LARGE)
    pages.measure(*((3,) if smoke else ()))
    claims.measure(*((20, 2) if smoke else ()))
    return figures.missed(slack=2) if smoke else 0


if __name__ == "__main__":
    sys.exit(main(smoke="--smoke" in sys.argv))
