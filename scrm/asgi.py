"""The ASGI application. The live stream runs on the event loop; pages run on four threads."""

from __future__ import annotations

import gc
from typing import Any

from django.urls import get_resolver

from scrm.web.logs import configure

# Importing this module sets Django up; the live stream reads the settings afterwards.
from scrm.wsgi import application as pages

from scrm.web.health import alive  # isort: skip
from scrm.bus.live import stream  # isort: skip
from scrm.web.wsgi_bridge import Pages  # isort: skip

configure()
_pages = Pages(pages, threads=4)
_ON_THE_LOOP = {"/live/": stream, "/healthz": alive}
"""Paths that must not wait for a thread."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await _ON_THE_LOOP.get(scope["path"], _pages)(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    # This imports all Django views now, so that no request has to wait for the imports.
    _ = get_resolver().url_patterns
    # Exclude long-lived objects from garbage collection, which paused the process for 0.1 s
    # each time.
    gc.collect()
    gc.freeze()
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
