"""Letters by pigeon post: the shortest complete listener and speaker, over HTTP."""

from __future__ import annotations

import json
from typing import Any

from scrm.channels.base import (
    Author,
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Found,
    Idempotence,
    Item,
    Json,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.net import http

SECONDS = 20.0


class PigeonListener:
    def listen(self, request: FetchRequest) -> Batch:
        us, after = request.credentials or Credentials("pigeon"), request.cursor.get("after", 0)
        rows = ask(us, f"/letters?after={after}", of=list)
        try:
            items = tuple(_item(row) for row in rows)
            return Batch(items, {"after": max([after, *(int(row["number"]) for row in rows)])})
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ChannelError("The loft returned a letter that cannot be read.") from error

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        return [Found("roof", "Letters on the roof", "pigeon")]


class PigeonSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:
        return "key"  # the loft ignores a second letter with the same key

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        ask(credentials, f"/letters/{outgoing.nonce}", {"text": outgoing.text}, of=dict)
        return Receipt("pigeon", outgoing.nonce, outgoing.nonce)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        return Lookup.CANNOT_TELL


def _item(row: Any) -> Item:
    key, sender, text = row["key"], row["from"], row["text"]
    if not all(isinstance(fact, str) for fact in (key, sender, text)):
        raise TypeError("a letter has no key, no sender or no text")
    return Item("pigeon", key, Author("pigeon", sender), text, thread_key=key)


def ask(credentials: Credentials, path: str, letter: Json | None = None, *, of: type) -> Any:
    """Send a request to the loft; return its answer, which has the type `of`.

    A request with a letter sends the letter. If it fails without a clear answer, the error is
    `uncertain`.
    """
    sends, url = letter is not None, f"{credentials.config['loft']}{path}"
    method, body = ("PUT", json.dumps(letter).encode()) if sends else ("GET", None)
    headers = {"Word": str(credentials.secrets.get("word", ""))}
    try:
        answer = http.fetch(url, method=method, headers=headers, body=body, deadline=SECONDS)
        data = json.loads(answer.body) if answer.status == 200 else None
    except http.HttpError as error:
        raise ChannelError(error.message, uncertain=sends) from error
    except (ValueError, RecursionError):
        data = None
    if answer.status == 429:
        wait = answer.headers.get("retry-after", "")
        raise ChannelError("The pigeons rest.", retry_after=int(wait) if wait.isdigit() else None)
    if 400 <= answer.status < 500:
        raise ChannelError("The loft refuses this. Connect it again.", permanent=True)
    if not isinstance(data, of):
        raise ChannelError("The loft has no usable answer.", uncertain=sends)
    return data
