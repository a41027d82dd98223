"""Compress pages when they are sent, and static files once when the process starts."""

from __future__ import annotations

import atexit
import gzip
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkstemp
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

TEXTS = {".css", ".js", ".svg", ".html", ".txt", ".json"}
SMALL = 200
"""Below this number of bytes a file is not compressed."""
_DIRECTORY = TemporaryDirectory(prefix="scrm-static-")
atexit.register(_DIRECTORY.cleanup)


class Pages(GZipMiddleware):
    """Middleware that compresses pages and parts of pages.

    A download is a streaming response, and is not compressed.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        return response if response.streaming else super().process_response(request, response)


class Files(WhiteNoiseMiddleware):
    """Middleware that serves static files with compressed copies.

    The compressed copies are deleted when the process ends.
    """

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> StaticFile:
        plain = super().get_static_file(path, url, stat_cache)
        copy = None if self.autorefresh else _compressed(path)
        if copy is None:
            return plain
        _encoding, _path, headers = plain.alternatives[-1]
        return StaticFile(path, headers, encodings={"gzip": copy})


@cache
def _compressed(path: str) -> str | None:
    """Return the path of a file's compressed copy.

    Returns None if the file is no text or so small that compression would save too little.
    """
    if Path(path).suffix not in TEXTS:
        return None
    text = Path(path).read_bytes()
    if len(text) < SMALL:
        return None
    handle, copy = mkstemp(dir=_DIRECTORY.name, suffix=".gz")
    with os.fdopen(handle, "wb") as file:
        file.write(gzip.compress(text, mtime=0))
    return copy
