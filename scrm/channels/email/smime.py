"""Take the content out of mail that is signed with S/MIME (RFC 8551).

Such a mail is a CMS structure (RFC 5652) in BER, which contains the signed mail. The signature is
not verified, because no certificate is known as the sender's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
"""The object identifier 1.2.840.113549.1.7.2."""
_SEQUENCE, _OCTETS, _OCTETS_IN_PARTS, _OBJECT_ID, _EXPLICIT = 0x30, 0x04, 0x24, 0x06, 0xA0
_MAX_DEPTH, _MAX_ITEMS = 12, 300_000


def signed_content(raw: bytes) -> bytes:
    """Return the mail inside a signed mail; b"" if it is not signed, but for example encrypted."""
    reader = _Reader(raw)
    try:
        kind, data = reader.children(reader.only(_SEQUENCE))[:2]
        if raw[kind[1] : kind[2]] != _SIGNED_DATA:
            return b""
        fields = reader.children(reader.only(_SEQUENCE, data))
        # version, digestAlgorithms, encapContentInfo, …
        inside = reader.children(fields[2])
        return b"".join(reader.octets(reader.children(inside[1])[0]))
    except (IndexError, ValueError):
        return b""


_Item = tuple[int, int, int, int]
"""An element of BER: its tag, start and end of its content, and where the next element begins."""


@dataclass(slots=True)
class _Reader:
    """Reads elements, and counts all of them, because some are read once for each level."""

    raw: bytes
    items: int = 0

    def only(self, tag: int, parent: _Item | None = None) -> _Item:
        found = self.children(parent)[0] if parent else self._item(0, len(self.raw), 0)
        if found[0] != tag:
            raise ValueError(f"tag {found[0]:#x}")
        return found

    def children(self, parent: _Item) -> list[_Item]:
        found, at = [], parent[1]
        while at < parent[2]:
            child = self._item(at, parent[2], 0)
            found.append(child)
            at = child[3]
        return found

    def octets(self, item: _Item) -> Iterator[bytes]:
        """Yield the bytes of an octet string, which may consist of parts."""
        if item[0] == _OCTETS:
            yield self.raw[item[1] : item[2]]
        elif item[0] == _OCTETS_IN_PARTS:
            for child in self.children(item):
                if child[0] == _OCTETS:
                    yield self.raw[child[1] : child[2]]

    def _item(self, at: int, limit: int, depth: int) -> _Item:
        """Read the element at a position. Raises ValueError or IndexError if it is damaged."""
        self.items += 1
        if self.items > _MAX_ITEMS:
            raise ValueError("too many elements")
        tag, length, start = self.raw[at], self.raw[at + 1], at + 2
        if length == 0x80:
            return self._of_unknown_length(tag, start, limit, depth)
        if length > 0x80:
            size = length & 0x7F
            if size > 4:
                raise ValueError("too long")
            length, start = int.from_bytes(self.raw[start : start + size]), start + size
        if start + length > limit:
            raise ValueError("cut off")
        return tag, start, start + length, start + length

    def _of_unknown_length(self, tag: int, start: int, limit: int, depth: int) -> _Item:
        """Read an element that ends with two zero bytes."""
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        at = start
        while self.raw[at : at + 2] != b"\0\0":
            at = self._item(at, limit, depth + 1)[3]
        return tag, start, at, at + 2
