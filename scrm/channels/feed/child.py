"""Parse feeds and pages in the parser process."""

from __future__ import annotations

from typing import Any, Literal

from scrm.channels.base import ChannelError
from scrm.channels.parser_process import PARSER, ParserError

CPU_SECONDS = 3.0


def parse(
    operation: Literal["feed", "page"], body: bytes, *, base: str, content_type: str
) -> dict[str, Any]:
    """Call `parse_feed` or `parse_page` in the parser process, and return the result.

    Raises ChannelError.
    """
    name = f"scrm.channels.feed.parse:{operation}"
    arguments = {"base": base, "content_type": content_type}
    try:
        return PARSER.parse(name, body, arguments, cpu_seconds=CPU_SECONDS).facts
    except ParserError as error:
        message = f"The content of this address {error.reason}; nothing was stored."
        raise ChannelError(message) from error
