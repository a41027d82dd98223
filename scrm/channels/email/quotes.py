"""Separate the new text of a mail from the text that the mail quotes.

A quotation is recognised by the marks that mail programs make: a > before its lines, a line that
names the author (“On Monday, Jo wrote:”), or the headers of the quoted mail. Text that the author
of the mail passes on to us is no quotation: it is new to us.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from scrm.channels.email import quote_words as words
from scrm.channels.email.people import Person, person, split
from scrm.text.clean import plain, shown

LEFT_OUT = "[…]"
_MAX_PIECES = 400
_MAX_LINE = 400
"""Characters of a line that are examined. A header or the name of an author is shorter."""
_MAX_ATTRIBUTION = 4
"""Lines that a program may make of “On Monday, Jo wrote:”."""
_MAX_HEAD = 8
_LONGEST_HEADER = 2000


def _any_of(choices: Iterable[str]) -> str:
    """Return a pattern that matches any of these words, the longest first."""
    return "|".join(re.escape(each) for each in sorted(set(choices), key=len, reverse=True))


_BLOCKQUOTE = re.compile(r"(?i)<(/?)blockquote\b[^<>]*>")
_QUOTED = re.compile(r"\s{0,3}>")
_COLON = "[:\uff1a]"
_RULE = re.compile(r"_{20,}\Z")
_DASHES = r"[-\u2010-\u2015]{2,}"
_ORIGINAL = re.compile(rf"{_DASHES}\s?(?:{_any_of(words.ORIGINAL)})\s?{_DASHES}\Z")
_FORWARDED = re.compile(
    rf"{_DASHES}\s?(?:{_any_of(words.FORWARDED)})\b.{{0,80}}\Z"
    rf"|(?:{_any_of(words.FORWARD_BEGINS)})\s?{_COLON}\Z"
)
_FORWARD_SUBJECT = re.compile(rf"(?i)(?:{_any_of(words.FORWARD_SUBJECTS)})\s?{_COLON}")
_KINDS = {"from": words.FROM, "sent": words.SENT, "to": words.TO, "subject": words.SUBJECT}
_HEADER = re.compile(
    r"\*{0,2}(?:"
    + "|".join(f"(?P<{kind}>{_any_of(labels)})" for kind, labels in _KINDS.items())
    + rf")\*{{0,2}}\s?{_COLON}\*{{0,2}}\s?\S"
)
_WROTE = re.compile(rf"(?:{_any_of(words.WROTE)})\b.{{0,200}}{_COLON}\Z")
_ADDRESS = re.compile(r"[^\s<>(),;:@]@[^\s<>(),;:@]+\.[^\s<>(),;:@]{2}")
_DATE = re.compile(r"\d{4}|\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2}|\d{1,2}[:.h]\d{2}")
_WEEKDAY = r"[^\W\d]{1,12}(?:-[^\W\d]{1,8})?[.,]{0,2}\s"
_VERBLESS = re.compile(
    rf"(?:{_WEEKDAY})?\d.{{0,{_MAX_LINE}}}[<(][^\s<>]+@[^\s<>]+[>)]{{1,2}}\s?{_COLON}\Z"
)
_UNQUOTED = re.compile(r"\A\s{0,3}>\s?")
_AFTER_COLON = re.compile(rf"\A[^:\uff1a]{{0,60}}{_COLON}\*{{0,2}}\s{{0,3}}")
_STARTS = re.compile(rf"(?:on|am|le|el|il|op|em|no dia|den|dnia|w dniu|στις)\s|(?:{_WEEKDAY})?\d")
"""How a line begins that names the author of a quotation."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The text of a mail in two parts.

    new: the text that the mail adds. quoted: the lines that were left out, in order.
    places: the start and the end of each quoted passage, in code points of the whole text.
    """

    new: str
    quoted: str
    places: tuple[tuple[int, int], ...] = ()


def fold(text: str, subject: str = "") -> Folded:
    """Separate the quoted text. If a mail has no new text, its whole text counts as new.

    A quotation between two new passages is replaced by `LEFT_OUT`, so that the reader sees the gap.
    subject: in a mail that passes on another mail, the other mail is no quotation.
    """
    lines = text.splitlines()
    own = _own_lines(lines, is_forward=bool(_FORWARD_SUBJECT.match(subject.strip())))
    new = _kept(lines, own)
    if not new:
        return Folded(text.strip(), "")
    left_out = (line for line, is_own in zip(lines, own, strict=True) if not is_own)
    return Folded(new, "\n".join(left_out).strip(), tuple(_places(text, own)))


def _places(text: str, own: list[bool]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each group of neighbouring lines that are not own."""
    end = 0
    lines = zip(own, text.splitlines(keepends=True), strict=True)
    for is_own, group in groupby(lines, key=lambda pair: pair[0]):
        start, end = end, end + sum(len(line) for _own, line in group)
        if not is_own:
            yield start, end


@dataclass(frozen=True, slots=True)
class ForwardedMail:
    """A forwarded mail: its sender, its subject, and its text without headers."""

    sender: Person
    subject: str
    text: str


def forwarded_mail(text: str, subject: str = "") -> ForwardedMail | None:
    """Return the forwarded mail in a text; None if there is none, or if its sender is unknown.

    subject: the subject of the whole mail. If it begins like “Fwd:”, the headers of the forwarded
    mail are enough, and no line has to announce it.
    """
    lines = text.splitlines()
    comparable = [_comparable(line) for line in lines]
    is_forward = bool(_FORWARD_SUBJECT.match(subject.strip()))
    for index, line in enumerate(comparable):
        # Quoted lines are ignored: a forged quotation could name any sender.
        if _FORWARDED.match(line) or (is_forward and _is_head(comparable, index)):
            return _mail_below([_UNQUOTED.sub("", line) for line in lines], index)
    return None


def _mail_below(lines: list[str], index: int) -> ForwardedMail | None:
    """Return the mail whose headers begin at this line or a few lines below."""
    comparable = [_comparable(line) for line in lines]
    headers: dict[str, str] = {}
    for place in range(index, min(index + 2 * _MAX_HEAD, len(lines))):
        found = _HEADER.match(comparable[place])
        if found and found.lastgroup:
            value = _AFTER_COLON.sub("", lines[place][:_LONGEST_HEADER], count=1)
            headers.setdefault(found.lastgroup, value)
        elif headers and not lines[place].strip():
            index = place
            break
    found_sender = split(headers.get("from", ""))
    if found_sender is None:
        return None
    words = "\n".join(lines[index + 1 :]).strip()
    subject = headers.get("subject", "").strip(" *")[:1000]
    return ForwardedMail(person(*found_sender), subject, words)


def marked(html: str) -> str:
    """Return the text of `html`, with a > before each line of a blockquote.

    If everything is hidden, the hidden text is returned, because no mail may be without words.
    """
    # The hidden parts are removed from the whole mail, because a piece may not contain their ends.
    return _marked(shown(html)) or _marked(html)


def _marked(html: str) -> str:
    pieces = _BLOCKQUOTE.split(html, maxsplit=_MAX_PIECES)
    lines: list[str] = []
    depth = 0
    for index in range(0, len(pieces), 2):
        if index:
            depth = max(depth + (-1 if pieces[index - 1] else 1), 0)
        text = plain(pieces[index], hidden=True)
        prefix = ">" * min(depth, 5) + " " if depth else ""
        lines += [f"{prefix}{line}" for line in text.split("\n")] if text else []
    return "\n".join(lines)


def _own_lines(lines: list[str], *, is_forward: bool) -> list[bool]:
    """Return for each line whether it belongs to the new text of the mail."""
    plain_lines = [_comparable(line) for line in lines]
    own = [not _QUOTED.match(line) for line in lines]
    for index in range(len(lines)):
        if not own[index]:
            continue
        if _FORWARDED.match(plain_lines[index]):
            return own[:index] + [True] * (len(lines) - index)
        if not is_forward and _begins_quotation(plain_lines, index):
            own[index:] = [False] * (len(lines) - index)
            break
    _leave_out_attributions(plain_lines, own)
    return own


def _comparable(line: str) -> str:
    """Return the line in lower case, with plain apostrophes and single spaces."""
    # The dot of the Turkish İ becomes a character of its own.
    lower = line[:_MAX_LINE].replace("\u2019", "'").lower().replace("\u0307", "")
    return " ".join(lower.split())


def _begins_quotation(lines: list[str], index: int) -> bool:
    """Return whether a quotation begins at this line, which goes on to the end of the mail."""
    if _ORIGINAL.match(lines[index]) or _is_head(lines, index):
        return True
    if _RULE.match(lines[index]):
        return any(_is_head(lines, below) for below in (index + 1, index + 2))
    return any(
        _is_full_attribution(" ".join(lines[index:end]))
        # The customer's own words may stand directly above: then it begins at a later line.
        and (_is_start(lines[index]) or not _is_full_attribution(" ".join(lines[index + 1 : end])))
        for end in _ends(lines, index)
    )


def _is_head(lines: list[str], index: int) -> bool:
    """Return whether the headers of a quoted mail begin at this line.

    Such a block has lines like From, Sent, To and Subject. It begins with From or Sent, and it has
    an address, or both a date and a subject: “From: Berlin, To: Rome” is no quotation.
    """
    if index >= len(lines):
        return False
    first = _HEADER.match(lines[index])
    if first is None or first.lastgroup not in ("from", "sent"):
        return False
    block = [line for line in lines[index : index + 2 * _MAX_HEAD] if line][:_MAX_HEAD]
    headers = [(line, found.lastgroup) for line in block if (found := _HEADER.match(line))]
    kinds = {kind for _line, kind in headers}
    if "from" not in kinds or len(kinds) < 3 - ("subject" not in kinds):
        return False
    has_address = any(_ADDRESS.search(line) for line, _kind in headers)
    return has_address or {"sent", "subject"} <= kinds


def _ends(lines: list[str], index: int) -> Iterable[int]:
    """Yield where an attribution that begins at this line may end: after one line, two, and so on.

    A blank line, or more than `_MAX_ATTRIBUTION` lines, end it.
    """
    for end in range(index + 1, min(index + _MAX_ATTRIBUTION, len(lines)) + 1):
        if not lines[end - 1]:
            return
        yield end


def _is_full_attribution(text: str) -> bool:
    """Return whether the text names author, address and date, and says that the author wrote.

    Only such a line begins a quotation without a > before its lines.
    """
    is_short = len(text) <= _MAX_LINE
    return bool(is_short and _WROTE.search(text) and _ADDRESS.search(text) and _DATE.search(text))


def _is_start(line: str) -> bool:
    """Return whether an attribution begins at this line, and not above it."""
    return bool(_STARTS.match(line) and _DATE.search(line))


def _names_author(text: str) -> bool:
    """Return whether the text is a line like “On Monday, Jo wrote:”.

    Some languages have no verb there. Then it begins with the date and ends with the address.
    """
    return bool(_WROTE.search(text) or _VERBLESS.match(text))


def _leave_out_attributions(lines: list[str], own: list[bool]) -> None:
    """Set `own` to False for lines like “On Monday, Jo wrote:” above a quotation."""
    for index, is_own in enumerate(own):
        if is_own or index == 0:
            continue
        last = index - 1
        while last >= 0 and own[last] and not lines[last]:
            last -= 1
        if last >= 0 and own[last]:
            first = _start_of_attribution(lines, own, last)
            own[first : last + 1] = [False] * (last + 1 - first)


def _start_of_attribution(lines: list[str], own: list[bool], last: int) -> int:
    """Return the first line of the attribution that ends at the line `last`.

    Returns `last + 1` if there is none. An attribution without a date may be wrapped: then it goes
    on upwards to the line that begins like one.
    """
    shortest = last + 1
    for first in range(last, max(last - _MAX_ATTRIBUTION, -1), -1):
        if not own[first] or not lines[first]:
            break
        text = " ".join(lines[first : last + 1])
        if not _names_author(text):
            continue
        shortest = min(shortest, first) if first == last else shortest
        if _DATE.search(text) and (first == last or _is_start(lines[first])):
            return first
    return shortest


def _kept(lines: list[str], own: list[bool]) -> str:
    kept: list[str] = []
    gap = False
    for line, is_own in zip(lines, own, strict=True):
        if not is_own:
            gap = True
        elif line.strip() or not gap:
            if gap and kept:
                kept += ["", LEFT_OUT, ""]
            gap = False
            kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
