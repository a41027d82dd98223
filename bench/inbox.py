"""Benchmark of the inbox with 100,000 and with a million mentions.

The benchmark measures lists, tags, search, badges and timelines, the cost of a page, and fifty
users who press “next case” at the same time. `docs/performance.md` shows the results.

Run it with `make bench`. Each line of the output has the form `name value unit ratio goal`. The
benchmark creates two databases from the same random seed. The large database has ten times as many
mentions as the small one. The queries run alternately on both databases.

A figure `…_buffers` is the number of pages that PostgreSQL reads for a query, as reported by
EXPLAIN. Figures `…_p50` and `…_p99` of queries are percentiles of the CPU time of the database and
of the benchmark process. CPU time is used because other programs on the machine distort the elapsed
time. The ratio is the cost in the large database, divided by the cost in the small database. If a
list is shorter in the small database, the ratio compares the cost per row.

With `--smoke`, all sizes are small. The exit status is then not 0 if a figure misses its goal by
more than a factor of two.
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
NOT_SMALL = (
    "search_word", "search_common", "search_two", "search_beginning", "topic_common", "participant",
)  # fmt: skip


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
