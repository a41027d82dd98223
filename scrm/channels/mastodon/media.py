"""Upload pictures and other files before the post that contains them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scrm.channels.base import ChannelError, Credentials, File
from scrm.channels.mastodon.client import Server, requested_id

_MOST_FILES = 4
_ASKED, _PAUSE = 8, 0.4
"""How often and after how many seconds we ask whether a file is ready: three seconds in all."""


def upload(server: Server, credentials: Credentials, files: Sequence[File]) -> list[str]:
    """Upload the files with their descriptions; return their ids. Raises ChannelError."""
    limits = credentials.config.get("media") or {}
    most = int(limits.get("count") or _MOST_FILES)
    if len(files) > most:
        raise ChannelError(
            f"{server.host} accepts {most} files with a post; this text has {len(files)}.",
            permanent=True,
        )
    longest = int(limits.get("description") or 1_500)
    return [_upload(server, file, longest) for file in files]


def _upload(server: Server, file: File, longest: int) -> str:
    row = server.row(
        lambda api: api.media_post(
            file.content,
            file.content_type or "application/octet-stream",
            description=file.alt[:longest] or None,
            file_name=file.name or "file",
        )
    )
    number = requested_id(str(row.get("id", "")), "file")
    for _ in range(_ASKED):
        if row.get("url"):
            return number
        time.sleep(_PAUSE)
        row = server.row(lambda api: api.media(number))
    if row.get("url"):
        return number
    raise ChannelError(
        f"{server.host} is still processing the file “{file.name[:100]}”. Nothing was posted yet.",
        retry_after=30,
    )
