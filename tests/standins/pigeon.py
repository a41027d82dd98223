"""A stand-in for the pigeon post: a loft that keeps numbered letters in memory."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

WORD = "coo-5ecret-coo"


class Loft:
    """Letters are read with GET /letters?after=<number> and sent with PUT /letters/<key>."""

    def __init__(self) -> None:
        self.letters: list[dict[str, Any]] = []

    def __enter__(self) -> Loft:
        handler = type("Handler", (_Handler,), {"loft": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write(self, sender: str, key: str, text: str) -> None:
        """Keep a letter, unless one with this key is there already."""
        if key not in {letter["key"] for letter in self.letters}:
            number = len(self.letters) + 1
            self.letters.append({"number": number, "key": key, "from": sender, "text": text})


class _Handler(BaseHTTPRequestHandler):
    loft: Loft

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found: Any = {}
        if self.command == "PUT":
            self.loft.write("north", where.path.rpartition("/")[2], json.loads(body)["text"])
        else:
            after = int(parse_qs(where.query)["after"][0])
            found = self.loft.letters[after : after + 100]
        content = json.dumps(found).encode()
        self.send_response_only(200 if self.headers.get("Word") == WORD else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass
