"""Rich text: mark links, mentions and tags of our texts, and expand shortened links of others.

The network counts the places of these marks ("facets") in bytes of UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import regex

from scrm.channels.base import ChannelError
from scrm.channels.network_facts import BLUESKY_MAX_BYTES, BLUESKY_MAX_GRAPHEMES
from scrm.text.clean import safe_url, storable

_FACET = "app.bsky.richtext.facet"
_LINK = re.compile(r"https?://[^\s<>\"'\\\[\]]{1,2000}")
_MENTION = re.compile(r"(?<![\w@/.])@([A-Za-z0-9][A-Za-z0-9.-]{2,252})")
_TAG = re.compile(r"(?<![\w#&/])#(\w{1,64})(?!\w)")
_TRAILING = ".,;:!?)]}…"
_MAX_FACETS, _MAX_URI = 200, 2_000


def check(
    text: str, *, graphemes: int = BLUESKY_MAX_GRAPHEMES, size: int = BLUESKY_MAX_BYTES
) -> str:
    """Return the text as it can be sent. Raises ChannelError if it is too long or empty."""
    text = storable(text).strip()
    if not text:
        raise ChannelError("The text is empty.", permanent=True)
    length = len(regex.findall(r"\X", text))
    if length > graphemes:
        raise ChannelError(
            f"The text has {length} characters; Bluesky accepts {graphemes}. Shorten it.",
            permanent=True,
        )
    if (count := len(text.encode())) > size:
        raise ChannelError(
            f"The text has {count} bytes; Bluesky accepts {size}. Shorten it.", permanent=True
        )
    return text


def facets(text: str, resolve: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the marks of a text of ours.

    resolve: returns the DID of a handle, or "" if nobody has this handle.
    """
    marks = [(start, end, _feature("link", uri=text[start:end])) for start, end in _links(text)]
    for found in _MENTION.finditer(text):
        handle = found[1].rstrip(".-")
        did = resolve(handle) if "." in handle else ""
        if did:
            marks.append(
                (found.start(), found.start(1) + len(handle), _feature("mention", did=did))
            )
    marks += [
        (found.start(), found.end(), _feature("tag", tag=found[1]))
        for found in _TAG.finditer(text)
        if not found[1].isdigit()
    ]
    return [
        {
            "index": {"byteStart": _byte(text, start), "byteEnd": _byte(text, end)},
            "features": [feature],
        }
        for start, end, feature in _apart(marks)
    ]


def first_link(text: str) -> str:
    """Return the first link of a text, or ""."""
    return next((text[start:end] for start, end in _links(text)), "")


def expanded(text: str, marks: object) -> str:
    """Return the text with each shortened link replaced by its full address."""
    raw, pieces, at = text.encode("utf-8", "surrogatepass"), [], 0
    for start, end, feature in sorted(_marks(marks, len(raw)), key=lambda mark: mark[:2]):
        uri = feature.get("uri")
        shown = raw[start:end].decode("utf-8", "replace")
        if start < at or not isinstance(uri, str) or not _is_shortened(shown, uri):
            continue
        pieces += [raw[at:start], uri.encode("utf-8", "replace")]
        at = end
    return b"".join([*pieces, raw[at:]]).decode("utf-8", "replace")


def mentioned(marks: object) -> list[str]:
    """Return the DIDs that a text mentions, each once."""
    dids = (feature.get("did") for _, _, feature in _marks(marks, 1 << 30))
    return list(dict.fromkeys(did for did in dids if isinstance(did, str) and did))


def _feature(name: str, **facts: str) -> dict[str, str]:
    return {"$type": f"{_FACET}#{name}", **facts}


def _links(text: str) -> Iterator[tuple[int, int]]:
    for found in _LINK.finditer(text):
        link = found[0].rstrip(_TRAILING)
        if not link.endswith("//"):  # the text contains only a scheme without a host
            yield found.start(), found.start() + len(link)


def _apart(marks: list[tuple[int, int, dict[str, str]]]) -> Iterator[tuple[int, int, Any]]:
    """Yield the marks in the order of the text, without those that overlap an earlier one."""
    at = 0
    for start, end, feature in sorted(marks, key=lambda mark: mark[:2]):
        if start >= at:
            yield start, end, feature
            at = end


def _byte(text: str, place: int) -> int:
    return len(text[:place].encode())


def _marks(marks: object, size: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield start, end and feature of each mark that can be read."""
    for mark in marks[:_MAX_FACETS] if isinstance(marks, list) else []:
        index = mark.get("index") if isinstance(mark, dict) else None
        features = mark.get("features") if isinstance(mark, dict) else None
        if not isinstance(index, dict) or not isinstance(features, list):
            continue
        start, end = index.get("byteStart"), index.get("byteEnd")
        if not (type(start) is int and type(end) is int and 0 <= start < end <= size):
            continue
        yield from ((start, end, each) for each in features[:5] if isinstance(each, dict))


def _is_shortened(shown: str, uri: str) -> bool:
    head = shown.removesuffix("…").removesuffix("...")
    if head == shown or len(uri) > _MAX_URI or not safe_url(uri):
        return False
    bare = _without_scheme(head)
    return bool(bare) and _without_scheme(uri).startswith(bare)


def _without_scheme(link: str) -> str:
    low = link.lower()
    for start in ("https://", "http://"):
        low = low.removeprefix(start)
    return low.removeprefix("www.")
