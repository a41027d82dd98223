"""A stand-in for the REST API of a WordPress site: posts, comments and one user.

It is written from the REST API handbook. It keeps everything in memory.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "editor-of-blog", "abcd efgh ijkl"
GUID = "http://blog.example/?p=5"
_STATUSES = {"any": {"approved", "hold"}, "all": {"approved", "hold"}}
Row = dict[str, Any]
Query = dict[str, str]


class Blog:
    """The site. Use it as a context manager. It has one post, of our own user.

    errors: number of a comment → status and code of the answer to a request for it. hidden: the
    numbers of comments that a plugin removes from lists.
    """

    def __init__(self) -> None:
        self.errors: dict[int, tuple[int, str]] = {}
        self.hidden: set[int] = set()
        self.posts: dict[int, Row] = {}
        self.comments: dict[int, Row] = {}
        self._numbers = itertools.count(5)
        self._lock = threading.RLock()
        self.post({"title": "So", "content": "<p>Hi</p>", "slug": "so", "status": "publish"})

    def __enter__(self) -> Blog:
        handler = type("Handler", (_Handler,), {"blog": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def post(self, facts: Row, number: int = 0) -> Row:
        """Create a post, or change the one with this number."""
        with self._lock:
            new = number or next(self._numbers)
            row = self.posts.setdefault(new, {
                "id": new, "guid": {"rendered": f"http://blog.example/?p={new}"}, "author": 1,
                "link": f"http://blog.example/{new}/", "date_gmt": "2026-11-01T10:00:00",
                "modified_gmt": f"2026-11-01T10:00:00.{next(self._numbers):06d}",
            })  # fmt: skip
            for name in ("title", "content"):
                if name in facts:
                    row[name] = {"rendered": facts[name], "raw": _raw(facts[name])}
            row |= {name: facts[name] for name in ("slug", "status") if name in facts}
            return row

    def comment(self, text: str, **facts: Any) -> Row:
        """Create a comment of a reader below the first post."""
        with self._lock:
            number = next(self._numbers)
            self.comments[number] = {
                "id": number, "post": 5, "parent": 0, "author": 0, "author_name": "Ann",
                "author_email": "ann@readers.example", "author_url": "", "status": "approved",
                "date_gmt": "2026-11-02T10:00:00",
                "content": {"rendered": f"<p>{text}</p>", "raw": text},
                "link": f"http://blog.example/so/#comment-{number}", "type": "comment",
            } | facts  # fmt: skip
            return self.comments[number]


class _Handler(BaseHTTPRequestHandler):
    blog: Blog

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {pair}":
            status, data = 401, _error("rest_forbidden")
        else:
            route = where.path.removeprefix("/wp-json/wp/v2/")
            with self.blog._lock:
                status, data = self._answer(route, dict(parse_qsl(where.query)), body)
        content = json.dumps(data).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        if isinstance(data, _Page):
            self.send_header("X-WP-Total", str(data.total))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, route: str, query: Query, body: bytes) -> tuple[int, Any]:
        kind, _, number = route.partition("/")
        rows = self.blog.posts if kind == "posts" else self.blog.comments
        if kind == "comments" and number and int(number) in self.blog.errors:
            status, code = self.blog.errors[int(number)]
            return status, _error(code)
        if number and int(number) not in rows:
            return 404, _error(f"rest_{kind.removesuffix('s')}_invalid_id")
        if self.command == "DELETE":
            rows[int(number)]["status"] = "trash"
            return 200, rows[int(number)]
        if self.command == "POST":
            facts = json.loads(body)
            return 201, self._post(facts, number) if kind == "posts" else self._comment(facts)
        return 200, rows[int(number)] if number else self._page(kind, rows.values(), query)

    def _post(self, facts: Row, number: str) -> Row:
        return self.blog.post(facts, int(number or 0))

    def _comment(self, facts: Row) -> Row:
        return self.blog.comment(
            facts["content"], parent=facts["parent"], post=facts["post"], author=1,
            author_name=USER, author_user_agent=facts["author_user_agent"],
        )  # fmt: skip

    def _page(self, kind: str, rows: Iterable[Row], query: Query) -> _Page:
        wanted = set(query["status"].split(","))
        wanted |= _STATUSES.get(query["status"], set()) if kind == "comments" else set()
        rows = [row for row in rows if row["status"] in wanted or query["status"] == "any"]
        if kind == "comments" and query.get("type") != "all":
            rows = [row for row in rows if row["type"] == query.get("type", "comment")]
        if "slug" in query:
            rows = [row for row in rows if row["slug"] in query["slug"].split(",")]
        if "parent" in query:
            rows = [row for row in rows if row["parent"] == int(query["parent"])]
        if "include" in query:
            rows = [row for row in rows if str(row["id"]) in query["include"].split(",")]
        by = {"modified": "modified_gmt", "date": "date_gmt"}.get(query.get("orderby", ""), "id")
        rows = sorted(rows, key=lambda row: (row[by], row["id"]), reverse=True)
        size = int(query.get("per_page", 10))
        start = int(query.get("offset", (int(query.get("page", 1)) - 1) * size))
        hidden = self.blog.hidden if kind == "comments" else set()
        page = _Page(row for row in rows[start : start + size] if row["id"] not in hidden)
        page.total = len(rows)
        return page


class _Page(list[Row]):
    """Some rows of a list. total: the number of rows of the whole list."""

    total = 0


def _raw(html: str) -> str:
    return re.sub(r"<[^<>]*>", "", html)


def _error(code: str) -> Row:
    return {"code": code, "message": "Sorry.", "data": {}}
