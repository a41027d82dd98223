"""Who a header names: an address, and a name that proves nothing. Pure.

The address is what stands in the last `<…>`; everything else is a name, whatever it looks like.
Own code, because `email.utils` and `email.headerregistry` take the first thing that looks like
an address. Linear in the header's length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import category, normalize

from scrm.net.addresses import domain_to_ascii, domain_to_unicode
from scrm.text.clean import plain

_LONGEST_NAME, _LONGEST_ADDRESS = 300, 1000
_LOCAL = r"[^@\s<>()\[\],;:\"\\\x00-\x1f\x7f]{1,64}|\"[^\"\\<>@\x00-\x1f\x7f]{1,62}\""
_ADDRESS = re.compile(rf"({_LOCAL})@([^@\s<>()\[\],;:\"\\\x00-\x1f\x7f]{{1,255}})")
_PLAIN_LOCAL = re.compile(r"\"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)\"")
_AROUND_AT = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]{0,64}[\s\"\\]{0,3}@[\s\"\[\\]{0,3}[\w.\u3002-]{0,200}"
)
_HANDLES = re.compile(r"[^@]*+(?:@[A-Za-z0-9\u00c0-\u024f\s()\"'&/_-]*+)++(?:\.[\s\"')]*+)?")
"""A name in which no @ can be read as part of an address: nothing like a dot comes after it, save
at the very end. `Kim (@kimfly)`, `Jo @ Acme`."""
_ATS = "@\uff20\ufe6b"
_INVISIBLE, _FILLERS = {"Cf", "Mn", "Me"}, "\u115f\u1160\u3164\uffa0"
_MARK = re.compile(r'\\.|[()"]', re.DOTALL)
_STEPS = {'"': {'"': -1}, "(": {"(": 1, ")": -1}}
"""How deep each sign leads inside quotes and inside a comment."""
_BRACKETS = re.compile(r"<([^<>]*)>")
_WORD = re.compile(r"[^\s<>()\[\],;:\"\\]+")
_PAIRS = {('"', '"'), ("'", "'"), ("(", ")")}


@dataclass(frozen=True, slots=True)
class Person:
    """address: a key, see `mail_address`. name: "" if there is none, or if it holds another
    address. other: that other address, "" if there is none."""

    address: str
    name: str = ""
    other: str = ""


def mail_address(text: str) -> str:
    """An address in the one form that is its key: lower case, its domain in A-labels; "" if
    `text` is no address. A domain that IDNA does not allow stays as it is written.

    The key itself is checked: it holds no sign that separates addresses, not even a full-width
    one, and no invisible sign.
    """
    found = _ADDRESS.fullmatch(_unwrapped(text)) if len(text) <= _LONGEST_ADDRESS else None
    if not found:
        return ""
    local, domain = _PLAIN_LOCAL.sub(r"\1", found[1]), found[2].rstrip(".")
    try:
        domain = domain_to_ascii(domain).rstrip(".")
    except ValueError:
        domain = domain.lower()
    key = f"{normalize('NFC', local.lower())}@{domain}"
    return key if _is_key(key) else ""


def _is_key(text: str) -> bool:
    if any(category(sign) == "Cf" for sign in text):
        return False
    return all(_ADDRESS.fullmatch(each) for each in (text, normalize("NFKC", text)))


def sendable(text: str) -> str:
    """The same, where something can be sent to. Raises ValueError in words."""
    address = mail_address(text)
    if not address:
        raise ValueError(f"“{text[:300]}” is no mail address")
    domain_to_ascii(address.rpartition("@")[2])
    return address


def readable(address: str) -> str:
    """The same address as people read it."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain_to_unicode(domain)}"


def domain_of(address: str) -> str:
    """Our own domain as it goes on the wire; "localhost" if there is no valid one."""
    try:
        return domain_to_ascii(address.rpartition("@")[2]) or "localhost"
    except ValueError:
        return "localhost"


def split(header: str) -> tuple[str, str] | None:
    """The address that a header names, and all else in it: the name, still encoded.

    Before encoded words are decoded, or a name could bring brackets of its own.
    """
    outside = _without_quotes(header)
    for found in reversed(list(_BRACKETS.finditer(outside))):
        if address := mail_address(header[found.start(1) : found.end(1)]):
            return address, f"{header[: found.start()]} {header[found.end() :]}"
        if _has_at(found[1]):
            return _last_word(header, outside, *found.span(1))
    address = mail_address(header)
    return (address, "") if address else _last_word(header, outside, 0, len(outside))


def _last_word(header: str, outside: str, start: int, end: int) -> tuple[str, str] | None:
    """The last word with an @ between `start` and `end`. If it is no address, none is taken in
    its place: what stands before it is a name."""
    for found in reversed(list(_WORD.finditer(outside, start, end))):
        if _has_at(found[0]):
            address = mail_address(found[0])
            rest = f"{header[: found.start()]} {header[found.end() :]}"
            return (address, rest) if address else None
    return None


def _has_at(text: str) -> bool:
    return any(sign in text for sign in _ATS)


def _without_quotes(header: str) -> str:
    """The same with blanks for what stands in quotes and comments. Unchanged where one of them
    does not end: then the signs are none."""
    kept: list[str] = []
    inside, depth, start, end = "", 0, 0, 0
    for mark in _MARK.finditer(header):
        sign = mark[0]
        if inside:
            depth += _STEPS[inside].get(sign, 0)
            if depth == 0:
                inside, end = "", mark.end()
                kept.append(" " * (end - start))
        elif sign[-1] in _STEPS:  # outside, a backslash escapes nothing
            inside, depth, start = sign[-1], 1, mark.end() - 1
            kept.append(header[end:start])
    return header if inside else "".join(kept) + header[end:]


def person(address: str, name: str) -> Person:
    """name: decoded, as it stands beside the address."""
    called = re.sub(r"\\(.)", r"\1", plain(name[: 4 * _LONGEST_NAME]))
    called = _unwrapped(called.strip(" <>"))
    other = _other_address(name, address) or _other_address(called, address)
    if other or mail_address(called) == address:
        called = ""
    return Person(address, called[:_LONGEST_NAME], other)


def _other_address(name: str, address: str) -> str:
    """What a name shows as another address; "" if every @ in it is the person's own address or
    a mere handle. Invisible signs are dropped first, and any doubt counts as an address."""
    seen = _without_own(_visible(_without_own(name, address)), address)
    if "@" not in seen or _HANDLES.fullmatch(seen):
        return ""
    pieces = [re.sub(r"[\s\"\[\\]", "", each).strip("'.") for each in _AROUND_AT.findall(seen)]
    found = (mail_address(each) for each in pieces)
    whole = (each for each in found if "." in each.rpartition("@")[2])
    return next(whole, max(pieces, key=len))


def _without_own(name: str, address: str) -> str:
    return _WORD.sub(
        lambda word: " " if mail_address(word[0].strip("'.")) == address else word[0], name
    )


def _visible(name: str) -> str:
    return "".join(
        sign
        for sign in normalize("NFKC", name)
        if category(sign) not in _INVISIBLE and sign not in _FILLERS
    )


def _unwrapped(text: str) -> str:
    text = text.strip(" \t\r\n,")
    while len(text) > 1 and (text[0], text[-1]) in _PAIRS:
        text = text[1:-1].strip()
    return text
