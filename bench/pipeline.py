"""Benchmark of the pipeline, from the bytes of a feed to routed cases.

The benchmark measures how many feed entries are processed per second, and how many SQL statements a
batch needs.

Run it with `make bench`. Each line of the output has the form `name value unit ratio goal`. The
workspace has 100 topics and 20 routing rules. The feed has short posts, and every tenth post
matches a topic.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
os.environ["SCRM_ALLOW_CIDRS"] = "127.0.0.1/32"

import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, User
from listening.fetch import fetch_source
from listening.models import Mention, Source, Topic, TopicRevision
from listening.topic_hits import current_matcher
from routing.models import Case, RoutingRule
from scrm.batch import process_or_halve

SMOKE = "--smoke" in sys.argv
RUNS = 1 if SMOKE else 5
SIZES = (10, 100) if SMOKE else (10, 100, 500)
WORDS = "the a flight crew gate seat bag late lost nice thanks again why never city food".split()  # noqa: SIM905


def corpus(run: str, size: int) -> bytes:
    """Return an Atom feed with `size` new posts by 50 authors; every tenth post matches a topic."""
    rng = random.Random(f"{run} {size}")
    entries = []
    for number in range(size):
        text = " ".join(rng.choices(WORDS, k=24))
        if number % 10 == 0:
            text += f" topic{rng.randrange(100)}"
        entries.append(
            f"<entry><id>{run}-{number}</id><title>{escape(text[:40])}</title>"
            f"<author><name>Author {rng.randrange(50)}</name></author>"
            f"<link href='https://blog.example/{run}/{number}'/>"
            f"<updated>{timezone.now():%Y-%m-%dT%H:%M:%SZ}</updated>"
            f"<content type='html'>&lt;p&gt;{text}&lt;/p&gt;</content></entry>"
        )
    head = "<feed xmlns='http://www.w3.org/2005/Atom'><title>Bench</title><id>bench</id>"
    return (head + "".join(entries) + "</feed>").encode()


@contextmanager
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Run an HTTP server for feeds on the loopback interface.

    The context manager yields the URL of the server, and a dict of URL path → feed. The server
    returns the feeds that the caller puts into the dict.
    """
    bodies: dict[str, bytes] = {}

    class Feeds(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies[self.path]
            self.send_response(200)
            self.send_header("Content-Type", "application/atom+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Feeds)
    Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", bodies
    finally:
        httpd.shutdown()


def workspace() -> User:
    call_command("migrate", verbosity=0)
    admin, new = User.objects.get_or_create(email="bench@scrm.example", defaults={"role": "admin"})
    if new:
        home = Department.objects.create(name="Home", owner=admin, is_fallback=True)
        for number in range(100):
            topic = Topic.objects.create(name=f"Topic {number}", owner=admin)
            topic.revise(any_of=[f"topic{number}"], all_of=[], none_of=["spam"], by=admin)
        for number in range(20):
            rule = RoutingRule.objects.create(name=f"Rule {number}", owner=admin, position=number)
            leaf = {"field": "topics", "op": "has any", "value": [f"Topic {number * 5}"]}
            rule.revise(conditions={"all": [leaf]}, department=home, by=admin)
    return admin


def process() -> int:
    """Process one batch of mentions as the Celery task does.

    Returns the number of SQL statements.
    """
    lease = timedelta(seconds=60)
    mentions = Mention.objects.claim_batch(now=timezone.now(), lease=lease)
    with CaptureQueriesContext(connection) as queries:
        process_or_halve(mentions)
    return len(queries)


def once(admin: User, url: str, bodies: dict[str, bytes], size: int) -> tuple[float, int, int]:
    """Fetch one feed and process its mentions.

    The result has three numbers: the elapsed seconds, the number of SQL statements that store the
    mentions, and the number of SQL statements that process them.
    """
    run = f"{size}-{random.getrandbits(64):x}"
    bodies[f"/{run}"] = corpus(run, size)
    source = Source.objects.create(
        kind="feed", address=f"{url}/{run}", name=run, owner=admin, last_ok_at=timezone.now()
    )
    before = Case.objects.count()
    start = time.perf_counter()
    with CaptureQueriesContext(connection) as stored:
        fetch = fetch_source(source)
    assert fetch and fetch.new == size, fetch and fetch.error
    processed = process()
    seconds = time.perf_counter() - start
    assert not Mention.objects.unprocessed().exists()
    assert Case.objects.count() > before
    return seconds, len(stored), processed


def topics_per_batch(admin: User) -> None:
    """Measure the time that loading the topics takes for each batch.

    The function compares the cached topics with topics that are read from the database each time.
    """
    count = 1_000 if SMOKE else 10_000
    topics = Topic.objects.bulk_create(
        Topic(name=f"Many {number}", owner=admin) for number in range(count)
    )
    revisions = TopicRevision.objects.bulk_create(
        TopicRevision(topic=topic, number=1, any_of=[f"many{number}", "x y"], made_by=admin)
        for number, topic in enumerate(topics)
    )
    for topic, revision in zip(topics, revisions, strict=True):
        topic.current = revision
    Topic.objects.bulk_update(topics, ["current"], batch_size=1_000)
    current_matcher()
    known, afresh = [], []
    for _ in range(RUNS):
        for call, times in ((current_matcher, known), (Topic.objects.queries, afresh)):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    ratio = median(afresh) / median(known)
    print(f"topics_per_batch_{count} {median(known) * 1000:.2f} ms {ratio:.0f} -")


def main() -> None:
    admin = workspace()
    with server() as (url, bodies):
        once(admin, url, bodies, 10)  # warm up: imports, connections, the parser's child
        results = {size: [once(admin, url, bodies, size) for _ in range(RUNS)] for size in SIZES}
    base_store, base_process = results[SIZES[0]][0][1:]
    for size, runs in results.items():
        rate = size / median(seconds for seconds, _, _ in runs)
        print(f"entries_to_cases_{size} {rate:.0f} entries/s - -")
        for name, base, counts in (
            ("store", base_store, {stored for _, stored, _ in runs}),
            ("process", base_process, {processed for _, _, processed in runs}),
        ):
            shown = "/".join(str(count) for count in sorted(counts))
            ratio = max(counts) / base
            print(f"statements_to_{name}_{size} {shown} statements {ratio:.2f} 1.00")
            assert not SMOKE or ratio == 1, "Statements depend on the size of a batch."
    topics_per_batch(admin)


if __name__ == "__main__":
    main()
