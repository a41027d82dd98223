"""Read mails in the parser process, so that no mail can stop or take over a worker."""

from __future__ import annotations

from scrm.channels.email.parts import Unreadable
from scrm.channels.email.read import Letter
from scrm.channels.email.read import read as read_here
from scrm.channels.parser_process import PARSER, Answer, ParserError
from scrm.channels.plain_data import from_plain, to_plain

CPU_SECONDS = 8.0


def read(raw: bytes) -> Letter:
    """Parse a mail in the parser process. Raises Unreadable and ParserNotStarted."""
    operation = "scrm.channels.email.bounded:answer"
    try:
        answer = PARSER.parse(operation, raw, {}, cpu_seconds=CPU_SECONDS)
        if reason := answer.facts.get("unreadable"):
            raise Unreadable(str(reason))
        return from_plain(Letter, answer.facts["letter"], answer.blobs)
    except ParserError as error:
        raise Unreadable(f"This email {error.reason}.") from error
    except (ValueError, TypeError, LookupError) as error:
        raise Unreadable("This email cannot be read: the parser failed.") from error


def answer(raw: bytes) -> Answer:
    """Parse a mail. This function runs in the parser process."""
    try:
        letter = read_here(raw)
    except Unreadable as error:
        return Answer({"unreadable": str(error)})
    blobs: list[bytes] = []
    return Answer({"letter": to_plain(letter, blobs)}, blobs)
