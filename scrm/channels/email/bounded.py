"""Read mails in the parser process, so that no mail can stop or take over a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scrm.channels.email.charsets import Charsets
from scrm.channels.email.parts import Unreadable, name_of_file, parse_message
from scrm.channels.email.read import Letter
from scrm.channels.email.read import read as read_here
from scrm.channels.parser_process import PARSER, Answer, ParserError
from scrm.channels.plain_data import from_plain, to_plain
from scrm.text.clean import storable

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


def file_names(heads: Sequence[bytes]) -> list[str]:
    """Return the names of the files with these headers, which are parsed in the parser process."""
    arguments = {"heads": [head.decode("latin-1") for head in heads]}
    operation = "scrm.channels.email.bounded:answer_names"
    try:
        facts = PARSER.parse(operation, b"", arguments, cpu_seconds=CPU_SECONDS).facts
        names = from_plain(_Names, facts, ()).names
    except (ParserError, ValueError, TypeError, LookupError):
        names = ()
    return [storable(name) for name in names] if len(names) == len(heads) else ["file"] * len(heads)


@dataclass(frozen=True, slots=True)
class _Names:
    names: tuple[str, ...]


def answer_names(_body: bytes, heads: Sequence[str]) -> Answer:
    """Return the names of files. This function runs in the parser process."""
    found = (parse_message(head.encode("latin-1")) for head in heads)
    return Answer({"names": [name_of_file(part, Charsets()) for part in found]})


def answer(raw: bytes) -> Answer:
    """Parse a mail. This function runs in the parser process."""
    try:
        letter = read_here(raw)
    except Unreadable as error:
        return Answer({"unreadable": str(error)})
    blobs: list[bytes] = []
    return Answer({"letter": to_plain(letter, blobs)}, blobs)
