"""Separate the new text of a mail from the text that the mail quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scrm.text.clean import plain, shown

LEFT_OUT = "[…]"
_MAX_PIECES = 400
_MAX_ATTRIBUTION = 3

_BLOCKQUOTE = re.compile(r"(?i)<(/?)blockquote\b[^<>]*>")
_QUOTED = re.compile(r"\s{0,3}>")
_WROTE = re.compile(
    r"(?i)(?:\b(?:wrote|schrieb\b.{0,80}|a écrit|escribió|ha scritto|schreef|escreveu|skrev|"
    r"napisał\(?a?\)?|написал\(?\u0430?\)?)|写道|のメール)\s*[:\uff1a]\s*\Z"
)
_BEGINS = re.compile(
    r"(?i)\s*(?:-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|"
    r"mensaje original|messaggio originale|oorspronkelijk bericht|forwarded message|"
    r"weitergeleitete nachricht)\s*-{2,}|begin forwarded message:)\s*\Z"
)
_RULE = re.compile(r"\s*_{20,}\s*\Z")
_FROM = re.compile(r"(?i)\s*\*?(?:from|von|de|da|van|från|fra|od|от|发件人)\*?\s?[:\uff1a]\*?\s*\S")
_SENT = re.compile(
    r"(?i)\s*\*?(?:sent|date|gesendet|datum|envoyé|enviado(?: el)?|fecha|inviato|data|verzonden|"
    r"skickat|sendt|to|an|à|para|subject|betreff|objet|asunto|oggetto|发送时间)\*?\s?[:\uff1a]"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """The text of a mail in two parts.

    new: the text that the mail adds. quoted: the lines that were left out, in order.
    """

    new: str
    quoted: str


def fold(text: str) -> Folded:
    """Separate the quoted text. If a mail has no new text, its whole text counts as new.

    A quotation between two new passages is replaced by `LEFT_OUT`, so that the reader sees the gap.
    """
    lines = text.splitlines()
    end = _end_of_new(lines)
    own = [index < end and not _QUOTED.match(line) for index, line in enumerate(lines)]
    _leave_out_attributions(lines, own)
    new = _kept(lines, own)
    if not new:
        return Folded(text.strip(), "")
    left_out = (line for line, is_own in zip(lines, own, strict=True) if not is_own)
    return Folded(new, "\n".join(left_out).strip())


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
        words = plain(pieces[index], hidden=True)
        prefix = ">" * min(depth, 5) + " " if depth else ""
        lines += [f"{prefix}{line}" for line in words.split("\n")] if words else []
    return "\n".join(lines)


def _end_of_new(lines: list[str]) -> int:
    """Return the index of the line at which a quoted mail begins.

    If no quoted mail begins, the number of lines is returned.
    """
    for index, line in enumerate(lines):
        if _BEGINS.match(line) or _is_head(lines, index):
            return index
        if _RULE.match(line) and any(_is_head(lines, below) for below in (index + 1, index + 2)):
            return index
    return len(lines)


def _is_head(lines: list[str], index: int) -> bool:
    """Return whether the headers of a quoted mail begin at this line.

    Such a block has lines like From, Sent, To and Subject.
    """
    if index >= len(lines) or not _FROM.match(lines[index]):
        return False
    below = [line for line in lines[index + 1 : index + 7] if line.strip()]
    return sum(1 for line in below[:4] if _SENT.match(line[:80])) >= 2


def _leave_out_attributions(lines: list[str], own: list[bool]) -> None:
    """Set `own` to False for lines like “On Monday, Jo wrote:” above a quotation.

    own: for each line, whether the line belongs to the new text of the mail.
    """
    for index, is_own in enumerate(own):
        if is_own or index == 0:
            continue
        above = index - 1
        while above >= 0 and own[above] and not lines[above].strip():
            above -= 1
        if above < 0 or not own[above] or not _WROTE.search(lines[above][-300:]):
            continue
        for line in range(above, max(above - _MAX_ATTRIBUTION, -1), -1):
            if not own[line] or not lines[line].strip():
                break
            own[line] = False
            if re.match(r"(?i)\s*(?:on|am|le|el|il|op|em|den|dnia)\b", lines[line]):
                break


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
