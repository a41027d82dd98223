"""What a mail, a call or a letter has besides its text; stored in `Interaction.details`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Self

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from scrm.channels.missing_file import MissingFiles
from scrm.text.phone import international

REACHED, NO_ANSWER, CALL_BACK = "reached", "no answer", "call back"
OUTCOMES: dict[str, Promise] = {
    REACHED: __("Reached"),
    NO_ANSWER: __("No answer"),
    "left a message": __("Left a message"),
    "wrong number": __("Wrong number"),
    CALL_BACK: __("Call back later"),
}
"""The outcomes of a call. An incoming call without answer is a missed call."""


@dataclass(frozen=True, slots=True)
class CallDetails:
    """The facts of a call. Its direction and its start are columns of the interaction.

    number: the number of the other party in E.164, or "" if it is not known.
    outcome: a key of OUTCOMES, or "".
    seconds: the duration, or None if it is not known.
    recording: the web address of the recording, or "".
    agent: the login address of the colleague, as a call system sent it, or "".
    """

    number: str = ""
    outcome: str = ""
    seconds: int | None = None
    recording: str = ""
    agent: str = ""

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Self | None:
        return cls(**details["call"]) if "call" in details else None

    def stored(self) -> dict[str, Any]:
        return {"call": _known(self)}

    @property
    def number_shown(self) -> str:
        return international(self.number)

    @property
    def outcome_label(self) -> str:
        return str(OUTCOMES.get(self.outcome, self.outcome))

    @property
    def duration(self) -> str:
        """Return the duration in words, for example "5 min 12 s"; "" if it is not known."""
        if self.seconds is None:
            return ""
        minutes, seconds = divmod(self.seconds, 60)
        if not minutes:
            return _("%d s") % seconds
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}


@dataclass(frozen=True, slots=True)
class LetterDetails:
    """The facts of a letter.

    address: the postal address of the other party, or "".
    written_on, received_on: dates in ISO format, or "" if they are not known.
    reference: our reference on the letter, or "".
    """

    address: str = ""
    written_on: str = ""
    received_on: str = ""
    reference: str = ""

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Self | None:
        return cls(**details["letter"]) if "letter" in details else None

    def stored(self) -> dict[str, Any]:
        return {"letter": _known(self)}

    @property
    def written(self) -> date | None:
        return date.fromisoformat(self.written_on) if self.written_on else None

    @property
    def received(self) -> date | None:
        return date.fromisoformat(self.received_on) if self.received_on else None


@dataclass(frozen=True, slots=True)
class MailDetails:
    """The facts of a mail.

    to, cc: the recipients, as pairs of address and name.
    recipient_address: our address that received the mail; it may be an alias.
    folded: the start and the end of each passage of the text that quotes another mail, in code
      points. It is only shown folded: topics, rules and the search read the whole text.
    unverified: why the sender is not verified: "dmarc" if the mail fails DMARC, "list" if only a
      list or service of another domain names the author, "form" if a contact form does; "" if the
      sender counts as verified.
    via: the address of this list, service or form, or "".
    forwarded_mail: the forwarded mail in this mail: its sender's address and name, its title and
      text. It is empty if there is none.
    missing_files: the files that were not fetched, because the mail was too large.
    """

    to: tuple[tuple[str, str], ...] = ()
    cc: tuple[tuple[str, str], ...] = ()
    recipient_address: str = ""
    folded: tuple[tuple[int, int], ...] = ()
    unverified: str = ""
    via: str = ""
    forwarded_mail: Mapping[str, str] = field(default_factory=dict)
    missing_files: MissingFiles = field(default_factory=MissingFiles)

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Self:
        facts = details.get("mail", {})
        return cls(
            to=_pairs(facts.get("to", ())),
            cc=_pairs(facts.get("cc", ())),
            recipient_address=facts.get("recipient_address", ""),
            folded=_pairs(facts.get("folded", ())),
            unverified=facts.get("unverified", ""),
            via=facts.get("via", ""),
            forwarded_mail=facts.get("forwarded_mail", {}),
            missing_files=MissingFiles.read(facts.get("missing_files", {})),
        )

    @property
    def is_bcc(self) -> bool:
        """Whether neither To nor Cc names our address."""
        return self.recipient_address not in {address for address, _name in (*self.to, *self.cc)}


def _pairs(stored: Iterable[Sequence[Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in stored)


def _known(facts: CallDetails | LetterDetails) -> dict[str, Any]:
    return {name: value for name, value in asdict(facts).items() if value not in ("", None)}
