"""The desk at 100,000 and at a million mentions: lists, tags, search, badges and timelines (V5),
what a page costs (V6), fifty people who press “next case” at once (V8).

Run by `make bench`. Prints `name value unit ratio goal`. Two databases are filled from one seed,
one ten times as long as the other, and asked in turns: `_buffers` are the pages that PostgreSQL
reads for it, by EXPLAIN, `_p50` and `_p99` CPU of the database and of ours, because others may
work on the machine. The ratio is a million against 100,000; of a list that is not yet full at
100,000, by the row. With --smoke all of it is small, and what is not flat ends it with an error.
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
from desk import claims, figures, filling, pages, queries

SMALL, LARGE = "bench_small", "bench_large"
# Below 100,000 mentions there are fewer hits than are looked through.
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
