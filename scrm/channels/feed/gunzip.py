"""Decompress gzip files, with limits on their size."""

from __future__ import annotations

import re
import zlib

_MAX_MEMBERS, _CHUNK = 10_000, 32 * 1024
_PADDING = re.compile(rb"\0*+")


def gunzip(packed: bytes, most: int) -> bytes:
    """Return the contents of the members of a gzip file (RFC 1952), at most `most` bytes.

    What cannot be decompressed is left out, and so are members after the first 10,000; the
    result is b"" if nothing can.
    """
    contents = bytearray()
    place = 0
    for _member in range(_MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        # In chunks, because each member copies all that follows it in its input.
        while place < len(packed) and not member.eof and len(contents) < most:
            chunk = packed[place : place + _CHUNK]
            try:
                contents += member.decompress(chunk, most - len(contents))
            except zlib.error:
                return bytes(contents)
            place += len(chunk) - len(member.unused_data)
        # Zeros may follow a member, as padding.
        if padding := _PADDING.match(packed, place):
            place = padding.end()
        if place >= len(packed) or len(contents) >= most:
            break
    return bytes(contents)
