"""Real answers of Mastodon 4 servers, replayed over HTTP through Mastodon.py and our session.

The recordings are not part of the project: `SCRM_SHARED_DATA` names the directory that has them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from scrm.channels.mastodon import read
from scrm.channels.mastodon.account import limits
from scrm.channels.mastodon.client import Server
from scrm.channels.mastodon.read import Place
from scrm.channels.mastodon.reading import Reading
from scrm.net import http
from scrm.net.addresses import networks

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
PLACES = [
    Path(os.environ.get("SCRM_SHARED_DATA") or ROOT.parent / "shared/data"),
    ROOT.parents[1] / "shared/data",  # for a git worktree in a directory of its own
]
SHARED = next((place for place in PLACES if place.is_dir()), PLACES[0])
CASSETTES = SHARED / "mastodon/tests/cassettes"
PLACE = Place("mastodon:localhost", "localhost")
Call = Callable[[Any], Any]

pytestmark = pytest.mark.skipif(not CASSETTES.is_dir(), reason="The recordings are absent.")


@dataclass
class Exchange:
    """One recorded request and its answer. name: the file and the number of the request there."""

    name: str
    method: str
    path: str
    query: list[tuple[str, str]]
    status: int
    body: bytes


def exchanges() -> Iterator[Exchange]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(CASSETTES.glob("*.yaml")):
        for number, one in enumerate(yaml.load(path.read_text(), Loader=loader)["interactions"]):
            parts = urlsplit(one["request"]["uri"])
            body = one["response"]["body"]["string"]
            yield Exchange(
                f"{path.stem} {number}", one["request"]["method"], parts.path.rstrip("/"),
                sorted(parse_qsl(parts.query)), one["response"]["status"]["code"],
                body if isinstance(body, bytes) else body.encode(),
            )  # fmt: skip


def search(options: dict[str, Any]) -> Call:
    return lambda api: api.search_v2(
        options["q"],
        resolve="resolve" in options,
        exclude_unreviewed="exclude_unreviewed" in options,
        result_type=options.get("type"),
    )


CALLS: list[tuple[str, str, Callable[..., Call]]] = [
    ("GET", r"/api/v1/statuses/(\d+)", lambda o, key: lambda api: api.status(key)),
    ("GET", r"/api/v1/statuses/(\d+)/context", lambda o, key: lambda api: api.status_context(key)),
    ("GET", r"/api/v1/statuses/(\d+)/source", lambda o, key: lambda api: api.status_source(key)),
    ("POST", r"/api/v1/statuses", lambda o: lambda api: api.status_post("x")),
    ("PUT", r"/api/v1/statuses/(\d+)", lambda o, key: lambda api: api.status_update(key, "x")),
    ("DELETE", r"/api/v1/statuses/(\d+)", lambda o, key: lambda api: api.status_delete(key)),
    ("POST", r"/api/v1/statuses/(\d+)/favourite",
     lambda o, key: lambda api: api.status_favourite(key)),
    ("POST", r"/api/v1/statuses/(\d+)/unfavourite",
     lambda o, key: lambda api: api.status_unfavourite(key)),
    ("GET", r"/api/v1/timelines/(home|list/\d+|tag/\w+)",
     lambda o, name: lambda api: api.timeline(name, **o)),
    ("GET", r"/api/v1/timelines/public", lambda o: lambda api: api.timeline_public(**o)),
    ("GET", r"/api/v1/notifications", lambda o: lambda api: api.notifications(**o)),
    ("GET", r"/api/v1/accounts/verify_credentials",
     lambda o: lambda api: api.account_verify_credentials()),
    ("GET", r"/api/v1/accounts/(\d+)", lambda o, key: lambda api: api.account(key)),
    ("GET", r"/api/v1/accounts/(\d+)/statuses",
     lambda o, key: lambda api: api.account_statuses(key, **o)),
    ("POST", r"/api/v1/accounts/(\d+)/block", lambda o, key: lambda api: api.account_block(key)),
    ("GET", r"/api/v2/search", search),
    ("GET", r"/api/v2/instance", lambda o: lambda api: api.instance_v2()),
    ("GET", r"/api/v1/lists", lambda o: lambda api: api.lists()),
    ("GET", r"/api/v1/followed_tags", lambda o: lambda api: api.followed_tags(**o)),
    ("GET", r"/api/v1/media/(\d+)", lambda o, key: lambda api: api.media(key)),
    ("POST", r"/api/v2/media", lambda o: lambda api: api.media_post(b"x", "image/png")),
    ("POST", r"/api/v1/reports", lambda o: lambda api: api.report("1")),
    ("GET", r"/.well-known/oauth-authorization-server",
     lambda o: lambda api: api.oauth_authorization_server_info()),
]  # fmt: skip
"""The requests that the channel uses: method, path, and how to make them with Mastodon.py."""


def call_for(exchange: Exchange) -> Call | None:
    options: dict[str, Any] = {}
    for name, value in exchange.query:
        if name.endswith("[]"):
            options.setdefault(name[:-2], []).append(value)
        else:
            options[name] = value
    for method, pattern, make in CALLS:
        found = re.fullmatch(pattern, exchange.path)
        if found and method == exchange.method:
            return make(options, *found.groups())
    return None


class _Handler(BaseHTTPRequestHandler):
    current: Exchange

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts, current = urlsplit(self.path), type(self).current
        query = sorted(parse_qsl(parts.query))
        is_expected = (self.command, parts.path.rstrip("/"), query) == (
            current.method, current.path, current.query,
        )  # fmt: skip
        body = current.body if is_expected else self.path.encode()
        self.send_response(current.status if is_expected else 599)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    running.daemon_threads = True
    Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield Server.open(f"http://127.0.0.1:{running.server_port}", "token")
    running.shutdown()
    running.server_close()


def inside(data: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of an answer."""
    if isinstance(data, dict):
        yield data
    for value in (
        data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    ):
        yield from inside(value)


def check(data: Any, counts: Counter[str]) -> None:
    """Read each status, account and notification of an answer."""
    for row in inside(data):
        if {"content", "visibility", "account"} <= row.keys():
            counts["status"] += 1
            check_status(row)
        if {"acct", "followers_count"} <= row.keys():
            counts["account"] += 1
            author = read.author(row, PLACE)
            assert author.key == row["id"]
            assert author.handle.count("@") == 1
            assert author.url
            assert author.reach == row["followers_count"]


def check_status(row: dict[str, Any]) -> None:
    item = read.item(row, PLACE)
    assert item.key == row["id"]
    assert item.url.startswith("http")
    assert item.occurred_at is not None
    assert bool(item.text) == (re.sub(r"<[^>]*>", "", row["content"]).strip() != "")
    assert (item.visibility == "public") == (row["visibility"] in ("public", "unlisted"))
    assert item.in_reply_to == (row["in_reply_to_id"] or "")
    assert item.mentions == tuple(one["id"] for one in row["mentions"])
    quote = row.get("quote") or {}
    quoted = (quote.get("quoted_status") or {}).get("id") or quote.get("quoted_status_id") or ""
    assert item.quotes == (quoted if quote.get("state") == "accepted" else "")
    assert len(read.pictures(row)) == min(
        sum(one["type"] == "image" and bool(one["url"]) for one in row["media_attachments"]), 4
    )


def test_every_recorded_answer_that_we_use_is_understood(server: Server) -> None:
    counts: Counter[str] = Counter()
    for exchange in exchanges():
        call = call_for(exchange)
        if call is None:
            continue
        _Handler.current = exchange
        counts["exchange"] += 1
        if exchange.status >= 400:
            with pytest.raises(Exception, match=rf"\({exchange.status}\)"):
                server.ask(call)
            continue
        server.ask(call)
        data = server.answer.data()
        assert data is not None, exchange.name
        check(data, counts)
        if exchange.path == "/api/v1/notifications":
            counts["notification"] += len(data)
        if isinstance(data, list) and re.search("timelines|notifications", exchange.path):
            reading = Reading(server, PLACE, {})
            for row in data:
                reading.take(row)
            assert reading.unreadable == [], exchange.name
            assert set(reading.met) == {row["id"] for row in data}
        if exchange.path == "/api/v2/instance":
            assert limits(data)["max_length"] == 500
            assert limits(data)["media"]["types"]
    assert counts["exchange"] > 500
    assert counts["status"] > 400
    assert counts["account"] > 400
    assert counts["notification"] >= 10
