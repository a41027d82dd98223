"""Recognise mail that no human wrote: automatic answers, and bounces with or without a report.

Reports are those of RFC 3464. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from scrm.channels.base import BOUNCE, NOTICE
from scrm.channels.email.ids import Ours, find_ours
from scrm.channels.email.people import split
from scrm.channels.email.read import Headers, Letter

_DAEMONS = re.compile(
    r"(?i)(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mail[-_ ]delivery|bounces?)"
    r"(?:[-+=].*)?@"
)
_FAILED = re.compile(
    r"(?i)undeliver|delivery (?:status|has |failed|failure)|fail(?:ed|ure).{0,40}deliver|"
    r"returned (?:mail|to sender)|mail delivery|non[- ]?remis|unzustellbar|nicht zugestellt|"
    r"unable to deliver|could not be delivered|devuelto|mail system error"
)
_LATE = re.compile(r"(?i)\bdelay|\bwarning\b|still (?:being )?(?:tr(?:y|ied)|retr)|verzöger|retard")
_CODE = re.compile(r"(?<![\d.])(?:5\d\d[ \-#]|[45]\.\d{1,3}\.\d{1,3}\b|4\d\d[ \-#])")
_ABSENT = re.compile(
    r"(?i)\s*(?:auto(?:matic|mated)?[- ]?reply|automatische antwort|réponse automatique|"
    r"respuesta automática|risposta automatica|"
    r"(?:out of (?:the )?office(?: auto-?reply)?|abwesenheit(?:snotiz)?)\s*(?::|\Z))"
)
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Returned:
    """What a bounce says about a mail of ours.

    kind: BOUNCE, or NOTICE if it may still arrive. recipient: "" if it is not named.
    ours: which of our mails it was; None if it was none of ours.
    """

    kind: str
    recipient: str
    reason: str
    ours: Ours | None


def returned(letter: Letter) -> Returned | None:
    """Return what a mail says about another that did not arrive; None if it is no such mail."""
    return _by_report(letter) or _by_looks(letter)


def _by_report(letter: Letter) -> Returned | None:
    """Read a delivery report: the fields of a recipient that failed, else of the first one."""
    told = [fields for fields in letter.report if "action" in fields]
    if not told:
        return None
    failed = next((each for each in told if _field(each, "action").lower() == "failed"), None)
    fields = failed or told[0]
    late = _field(fields, "action").lower() == "delayed"
    whom = _field(fields, "original-recipient") or _field(fields, "final-recipient")
    said = _field(fields, "diagnostic-code").partition(";")[2] or _field(fields, "status")
    return Returned(
        BOUNCE if failed else NOTICE,
        _address(whom.partition(";")[2] or whom),
        _tidy(said) or _reason(letter),
        _ours(letter) if failed or late else None,  # other actions say that all is well
    )


def _by_looks(letter: Letter) -> Returned | None:
    """Recognise a bounce without a report.

    By a mail program's address, words of failure in the subject, or an empty return path.
    """
    sender = letter.sender.address if letter.sender else ""
    daemon = bool(_DAEMONS.match(sender))
    nobody = letter.header("return-path").replace(" ", "") == "<>"
    named = letter.header("x-failed-recipients")
    late = bool(_LATE.search(letter.subject))
    words_of_failure = late or bool(_FAILED.search(letter.subject))
    by_daemon = daemon and (words_of_failure or nobody)
    if not (named or by_daemon or (nobody and words_of_failure and not late)):
        return None
    ours = _ours(letter)
    certain = named or (daemon and nobody)
    if ours is None and not certain:
        # a customer may write about a delay from such an address: read it as a normal mail
        return None
    return Returned(NOTICE if late else BOUNCE, _address(named), _reason(letter), ours)


def _ours(letter: Letter) -> Ours | None:
    return find_ours("\n".join((letter.returned, *letter.references, letter.text)))


def _field(fields: Headers, name: str) -> str:
    return next(iter(fields.get(name, ())), "").strip()


def _address(text: str) -> str:
    """Return the first address of those that were not reached."""
    found = split(text.partition(",")[0])
    return found[0] if found else ""


def _reason(letter: Letter) -> str:
    """Return the line with the other server's answer, and the lines it continues on."""
    lines = [line.strip() for line in letter.text[:20_000].splitlines()]
    for index, line in enumerate(lines):
        if _CODE.search(line):
            below = takewhile(bool, lines[index + 1 : index + 3])
            return _tidy(" ".join([line, *below]))
    return "The recipient's mail server returned the email."


def _tidy(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]


def is_automatic(letter: Letter) -> bool:
    """Whether a mail is an automatic answer.

    A mail that a machine started (a form, an order) is work; so is what a person wrote through a
    list or with the wish to get no automatic answer.
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
    """Whether it came through a list: lists add `Precedence: bulk` to what people write."""
    return any(name in letter.headers for name in ("list-id", "list-post", "mailing-list"))
