"""Receive request bodies on the event loop, within limits of size and time.

A request gets a thread only when its body is complete.

If the user is not logged in, the body may have at most 64 KB, and it stays in memory. In addition,
uvicorn reads ahead up to about 320 KB per connection. A larger body is accepted only from users who
are logged in, and by public views with a limit of their own (webhooks: 256 KB). It is written to a
temporary file. A body must be complete within `GRACE + size / SLOWEST` seconds.
"""

from __future__ import annotations

import asyncio
from typing import IO, Any

from django.contrib.messages import ERROR
from django.contrib.messages.storage.base import Message
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from scrm.web.request_limits import ANONYMOUS
from scrm.web.upload_limits import size_words

GRACE = 10.0
"""Seconds at the beginning in which no data needs to arrive."""
SLOWEST = 8 * 1024
"""Bytes per second that must arrive on average after `GRACE`."""
LINGER = 5.0
"""Seconds in which the rest of a refused body is read and dropped.

Without it the browser would show a broken connection instead of the reason.
"""


class BodyRefused(Exception):
    """A body is not accepted.

    status: the HTTP status, 413 (too large) or 408 (too slow).
    message: the reason, and what the user can do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ClientLeft(Exception):
    """The connection ended before the whole body had arrived."""


def declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of the body that a request declares, in bytes.

    The length is 0 if the request has no body, and None if the body is chunked.
    """
    found = dict(headers)
    if b"transfer-encoding" in found:
        return None
    return int(found.get(b"content-length", b"0"))


def too_large(limit: int) -> BodyRefused:
    if limit <= ANONYMOUS:
        reason = _(
            "Without a login, requests are limited to %(size)s. If you were logged in, log in "
            "again in another window, then send the request again."
        )
    else:
        reason = _("The request is larger than the limit of %(size)s. Send it in smaller parts.")
    return BodyRefused(413, reason % {"size": size_words(limit)})


async def receive_body(body: IO[bytes], receive: Any, limit: int) -> int:
    """Write the whole body to a file, rewind the file, and return the size of the body.

    Raises BodyRefused if the body is too large or arrives too slowly. Raises ClientLeft if the
    client disconnects before the body is complete.
    """
    now = asyncio.get_running_loop().time
    size, started, is_whole = 0, now(), False
    while not is_whole:
        try:
            async with asyncio.timeout_at(started + GRACE + size / SLOWEST):
                message = await receive()
        except TimeoutError:
            reason = _("The request arrived too slowly or incompletely. Send the request again.")
            raise BodyRefused(408, reason) from None
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece, is_whole = message.get("body", b""), not message.get("more_body", False)
        size += len(piece)
        # Check the size before writing: a body above the limit must not fill the disk.
        if size > limit:
            raise too_large(limit)
        if size > ANONYMOUS:  # a disk may be slow, and the event loop must not wait for it
            await asyncio.to_thread(body.write, piece)
        else:
            body.write(piece)
    body.seek(0)
    return size


def _page(scope: Any, refused: BodyRefused) -> str:
    """Return a page with the reason for the refusal.

    For htmx, return only a message, so that the user's page stays open.
    """
    title = _("The request was not accepted")
    if any(name == b"hx-request" for name, _value in scope["headers"]):
        message = Message(ERROR, f"{title}. {refused.message}")
        return render_to_string("_messages.html", {"oob": True, "messages": [message]})
    return render_to_string("not_received.html", {"title": title, "text": refused.message})


async def refuse(scope: Any, receive: Any, send: Any, refused: BodyRefused) -> None:
    """Send the reason, read and drop the rest of the body, and close the connection."""
    content = _page(scope, refused).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
        (b"hx-reswap", b"none"),  # the form keeps what was typed
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    # The answer is not marked as complete yet, because uvicorn would then close the connection.
    await send({"type": "http.response.body", "body": content, "more_body": True})
    try:
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
