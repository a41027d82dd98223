"""What the business rules found in a text, with the words to which each reason refers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Account
from listening.highlight import around
from responses.models import Response
from responses.models.approval import request_of
from responses.release import verdict_on
from responses.rules.judge import Reason

MAX_QUOTED = 5


@dataclass(frozen=True, slots=True)
class Spoken:
    """The reason that one rule gives for its verdict on a text, prepared for pages.

    `fate` says what happens to the text because of the rule. `quotes` are the words to which the
    reason refers. They are highlighted, and each has some context.
    """

    reason: Reason
    fate: str
    quotes: list[SafeString]


def spoken(response: Response, accounts: list[Account]) -> list[Spoken]:
    """Apply the rules to a text that is not stored yet; return the findings.

    The finding of the strictest rule is first.
    """
    verdict = verdict_on(response, accounts=accounts, now=timezone.now())
    return _shown(response, verdict.reasons, is_preview=True)


def said_of(response: Response) -> list[Spoken]:
    """Return the findings that were stored when the response was sent or held."""
    return _shown(response, [_reason(stored) for stored in response.verdict])


def held_for(response: Response) -> str:
    """Return a message that names the roles that must approve a held response."""
    return _("Held for approval by %s") % _SIGNERS[tuple(request_of(response).steps) or ("lead",)]


def _shown(response: Response, reasons: Iterable[Reason], is_preview: bool = False) -> list[Spoken]:
    text = f"{response.subject}\n{response.text}" if response.subject else response.text
    return [
        Spoken(
            reason,
            _outcome_label(reason, is_preview),
            [around(text, start, end) for start, end in reason.spans[:MAX_QUOTED]],
        )
        for reason in reasons
        if reason.verdict != "allow"
    ]


def _outcome_label(reason: Reason, is_preview: bool) -> str:
    if reason.verdict == "hold":
        approvers = _SIGNERS[reason.steps or ("lead",)]
        return (
            _("Will be held for approval by %s") if is_preview else _("Held for approval by %s")
        ) % approvers
    return str(_FATES[reason.verdict])


_SIGNERS = {
    ("lead",): __("a team lead"),
    ("supervisor",): __("a supervisor"),
    ("lead", "supervisor"): __("a team lead, then a supervisor"),
}
_FATES = {
    "review": __("Review after sending"),
    "require": __("Required wording missing"),
    "move": __("Require another channel"),
    "refuse": __("Refused"),
}


def _reason(stored: dict[str, Any]) -> Reason:
    # In JSON, the tuples of a Reason are lists.
    steps, spans = tuple(stored.get("steps", ())), tuple(map(tuple, stored.get("spans", ())))
    return Reason(**(stored | {"steps": steps, "spans": spans}))
