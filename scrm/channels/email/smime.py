"""Take the content out of mail that is signed with S/MIME (RFC 8551).

Such a mail is a CMS structure (RFC 5652) in BER, which contains the signed mail. The signature is
not verified, because no certificate is known as the sender's.
"""

from __future__ import annotations

from collections.abc import Iterator

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
"""The object identifier 1.2.840.113549.1.7.2."""
_SEQUENCE, _OCTETS, _OCTETS_IN_PARTS, _OBJECT_ID, _EXPLICIT = 0x30, 0x04, 0x24, 0x06, 0xA0
_MAX_DEPTH, _MAX_ITEMS = 12, 100_000


def signed_content(raw: bytes) -> bytes:
    """Return the mail inside a signed mail; b"" if it is not signed, but for example encrypted."""
    try:
        kind, data = _children(raw, _only(raw, _SEQUENCE))[:2]
        if raw[kind[1] : kind[2]] != _SIGNED_DATA:
            return b""
        fields = _children(raw, _only(raw, _SEQUENCE, data))
        # version, digestAlgorithms, encapContentInfo, …
        inside = _children(raw, fields[2])
        return b"".join(_octets(raw, _children(raw, inside[1])[0]))
    except (IndexError, ValueError):
        return b""


_Item = tuple[int, int, int, int]
"""An element of BER: its tag, start and end of its content, and where the next element begins."""


def _only(raw: bytes, tag: int, parent: _Item | None = None) -> _Item:
    found = _children(raw, parent)[0] if parent else _item(raw, 0, len(raw), 0)
    if found[0] != tag:
        raise ValueError(f"tag {found[0]:#x}")
    return found


def _children(raw: bytes, parent: _Item) -> list[_Item]:
    found, at = [], parent[1]
    while at < parent[2]:
        child = _item(raw, at, parent[2], 0)
        found.append(child)
        at = child[3]
        if len(found) > _MAX_ITEMS:
            raise ValueError("too many elements")
    return found


def _octets(raw: bytes, item: _Item) -> Iterator[bytes]:
    """Yield the bytes of an octet string, which may consist of parts."""
    if item[0] == _OCTETS:
        yield raw[item[1] : item[2]]
    elif item[0] == _OCTETS_IN_PARTS:
        for child in _children(raw, item):
            if child[0] == _OCTETS:
                yield raw[child[1] : child[2]]


def _item(raw: bytes, at: int, limit: int, depth: int) -> _Item:
    """Read the element at a position. Raises ValueError or IndexError if it is damaged."""
    tag, length, start = raw[at], raw[at + 1], at + 2
    if length == 0x80:
        return _of_unknown_length(raw, tag, start, limit, depth)
    if length > 0x80:
        size = length & 0x7F
        if size > 4:
            raise ValueError("too long")
        length, start = int.from_bytes(raw[start : start + size]), start + size
    if start + length > limit:
        raise ValueError("cut off")
    return tag, start, start + length, start + length


def _of_unknown_length(raw: bytes, tag: int, start: int, limit: int, depth: int) -> _Item:
    """Read an element that ends with two zero bytes."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    at = start
    for _number in range(_MAX_ITEMS):
        if raw[at : at + 2] == b"\0\0":
            return tag, start, at, at + 2
        at = _item(raw, at, limit, depth + 1)[3]
    raise ValueError("too many elements")
