"""Recognise mail that no human wrote: automatic answers and bounces.

Some bounces contain a delivery report (RFC 3464), others do not. This module only parses mails. It
uses neither the database nor the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from scrm.channels.base import BOUNCE, NOTICE
from scrm.channels.email import bounce_words as words
from scrm.channels.email.headers import Headers
from scrm.channels.email.ids import Ours, find_ours
from scrm.channels.email.people import split
from scrm.channels.email.read import Letter

_DAEMONS = re.compile(
    r"(?i)(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mail[-_ ]delivery|bounces?)"
    r"(?:[-+=].*)?@"
)
_DAEMON_NAMES = re.compile(r"(?i)\W*(?:mailer[-_. ]?daemon|mail delivery (?:sub)?system)\b")
_FAILED = re.compile("(?i)" + "|".join(words.FAILED))
_LATE = re.compile("(?i)" + "|".join(words.LATE))
_CODE = re.compile(r"(?<![\d.])(?:5\d\d[ \-#]|[45]\.\d{1,3}\.\d{1,3}\b|4\d\d[ \-#])")
_ABSENT = re.compile(
    rf"(?i)\s*(?:(?:{'|'.join(words.AUTOMATIC)})|(?:{'|'.join(words.ABSENT)})\s*(?:[:\uff1a]|\Z))"
)
_COPY = re.compile(
    r"(?im)^\W*(?:below this line is a copy|(?:start of )?(?:original|returned|undelivered) message"
    r"|this is a copy of (?:the|your) message|message headers follow|received: |return-path: )"
)
"""Where a bounce without parts begins to quote the mail that it returns."""
_QUOTED_ID = re.compile(r"(?im)^[> ]*message-id:\s*(\S+)")
_QUOTED_TO = re.compile(r"(?im)^[> ]*to:\s*(\S.{0,300})")
_QUOTED_CC = re.compile(r"(?im)^[> ]*cc:")
_RECIPIENT = re.compile(r"(?m)^[ \t]*<([^<>\s]+@[^<>\s]+)>(?:[: \t].{0,200})?$")
_IN_ADDRESS = r"[^\s<>()\[\],;:\"'@]"
_ADDRESS = re.compile(rf"(?<!{_IN_ADDRESS}){_IN_ADDRESS}{{1,64}}+@{_IN_ADDRESS}{{1,255}}")
_FIRST = re.compile(r'(?:[^",]|"[^"]*+")*+')
"""The text before the first comma that is not in quotes."""
_LONGEST_REASON = 500
_SEARCHED = 20_000
"""Characters of the text that are searched for the recipient and the reason."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The facts that a bounce reports about a mail.

    kind: BOUNCE if the mail was not delivered; otherwise NOTICE, for example if the mail is late.
    recipient: the address that did not get the mail; "" if the bounce does not name it.
    ours: the parsed Message-ID of our mail. None if the bounce names no mail of ours, or if it
    reports that our mail was delivered.
    """

    kind: str
    recipient: str
    reason: str
    ours: Ours | None
    others: tuple[str, ...] = ()


def returned(letter: Letter) -> Returned | None:
    """Return what a bounce or a complaint reports; None if the mail is neither."""
    return _by_complaint(letter) or _by_report(letter) or _by_signs(letter)


def _by_complaint(letter: Letter) -> Returned | None:
    """Read a complaint (RFC 5965) about a mail of ours; return None if the mail is none."""
    report = next((fields for fields in letter.report if "feedback-type" in fields), None)
    if report is None:
        return None
    recipient = _field(report, "original-rcpt-to") or _whom(letter)
    reason = f"The recipient reported this email as: {_field(report, 'feedback-type')}."
    return Returned(NOTICE, _address(recipient), _tidy(reason), _ours(letter))


def _by_report(letter: Letter) -> Returned | None:
    """Read a delivery report; return None if the mail contains no report.

    The fields of the first failed recipient are used. If no recipient failed, the fields of the
    first recipient are used.
    """
    reports = [fields for fields in letter.report if "action" in fields]
    if not reports:
        return None
    failed = next(
        (fields for fields in reports if _field(fields, "action").lower() == "failed"), None
    )
    fields = failed or reports[0]
    late = _field(fields, "action").lower() == "delayed"
    answer = _field(fields, "diagnostic-code").partition(";")[2] or _field(fields, "status")
    action = _field(fields, "action").lower()
    same = [each for each in reports if _field(each, "action").lower() == action]
    return Returned(
        BOUNCE if failed else NOTICE,
        _reported(fields),
        _tidy(answer) or _reason(letter),
        _ours(letter) if failed or late else None,  # all other values of Action report success
        tuple(_reported(each) for each in same if each is not fields),
    )


def _reported(fields: Headers) -> str:
    recipient = _field(fields, "original-recipient") or _field(fields, "final-recipient")
    return _address(recipient.partition(";")[2] or recipient)


def _by_signs(letter: Letter) -> Returned | None:
    """Recognise a bounce without a delivery report; return None if the mail is no bounce.

    The mail is a bounce in each of these cases:

    - It has the header X-Failed-Recipients.
    - Its sender is a mail server, and its return path is empty.
    - Its sender is a mail server, and it quotes the Message-ID of one of our mails. A person who
      answers has the Message-ID only in the headers of the answer.
    - Its sender is a mail server, its subject reports a failure or a delay, and it names one of our
      mails.
    - Its return path is empty, its subject reports a failure but no delay, and it names one of our
      mails.
    """
    daemon = _is_daemon(letter)
    empty_return_path = letter.header("return-path").replace(" ", "") == "<>"
    failed_recipients = letter.header("x-failed-recipients")
    late = bool(_LATE.search(letter.subject))
    words_of_failure = late or bool(_FAILED.search(letter.subject))
    quotes_ours = daemon and _quoted_id(letter) is not None
    by_daemon = daemon and (words_of_failure or empty_return_path or quotes_ours)
    if not (
        failed_recipients or by_daemon or (empty_return_path and words_of_failure and not late)
    ):
        return None
    ours = _ours(letter)
    certain = failed_recipients or quotes_ours or (daemon and empty_return_path)
    if ours is None and not certain:
        # A customer may write about a delay from such an address, so this counts as a normal mail.
        return None
    whom = _address(failed_recipients) or _whom(letter)
    return Returned(NOTICE if late else BOUNCE, whom, _reason(letter), ours)


def _is_daemon(letter: Letter) -> bool:
    """Return whether the sender is a mail server; it may have a name and no address."""
    if letter.sender:
        return bool(_DAEMONS.match(letter.sender.address))
    return bool(_DAEMON_NAMES.match(letter.header("from")))


def _quoted_id(letter: Letter) -> Ours | None:
    """Return the parsed Message-ID of our mail that the mail returns; None if it returns none."""
    found = _QUOTED_ID.findall(f"{letter.returned}\n{letter.text[:_SEARCHED]}")
    return next((ours for name in found if (ours := find_ours(name))), None)


def _whom(letter: Letter) -> str:
    """Return the address that did not get the mail, as the text of a bounce names it.

    It is the recipient of the mail that is returned. If that is not quoted, it is the address that
    stands alone on a line, as <jo@example.com>, or the first address before the copy of the mail.
    """
    text = letter.text[:_SEARCHED]
    quoted = _QUOTED_TO.search(letter.returned)
    # A mail with copies has several recipients: then only the text says which one failed.
    if quoted and not _QUOTED_CC.search(letter.returned):
        return _address(quoted[1])
    copy = _COPY.search(text)
    above = text[: copy.start()] if copy else text
    if found := _RECIPIENT.search(above):
        return _address(found[1])
    head = text[copy.start() :] if copy else ""
    if (quoted := _QUOTED_TO.search(head)) and not _QUOTED_CC.search(head):
        return _address(quoted[1])
    first = _ADDRESS.search(above)
    return _address(first[0].rstrip(".")) if first else ""


def _ours(letter: Letter) -> Ours | None:
    return find_ours("\n".join((letter.returned, *letter.references, letter.text)))


def _field(fields: Headers, name: str) -> str:
    return next(iter(fields.get(name, ())), "").strip()


def _address(text: str) -> str:
    """Return the address of a recipient; "" if the text has none.

    text: one recipient, or several that are separated by commas. The first one is used.
    """
    first = _FIRST.match(text)
    found = split(first[0]) if first else None
    return found[0] if found else ""


def _reason(letter: Letter) -> str:
    """Return the answer of the receiving server, as the text of the bounce quotes it.

    The answer is the first line with an error code, and up to two lines that continue it. Without
    a code, it is what stands below the recipient.
    """
    text = letter.text[:_SEARCHED]
    lines = [line.strip() for line in text.splitlines()]
    for index, line in enumerate(lines):
        if _CODE.search(line):
            below = takewhile(bool, lines[index + 1 : index + 3])
            return _tidy(" ".join([line, *below]))
    if found := _RECIPIENT.search(text):
        below = takewhile(bool, (line.strip() for line in text[found.end() + 1 :].splitlines()[:3]))
        if reason := _tidy(" ".join(below)):
            return reason
    return "The recipient's mail server returned the email."


def _tidy(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]


def is_automatic(letter: Letter) -> bool:
    """Return whether a mail is an automatic answer.

    Some mails have headers of an automatic answer although staff must read them. Mails from a web
    form or an order system do not count as automatic answers, because they answer no other mail.
    Mails that a person sent through a mailing list do not count either. The header
    X-Auto-Response-Suppress, which asks the recipient to send no automatic answer, counts only if
    the subject also reports an absence.
    """
    submitted = letter.header("auto-submitted").lower().partition(";")[0].strip()
    if (
        submitted == "auto-replied"
        or _precedence(letter) in ("auto_reply", "auto-reply")
        or "disposition-notification" in letter.header("content-type").lower()
        or any(name in letter.headers for name in ("x-autoreply", "x-autorespond", "x-autorespone"))
    ):
        return True
    says_absent = bool(_ABSENT.match(letter.subject))
    if says_absent and "x-auto-response-suppress" in letter.headers:
        return True
    by_machine = (
        submitted not in ("", "no")
        or (_precedence(letter) in ("bulk", "junk") and not _by_list(letter))
        or letter.header("return-path").replace(" ", "") == "<>"
    )
    return by_machine and (says_absent or bool(letter.references))


def _precedence(letter: Letter) -> str:
    return letter.header("precedence").lower().strip()


def _by_list(letter: Letter) -> bool:
    """Return whether the mail came through a mailing list.

    Mailing lists add the header `Precedence: bulk` to all mails. So in a mail from a mailing list,
    this header does not show that the mail is an automatic answer.
    """
    return any(name in letter.headers for name in ("list-id", "list-post", "mailing-list"))
