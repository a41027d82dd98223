"""Texts as Mastodon writes them: names in front of a reply, and comparing a text with a post."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scrm.text.clean import plain

_MENTION = re.compile(r"(?<![\w/@.])@([\w.-]{1,100}(?:@[\w.-]{1,300})?)")
_FOREIGN = re.compile(r"(@\w(?:[\w.-]{0,98}\w)?)(?:@\w(?:[\w.-]{0,298}\w)?)+")
"""A name with its server. A dot behind it ends the sentence and belongs to neither."""
_SPACE = re.compile(r"\s+")


def addressed(text: str, acct: str, *, domain: str) -> str:
    """Return the text with @acct in front, unless the text mentions this account already."""
    return text if not acct or mentions(text, acct, domain=domain) else f"@{acct} {text}"


def mentions(text: str, acct: str, *, domain: str) -> bool:
    return _whole(acct, domain) in {_whole(name, domain) for name in mentioned(text)}


def mentioned(text: str) -> Iterator[str]:
    """Yield the names in a text, without the first "@"."""
    for found in _MENTION.finditer(text):
        yield found[1].rstrip(".-")


def with_names_of(before: str, text: str, *, domain: str) -> str:
    """Return the text with the names in front that the earlier version has in front."""
    names, _ = _split(before)
    for name in reversed(names):
        text = addressed(text, name, domain=domain)
    return text


def without_servers(text: str) -> str:
    """Return the text with names as Mastodon shows and counts them: without their servers."""
    return _FOREIGN.sub(r"\1", text)


def is_same(html: str, text: str) -> bool:
    """Whether a post has this text.

    Names in front are ignored, because `addressed` adds one. Mastodon shows names without their
    server, and white space differs.
    """
    return _core(plain(html)) == _core(text)


def _core(text: str) -> str:
    return _SPACE.sub("", without_servers(_split(text)[1]))


def _split(text: str) -> tuple[list[str], str]:
    """Return the names in front of a text, and the rest."""
    names, rest = [], text.lstrip()
    while found := _MENTION.match(rest):
        names.append(found[1].rstrip(".-"))
        rest = rest[found.end() :].lstrip()
    return names, rest


def _whole(name: str, domain: str) -> str:
    return (name if "@" in name else f"{name}@{domain}").casefold()
