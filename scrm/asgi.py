"""One address: the live stream runs on the event loop, pages on a few threads beside it."""

from __future__ import annotations

import gc
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from scrm.logs import configure
from scrm.wsgi import application as pages  # sets Django up before the stream reads settings

from scrm.live import stream  # isort: skip

configure()
_pages: Any = WSGIMiddleware(cast("Any", pages), workers=4)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"] == "/live/":
        await stream(scope, receive, send)
    else:
        await _pages(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    # What stands for good is not looked through for garbage: that held everything up for 0.1 s.
    gc.collect()
    gc.freeze()
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
