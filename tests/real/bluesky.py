"""A complete Bluesky network on loopback, from the npm package of the makers of Bluesky.

    with BlueskyNetwork() as network:
        jo = network.person("jo")
        post = jo.post("Hello @skyward.test", mention=care)
        network.pause(), network.resume()  # as if the network did not answer for a while

The network needs node, the package in var/tools/bluesky (see `installed`), and PostgreSQL. It
creates its own database on the PostgreSQL server of the tests. At the end, exactly the
processes that were started here are ended.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg2

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent / "tools"
PLACE = ROOT / "var" / "tools" / "bluesky"
STAMP = PLACE / "installed"
PASSWORD = "a long secret of this person"
Ref = dict[str, str]


def missing() -> str:
    """Return the reason why the network cannot run here, or ""."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    if not os.environ.get("DATABASE_URL"):
        return "there is no PostgreSQL; make test-real starts one"
    return ""


def installed() -> bool:
    """Install the npm package, unless this version is already installed.

    Returns whether the package is installed now. The installation takes minutes. An install script
    downloads or compiles the native module of the package.
    """
    lock = TOOLS / "package-lock.json"
    if STAMP.exists() and STAMP.read_bytes() == lock.read_bytes():
        return True
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(TOOLS / name, PLACE / name)
    command = ["npm", "ci", "--prefix", str(PLACE), "--no-audit", "--no-fund", "--silent"]
    print("Installing a Bluesky network by npm, which takes minutes", flush=True)
    done = subprocess.run(command, cwd=PLACE, check=False, timeout=1_200)
    if done.returncode == 0:
        shutil.copy(lock, STAMP)
    return done.returncode == 0


class BlueskyNetwork:
    def __init__(self) -> None:
        self.port = _free_port()
        self.pds = f"http://localhost:{self.port}"
        self.database = f"bluesky_{os.getpid()}"
        self.temporary = Path(tempfile.mkdtemp(prefix="scrm-bluesky-"))
        self.log = self.temporary / "network.log"
        self._node: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> BlueskyNetwork:
        try:
            self._sql(f"CREATE DATABASE {self.database}")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._sql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
        shutil.rmtree(self.temporary, ignore_errors=True)

    def start(self) -> None:
        """Start all servers, and wait until they are ready.

        They are ready when they print the address of the personal data server (PDS).
        """
        url = urlsplit(os.environ["DATABASE_URL"])
        env = os.environ | {
            "DB_POSTGRES_URL": urlunsplit(url._replace(path=f"/{self.database}")),
            "REDIS_HOST": "127.0.0.1",
            "PDS_PORT": str(self.port),
            "TMPDIR": str(self.temporary),
            "NODE_ENV": "test",
            "LOG_ENABLED": "false",
        }
        with self.log.open("ab") as log:
            self._node = subprocess.Popen(
                ["node", str(TOOLS / "network.cjs")],
                cwd=PLACE, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        assert self._node.stdout
        line = self._node.stdout.readline()
        assert line, self.log.read_text()[-4000:]
        assert json.loads(line)["pds"] == self.pds

    def stop(self) -> None:
        """End the servers that `start` started."""
        if self._node is None:
            return
        if self._node.poll() is None:
            os.killpg(self._node.pid, signal.SIGKILL)
        self._node.wait(10)
        for pipe in (self._node.stdin, self._node.stdout):
            if pipe:
                pipe.close()
        self._node = None

    def pause(self) -> None:
        """Suspend the server processes. Clients then get no response."""
        assert self._node
        os.killpg(self._node.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._node
        os.killpg(self._node.pid, signal.SIGCONT)

    def person(self, name: str) -> Person:
        """Create an account with the handle `name`.test."""
        handle = f"{name}.test"
        facts = {"email": f"{name}@people.example", "handle": handle, "password": PASSWORD}
        made = self.ask("POST", "com.atproto.server.createAccount", facts)
        return Person(self, handle, made["did"], made["accessJwt"])

    def ask(
        self, verb: str, method: str, facts: dict[str, Any] | None = None, *, token: str = "",
        query: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Send one request, and return the response.

        Fails if the status of the response is not 200.
        """
        status, answer = self.try_to_ask(verb, method, facts, token=token, query=query)
        assert status == 200, (method, status, answer)
        return answer

    def try_to_ask(
        self, verb: str, method: str, facts: dict[str, Any] | None = None, *, token: str = "",
        query: dict[str, Any] | None = None,
    ) -> tuple[int, dict[str, Any]]:  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"} if facts is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        path = f"/xrpc/{method}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        body = None if facts is None else json.dumps(facts)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return response.status, json.loads(content or b"{}")

    def _sql(self, statement: str) -> None:
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@dataclass(frozen=True)
class Person:
    """An account on the network, and functions that act as its owner."""

    network: BlueskyNetwork
    handle: str
    did: str
    token: str

    def app_password(self, name: str) -> str:
        facts = {"name": name}
        made = self._post("com.atproto.server.createAppPassword", facts)
        return str(made["password"])

    def revoke(self, name: str) -> None:
        self._post("com.atproto.server.revokeAppPassword", {"name": name})

    def post(
        self, text: str, *, mention: Person | None = None, to: Ref | None = None,
        root: Ref | None = None, at: datetime | None = None,
    ) -> Ref:  # fmt: skip
        """Publish a post.

        mention: the person whose `@handle` in the text becomes a mention. to: the post that the new
        post answers. root: the first post of the thread; None means `to`. at: the date that the
        author states.
        """
        stated = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
        record: dict[str, Any] = {
            "$type": "app.bsky.feed.post", "text": text,
            "createdAt": stated.replace("+00:00", "Z"),
        }  # fmt: skip
        if mention:
            shown = f"@{mention.handle}".encode()
            start = text.encode().index(shown)
            feature = {"$type": "app.bsky.richtext.facet#mention", "did": mention.did}
            index = {"byteStart": start, "byteEnd": start + len(shown)}
            record["facets"] = [{"index": index, "features": [feature]}]
        if to:
            record["reply"] = {"root": root or to, "parent": to}
        facts = {"repo": self.did, "collection": "app.bsky.feed.post", "record": record}
        made = self._post("com.atproto.repo.createRecord", facts)
        return {"uri": made["uri"], "cid": made["cid"]}

    def delete(self, uri: str) -> None:
        collection, rkey = uri.split("/")[3:]
        facts = {"repo": self.did, "collection": collection, "rkey": rkey}
        self._post("com.atproto.repo.deleteRecord", facts)

    def records(self, collection: str = "app.bsky.feed.post") -> list[dict[str, Any]]:
        """Return the records of this account, in descending order of their keys."""
        query = {"repo": self.did, "collection": collection, "limit": 100}
        return list(self.network.ask("GET", "com.atproto.repo.listRecords", query=query)["records"])

    def notifications(self) -> list[dict[str, Any]]:
        method = "app.bsky.notification.listNotifications"
        return list(self.network.ask("GET", method, token=self.token)["notifications"])

    def view(self, uri: str) -> dict[str, Any] | None:
        """Return the post as this person sees it, or None."""
        method, query = "app.bsky.feed.getPosts", {"uris": [uri]}
        posts = self.network.ask("GET", method, token=self.token, query=query)["posts"]
        return posts[0] if posts else None

    def _post(self, method: str, facts: dict[str, Any]) -> dict[str, Any]:
        return self.network.ask("POST", method, facts, token=self.token)


def eventually(check: Callable[[], Any], *, within: float = 15) -> Any:
    """Call `check` repeatedly until its result is true, and return this result.

    This is needed because the index of the network (the appview) shows new records of the PDS only
    after a short time.
    """
    until = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < until, f"still {answer!r}"
        time.sleep(0.1)
    return answer


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


if __name__ == "__main__":
    sys.exit(not (shutil.which("npm") and installed()))
