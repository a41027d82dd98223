"""Calls, letters, survey answers, comment cards: straight into the CRM, routed like the rest."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm.models import Profile, User
from crm.record import Entry, record
from routing.arrivals import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm.channels.base import Author

SCOPE = "offline"


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """What somebody wrote down. form: the form's UUID, so that one click is one touchpoint.

    kind: one of `routing.rules.KINDS`. profile: who it was, if we know them; else name and
    phone make a stranger. said_at: aware, when it was said, None for now.
    """

    form: uuid.UUID
    kind: str
    text: str
    name: str = ""
    phone: str = ""
    profile: Profile | None = None
    case: Case | None = None
    said_at: datetime | None = None


@transaction.atomic
def log(touchpoint: Touchpoint, *, by: User, now: datetime | None = None) -> Case:
    """Record and route it → its case. The same form again gives the first case back."""
    now = now or timezone.now()
    row = record([_entry(touchpoint, by)], now=now)[0]
    if not row.new:
        return Case.objects.get(
            conversation_links__conversation=row.conversation,
            conversation_links__ended_at=None,
        )
    arrival = Arrival(
        interaction=row.interaction,
        conversation=row.conversation,
        profile=row.profile or 0,
        contact=row.contact,
        said_at=min(touchpoint.said_at or now, now),
        facts=_facts(touchpoint, row.contact is not None, row.contact_kind),
        case=touchpoint.case.pk if touchpoint.case else None,
        by=by.pk,
    )
    return Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])


def _entry(touchpoint: Touchpoint, by: User) -> Entry:
    return Entry(
        scope=SCOPE,
        key=str(touchpoint.form),
        author=_author(touchpoint),
        channel="manual",
        kind=touchpoint.kind,
        visibility="private",
        text=touchpoint.text,
        occurred_at=touchpoint.said_at,
        staff=by.pk,
    )


def _author(touchpoint: Touchpoint) -> Author:
    """Whom we know keeps their profile; a number is a profile; any other stranger is their own."""
    known = touchpoint.profile
    if known:
        return Author(known.network, known.key, known.handle, known.name, known.url, known.reach)
    digits = "".join(c for c in touchpoint.phone if c.isdigit() or c == "+")
    if digits:
        return Author("phone", digits, handle=digits, name=touchpoint.name)
    return Author(SCOPE, str(touchpoint.form), name=touchpoint.name or "Unknown")


def _facts(touchpoint: Touchpoint, known: bool, contact_kind: str) -> Facts:
    return Facts(
        channel="manual",
        network=SCOPE,
        stance="offline",
        kind=touchpoint.kind,
        visibility="private",
        known=known,
        contact_kind=contact_kind,
        handle=touchpoint.phone,
        text=touchpoint.text,
    )
