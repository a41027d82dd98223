"""The limits of one fetch: time, bytes of pictures, and look-ups of threads."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from scrm.channels.base import File
from scrm.channels.mastodon.client import is_local
from scrm.channels.mastodon.read import Json, Picture, pictures
from scrm.net import http

SECONDS = 40.0
PICTURE_BYTES = 8 * http.MEGABYTE
ALL_BYTES = 24 * http.MEGABYTE
LOOKUPS = 20
_PICTURE_SECONDS = 10.0


@dataclass(slots=True)
class Budget:
    """What is left for this fetch. When it is spent, the next fetch reads the remaining rows."""

    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    picture_bytes: int = field(default_factory=lambda: ALL_BYTES)
    lookups: int = LOOKUPS

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self.until or self.picture_bytes <= 0 or self.lookups <= 0

    def files(self, status: Json) -> tuple[File, ...]:
        """Download the pictures of a status. A picture that fails is left out."""
        found = [self._file(picture) for picture in pictures(status)]
        return tuple(file for file in found if file)

    def _file(self, picture: Picture) -> File | None:
        left = self.until - time.monotonic()
        if left <= 0 or not (picture.url.startswith("https:") or is_local(picture.url)):
            return None
        try:
            answer = http.fetch(
                picture.url, max_bytes=PICTURE_BYTES, deadline=min(left, _PICTURE_SECONDS)
            )
        except http.HttpError:
            return None
        self.picture_bytes -= len(answer.body)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or not kind.startswith("image/"):
            return None
        name = picture.url.partition("?")[0].rpartition("/")[2][:100] or "picture"
        return File(name, kind[:100], answer.body, picture.alt)
