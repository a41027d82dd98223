"""Parse a header that names a person: an address, and a name that may be false.

The address is the text in the last `<…>`. Everything else is the name, even if it looks like an
address. Python's parsers `email.utils` and `email.headerregistry` are not used, because they take
the first text that looks like an address. Parsing takes time linear in the length of the header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from unicodedata import category

from scrm.net.addresses import domain_to_ascii, domain_to_unicode
from scrm.text.clean import plain
from scrm.text.normal import normalize

UNVERIFIED, _VIA = "unverified:", " via "
_LONGEST_NAME, _LONGEST_ADDRESS = 300, 1000
_LOCAL = r"[^@\s<>()\[\],;:\"\\\x00-\x1f\x7f]{1,64}|\"[^\"\\<>@\x00-\x1f\x7f]{1,62}\""
_ADDRESS = re.compile(rf"({_LOCAL})@([^@\s<>()\[\],;:\"\\\x00-\x1f\x7f]{{1,255}})")
_PLAIN_LOCAL = re.compile(r"\"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)\"")
_AROUND_AT = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]{0,64}[\s\"\\]{0,3}@[\s\"\[\\]{0,3}[\w.\u3002-]{0,200}"
)
_HANDLES = re.compile(r"[^@]*+(?:@[A-Za-z0-9\u00c0-\u024f\s()\"'&/_-]*+)++(?:\.[\s\"')]*+)?")
"""A name in which no @ can be part of an address: no dot follows it, except at the very end.

Examples: `Kim (@kimfly)`, `Jo @ Acme`.
"""
_ATS = "@\uff20\ufe6b"
_INVISIBLE, _FILLERS = {"Cf", "Mn", "Me"}, "\u115f\u1160\u3164\uffa0"
_MARK = re.compile(r'\\.|[()"]', re.DOTALL)
_STEPS = {'"': {'"': -1}, "(": {"(": 1, ")": -1}}
"""How each sign changes the nesting depth inside quotes and inside a comment."""
_BRACKETS = re.compile(r"<([^<>]*)(?:>|\Z)")
_ROUTE = re.compile(r"(?i)\s*(?:@[^:]*+|mailto|smtp):")
"""What may precede the address in brackets: the relays of old mails (RFC 5322), or a scheme."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+|"', re.DOTALL)
_NEEDLESS_PAIR = re.compile(r'\\([^"\\])', re.DOTALL)
_WORD = re.compile(r"[^\s<>()\[\],;:\"\\]+")
_PAIRS = {('"', '"'), ("'", "'"), ("(", ")")}


@dataclass(frozen=True, slots=True)
class Person:
    """A person in a header.

    address: the address in the form of `mail_address`, which serves as a key.
    name: "" if the header has no name, or if the name contains another address.
    other: the other address in the name; "" if there is none.
    """

    address: str
    name: str = ""
    other: str = ""


def mail_address(text: str) -> str:
    """Return an address in its normal form; "" if `text` is no address.

    The normal form serves as a key. It is in lower case, and its domain is in ASCII (A-labels). If
    IDNA does not allow a domain, the domain is only put into lower case. An address must not
    contain an invisible character. It must not contain a character that separates addresses either,
    such as a comma, even if this character is full-width.
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
    return all(_ADDRESS.fullmatch(form) for form in (text, normalize("NFKC", text)))


def unverified_key(address: str, name: str = "") -> str:
    """Return the profile key of an unverified sender, which the owner of the address never gets.

    name: given if `address` is the address of a list and not of the person.
    """
    # The name is hashed, because a long key would be cut.
    who = f"{sha256(name.encode()).hexdigest()[:20]}{_VIA}" if name else ""
    return f"{UNVERIFIED}{who}{address}"


def address_of(key: str) -> str:
    """Return the mail address for replies to the person with this key."""
    return key.removeprefix(UNVERIFIED).rpartition(_VIA)[2] if key.startswith(UNVERIFIED) else key


def sendable(text: str) -> str:
    """Return an address in the normal form of `mail_address`.

    Raises ValueError with a message if mail cannot be sent to the address.
    """
    address = mail_address(text)
    if not address:
        raise ValueError(f"“{text[:300]}” is no mail address")
    domain_to_ascii(address.rpartition("@")[2])
    return address


def readable(address: str) -> str:
    """Return the address for display, with its domain in Unicode."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain_to_unicode(domain)}"


def domain_of(address: str) -> str:
    """Return the domain of one of our addresses in ASCII; "localhost" if the domain is invalid."""
    try:
        return domain_to_ascii(address.rpartition("@")[2]) or "localhost"
    except ValueError:
        return "localhost"


def split(header: str) -> tuple[str, str] | None:
    """Split a header into its address and its name; return None if it has no address.

    Call this function before encoded words are decoded, because a decoded name could contain
    brackets. The returned name is still encoded.
    """
    spans = _quoted_spans(header)
    outside = _blanked(header, spans)
    uncommented = _blanked(header, [span for span in spans if header[span.start] == "("])
    # Search from the right: everything before the last address belongs to the name.
    for found in reversed(list(_BRACKETS.finditer(outside))):
        route = _ROUTE.match(found[1])
        inside = slice(found.start(1) + (route.end() if route else 0), found.end(1))
        if address := mail_address(header[inside]) or _spaced_address(uncommented[inside], ".@"):
            return address, f"{header[: found.start()]} {header[found.end() :]}"
        if _has_at(found[1]):
            return _last_word(header, outside, inside.start, inside.stop)
    # Dots do not join words here, because “Mr. jo@…” has a name that ends with a dot.
    if address := mail_address(header) or _spaced_address(uncommented, "@"):
        return address, " ".join(header[span] for span in spans if header[span.start] == "(")
    return _last_word(header, outside, 0, len(outside))


def _spaced_address(text: str, joints: str) -> str:
    """Return an address that has spaces around the signs in `joints`, or needless backslashes.

    RFC 5322 allows spaces around dots and the @, and backslashes in quoted strings. Returns "" if
    the text is no address.
    """
    joined = ""
    for token in _TOKEN.findall(text) if len(text) <= 4 * _LONGEST_ADDRESS else ():
        beside = joined[-1:] + token[:1]
        joined += token if any(sign in joints for sign in beside) else f" {token}"
    return mail_address(_NEEDLESS_PAIR.sub(r"\1", joined))


def _last_word(header: str, outside: str, start: int, end: int) -> tuple[str, str] | None:
    """Return the last word with an @ between `start` and `end` if it is an address, else None.

    Earlier words are not considered, because they belong to the name.
    """
    for found in reversed(list(_WORD.finditer(outside, start, end))):
        if _has_at(found[0]):
            address = mail_address(found[0])
            rest = f"{header[: found.start()]} {header[found.end() :]}"
            return (address, rest) if address else None
    return None


def _has_at(text: str) -> bool:
    return any(sign in text for sign in _ATS)


def outside_quotes(header: str) -> str:
    """Return the header with blanks in the place of quoted strings and comments."""
    return _blanked(header, _quoted_spans(header))


def _quoted_spans(header: str) -> list[slice]:
    """Return the places of quoted strings and comments, with their marks.

    If a quoted string or comment never ends, the result is empty, because the quotation marks and
    brackets of the header then have no meaning.
    """
    spans: list[slice] = []
    inside, depth, start = "", 0, 0
    for mark in _MARK.finditer(header):
        sign = mark[0]
        if inside:
            depth += _STEPS[inside].get(sign, 0)
            if depth == 0:
                inside = ""
                spans.append(slice(start, mark.end()))
        elif sign[-1] in _STEPS:  # outside of quoted strings a backslash escapes nothing
            inside, depth, start = sign[-1], 1, mark.end() - 1
    return [] if inside else spans


def _blanked(header: str, spans: list[slice]) -> str:
    """Return the header with blanks in the place of these spans; its length stays the same."""
    kept: list[str] = []
    end = 0
    for span in spans:
        kept += header[end : span.start], " " * (span.stop - span.start)
        end = span.stop
    return "".join(kept) + header[end:]


def person(address: str, name: str) -> Person:
    """Return the person with this address.

    name: the decoded text beside the address.
    """
    shown_name = re.sub(r"\\(.)", r"\1", plain(name[: 4 * _LONGEST_NAME]))
    shown_name = _unwrapped(shown_name.strip(" <>"))
    other = _other_address(name, address) or _other_address(shown_name, address)
    if other or mail_address(shown_name) == address:
        shown_name = ""
    return Person(address, shown_name[:_LONGEST_NAME], other)


def _other_address(name: str, address: str) -> str:
    """Return an address in the name that is not the person's own; "" if there is none.

    An @ that belongs to the person's own address or to a handle does not count. Invisible
    characters are removed first. In case of doubt, a text with an @ counts as another address.
    """
    seen = _without_own(_visible(_without_own(name, address)), address)
    if "@" not in seen or _HANDLES.fullmatch(seen):
        return ""
    pieces = [re.sub(r"[\s\"\[\\]", "", piece).strip("'.") for piece in _AROUND_AT.findall(seen)]
    found = (mail_address(piece) for piece in pieces)
    whole = (address for address in found if "." in address.rpartition("@")[2])
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
