"""Calls, letters, cards, survey answers, events: straight into the CRM, routed like the rest."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import Entry, Recorded, record
from crm.models import Attachment, Contact, Interaction, Profile, User
from listening.topic_hits import current_matcher, keep_offline_matches, topic_names
from routing.facts import Origin, facts
from routing.intake import Arrival, take_in
from routing.models import Case, CaseConversation
from scrm.channels.base import Author
from scrm.channels.email.people import readable

SCOPE = "offline"


class LoggedAlready(Exception):
    """This form was logged before, with other words: nothing was recorded now."""

    def __init__(self, case: Case) -> None:
        super().__init__(str(case))
        self.case = case


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """What somebody wrote down. form: the form's UUID, so that one click is one touchpoint.

    kind: one of `routing.rules.KINDS`. profile or contact: who it was, if we know them; else
    phone, mail and name make a stranger. said_at: aware, when it was said, None for now.
    """

    form: uuid.UUID
    kind: str
    text: str
    name: str = ""
    phone: str = ""
    profile: Profile | None = None
    case: Case | None = None
    said_at: datetime | None = None
    mail: str = ""
    title: str = ""
    contact: Contact | None = None


@transaction.atomic
def log(
    touchpoint: Touchpoint,
    *,
    by: User,
    scans: Iterable[Attachment] = (),
    now: datetime | None = None,
) -> Case:
    """Record and route it → its case. The same form again gives the first case back.

    scans: what came with it, stored or not; those that are there already are passed over.
    Raises LoggedAlready.
    """
    logged = log_all([touchpoint], by=by, now=now)
    case = Case.objects.get(pk=logged.cases[touchpoint.form])
    if not logged.new and not _recorded(touchpoint).filter(text=_text(touchpoint)).exists():
        raise LoggedAlready(case)
    _attach(scans, _recorded(touchpoint).get())
    return case


def _recorded(touchpoint: Touchpoint) -> QuerySet[Interaction]:
    return Interaction.objects.filter(scope=SCOPE, key=str(touchpoint.form))


def _attach(scans: Iterable[Attachment], said: Interaction) -> None:
    there = set(said.attachments.values_list("name", "size"))
    for scan in scans:
        if (scan.name, scan.size) not in there:
            scan.interaction = said
            scan.save(force_update=scan.pk is not None)  # it may be swept away at this moment


@dataclass(frozen=True, slots=True)
class Logged:
    """Form → its case, for all; form → its interaction, for what was not there before."""

    cases: dict[uuid.UUID, int]
    new: dict[uuid.UUID, int]


@transaction.atomic
def log_all(touchpoints: Sequence[Touchpoint], *, by: User, now: datetime | None = None) -> Logged:
    """Record and route them. Statements are constant in their number, unless contacts are named."""
    now = now or timezone.now()
    matcher = current_matcher()
    entries = [_entry(touchpoint, by) for touchpoint in touchpoints]
    found = [matcher.match(entry.title, entry.text) for entry in entries]
    rows = record(entries, now=now)
    hits = {row.interaction: each for row, each in zip(rows, found, strict=True) if row.new}
    keep_offline_matches(hits)
    topics = topic_names(hits)
    logged = list(zip(touchpoints, entries, rows, strict=True))
    arrivals = [
        _arrival(touchpoint, entry, row, topics[row.interaction], by, now)
        for touchpoint, entry, row in logged
        if row.new
    ]
    placed = take_in(arrivals, now=now)
    before = _cases_of(row.conversation for row in rows if not row.new)
    return Logged(
        cases={
            touchpoint.form: placed.get(row.interaction) or before[row.conversation]
            for touchpoint, _said, row in logged
        },
        new={touchpoint.form: row.interaction for touchpoint, _said, row in logged if row.new},
    )


def _cases_of(conversations: Iterable[int]) -> dict[int, int]:
    links = CaseConversation.objects.filter(conversation__in=list(conversations), ended_at=None)
    return dict(links.values_list("conversation_id", "case_id"))


def _entry(touchpoint: Touchpoint, by: User) -> Entry:
    return Entry(
        scope=SCOPE,
        key=str(touchpoint.form),
        author=_author(touchpoint),
        channel="manual",
        kind=touchpoint.kind,
        visibility="private",
        title=touchpoint.title,
        text=_text(touchpoint),
        occurred_at=touchpoint.said_at,
        staff=by.pk,
    )


def _author(touchpoint: Touchpoint) -> Author:
    """Whom we know keeps their profile; a number or an address is a profile; any other stranger
    is their own, and a contact whom we know by name alone stays one."""
    known, contact = touchpoint.profile, touchpoint.contact
    name = touchpoint.name or (contact.name if contact else "")
    if known:
        return Author(known.network, known.key, known.handle, known.name, known.url, known.reach)
    if touchpoint.phone and (touchpoint.kind == "call" or not touchpoint.mail):
        return Author("phone", touchpoint.phone, handle=touchpoint.phone, name=name)
    if touchpoint.mail:
        return Author("email", touchpoint.mail, handle=readable(touchpoint.mail), name=name)
    if contact:
        return Author(SCOPE, f"contact-{contact.uuid}", name=name)
    return Author(SCOPE, str(touchpoint.form), name=name or _("Unknown"))


def _text(touchpoint: Touchpoint) -> str:
    """With what was written down about them that their profile does not hold."""
    author = _author(touchpoint)
    held = {author.key, author.name, author.handle}
    also = [
        f"{label}: {fact}"
        for label, fact in (
            (_("Name"), touchpoint.name),
            (_("Phone"), touchpoint.phone),
            (_("Mail"), touchpoint.mail),
        )
        if fact and fact not in held
    ]
    return "\n\n".join([touchpoint.text, *(["\n".join(also)] if also else [])])


def _arrival(
    touchpoint: Touchpoint,
    entry: Entry,
    row: Recorded,
    topics: frozenset[str],
    by: User,
    now: datetime,
) -> Arrival:
    contact, kind = row.contact, row.contact_kind
    named = touchpoint.contact
    if named and contact is None:
        profile = Profile.objects.get(pk=row.profile or 0)
        profile.link_to(named, by=by, evidence=_("Named when this was written down."), now=now)
        contact, kind = named.pk, named.kind
    handle = entry.author.handle if entry.author else ""
    return Arrival(
        interaction=row.interaction,
        conversation=row.conversation,
        profile=row.profile or 0,
        contact=contact,
        said_at=min(touchpoint.said_at or now, now),
        facts=facts(
            entry,
            Origin.offline(SCOPE, handle),
            topics=topics,
            contact_kind=kind if contact else None,
        ),
        case=touchpoint.case.pk if touchpoint.case else None,
        by=by.pk,
    )
