"""Log offline contacts: calls, letters, comment cards, survey answers, events.

Offline contacts are recorded in the ledger. They are routed by the same rules as mentions.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.interaction_details import NO_ANSWER, REACHED, CallDetails
from crm.ledger import Entry, Recorded, record
from crm.models import Attachment, Contact, Interaction, Profile, User
from listening.topic_hits import FoundTopic, current_matcher, found_topics, keep_interaction_matches
from routing.answering import count_as_answered
from routing.call_back import close_call_back
from routing.facts import Origin, facts
from routing.intake import Arrival, take_in
from routing.join import join_conversation
from routing.models import Case, CaseConversation, ItemDecision
from routing.unanswered import unanswered
from routing.when_written import WhenWritten
from scrm.channels.base import Author, Json
from scrm.channels.email.people import readable
from scrm.text.phone import international

SCOPE = "offline"


class LoggedAlready(Exception):
    """An earlier submission of the same form was logged with a different text.

    Nothing was recorded this time.

    where: the case or the person with whom it was logged before, in words.
    """

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


@dataclass(frozen=True, slots=True)
class OfflineContact:
    """One offline contact as a user entered it.

    form: UUID of the form. If a form is submitted twice, it is logged only once.
    kind: one of the kinds in `crm.offline_kinds`.
    profile, contact: the person, if known. Otherwise phone, mail and name identify the profile.
    case: the case that the user chose. joins: False if the user refused all open cases.
    said_at: an aware time; None means the current time.
    direction: "in", or "out" if we called.
    details: the facts of a call or a letter; see `crm.interaction_details`.
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
    direction: str = "in"
    details: Json = field(default_factory=dict)
    joins: bool = True


@transaction.atomic
def log(
    offline_contact: OfflineContact,
    *,
    by: User,
    scans: Iterable[Attachment] = (),
    owes_answer: bool = False,
    now: datetime | None = None,
) -> Case:
    """Record and route an offline contact, and return its case.

    If an earlier submission of the same form was logged with the same text, the case of the earlier
    submission is returned. If the text is different, LoggedAlready is raised.

    scans: attachments, saved or not. A scan is skipped if a scan with the same name and size is
      already attached.
    owes_answer: whether we still have to answer an incoming call that reached us.
    """
    now = now or timezone.now()
    logged = log_all([offline_contact], by=by, now=now)
    case = Case.objects.get(pk=logged.cases[offline_contact.form])
    if (
        not logged.new
        and not recorded(offline_contact).filter(text=_text(offline_contact)).exists()
    ):
        raise LoggedAlready(f"#{case.pk}")
    interaction = recorded(offline_contact).get()
    _attach(scans, interaction)
    call = interaction.call
    if logged.new and call and call.outcome == REACHED and not owes_answer:
        _settle_call(case, interaction, by, now)
    return case


def _settle_call(case: Case, call: Interaction, by: User, now: datetime) -> None:
    """Record that an incoming call was answered when we took it. Other messages still wait."""
    case.lock()
    ItemDecision.objects.record(
        unanswered([case.pk]).filter(pk=call.pk), ItemDecision.Outcome.ANSWERED, case=case, by=by,
        now=now, answered_by=call.pk,
    )  # fmt: skip
    case.compare_and_set({}, first_response_at=case.first_response_at or call.sort_at)


@transaction.atomic
def log_outgoing(
    offline_contact: OfflineContact, *, by: User, now: datetime | None = None
) -> Interaction:
    """Record a call that we made. It opens no case and is not routed.

    If the offline contact names a case, the call belongs to it; and if somebody was reached, the
    case waits for their reply. Raises LoggedAlready like `log`.
    """
    now = now or timezone.now()
    row = record([_entry(offline_contact, by)], now=now)[0]
    interaction = recorded(offline_contact).select_related("profile").get()
    case = offline_contact.case
    if not row.new:
        if interaction.text != _text(offline_contact):
            raise LoggedAlready(f"#{case.pk}" if case else str(interaction.profile))
        return interaction
    _link_named(offline_contact, row, by, now)
    call = interaction.call
    if case:
        join_conversation(case, row.conversation, now=now)
        if call and call.outcome == REACHED:
            close_call_back(case, by=by, why=_("Reached."))
            count_as_answered(
                case,
                at=interaction.sort_at,
                seen=case.last_inbound_id,
                answered_by=interaction.pk,
            )
        case.tell()
    return interaction


def recorded(offline_contact: OfflineContact) -> QuerySet[Interaction]:
    return Interaction.objects.filter(scope=SCOPE, key=str(offline_contact.form))


def _attach(scans: Iterable[Attachment], interaction: Interaction) -> None:
    attached = set(interaction.attachments.values_list("name", "size"))
    for scan in scans:
        if (scan.name, scan.size) not in attached:
            scan.interaction = interaction
            # If the file cleanup has deleted a stored scan, do not insert its row again.
            scan.save(force_update=scan.pk is not None)


@dataclass(frozen=True, slots=True)
class Logged:
    """Result of `log_all`.

    cases: UUID of the form → case id, for all forms.
    new: UUID of the form → interaction id, only for forms that were not logged before.
    """

    cases: dict[uuid.UUID, int]
    new: dict[uuid.UUID, int]


@transaction.atomic
def log_all(entered: Sequence[OfflineContact], *, by: User, now: datetime | None = None) -> Logged:
    """Record and route offline contacts.

    The number of SQL statements does not depend on the number of offline contacts, with one
    exception: each profile that is newly linked to a contact needs further statements.
    """
    now = now or timezone.now()
    matcher = current_matcher()
    entries = [_entry(offline_contact, by) for offline_contact in entered]
    # Match before record(), which locks the ledger: every other writer waits for that lock.
    found = [matcher.match(entry.title, entry.text) for entry in entries]
    rows = record(entries, now=now)
    hits = {row.interaction: match for row, match in zip(rows, found, strict=True) if row.new}
    # Do this before routing: the rules are evaluated on the topics.
    keep_interaction_matches(hits)
    topics, clock = found_topics(hits), WhenWritten.load()
    logged = list(zip(entered, entries, rows, strict=True))
    arrivals = [
        _arrival(offline_contact, entry, row, topics[row.interaction], by, now, clock)
        for offline_contact, entry, row in logged
        if row.new
    ]
    placed = take_in(arrivals, now=now)
    before = _cases_of(row.conversation for row in rows if not row.new)
    return Logged(
        cases={
            offline_contact.form: placed.get(row.interaction) or before[row.conversation]
            for offline_contact, _recorded_entry, row in logged
        },
        new={
            offline_contact.form: row.interaction
            for offline_contact, _recorded_entry, row in logged
            if row.new
        },
    )


def _cases_of(conversations: Iterable[int]) -> dict[int, int]:
    """Return a dict from conversation id to the id of the conversation's current case."""
    links = CaseConversation.objects.filter(conversation__in=list(conversations), ended_at=None)
    return dict(links.values_list("conversation_id", "case_id"))


def _entry(offline_contact: OfflineContact, by: User) -> Entry:
    return Entry(
        scope=SCOPE,
        key=str(offline_contact.form),
        author=_author(offline_contact),
        channel="manual",
        kind=offline_contact.kind,
        visibility="private",
        direction=offline_contact.direction,
        title=offline_contact.title or _missed(offline_contact),
        details=offline_contact.details,
        text=_text(offline_contact),
        occurred_at=offline_contact.said_at,
        staff=by.pk,
    )


def _missed(offline_contact: OfflineContact) -> str:
    """Return the title of a missed call; "" for any other contact."""
    call = CallDetails.read(offline_contact.details)
    missed = call and call.outcome == NO_ANSWER and offline_contact.direction == "in"
    return _("Missed call") if missed else ""


def _author(offline_contact: OfflineContact) -> Author:
    """Return the author, which determines the profile that the interaction is recorded with.

    If the profile is known, it is used. Otherwise a phone number or a mail address determines the
    profile. If neither is given, a contact has one profile for all its offline contacts, and an
    unknown person gets a new profile each time.
    """
    known, contact = offline_contact.profile, offline_contact.contact
    name = offline_contact.name or (contact.name if contact else "")
    if known:
        return Author(known.network, known.key, known.handle, known.name, known.url, known.reach)
    if offline_contact.phone and (offline_contact.kind == "call" or not offline_contact.mail):
        handle = international(offline_contact.phone)
        return Author("phone", offline_contact.phone, handle=handle, name=name)
    if offline_contact.mail:
        return Author(
            "email", offline_contact.mail, handle=readable(offline_contact.mail), name=name
        )
    if contact:
        return Author(SCOPE, f"contact-{contact.uuid}", name=name)
    return Author(SCOPE, str(offline_contact.form), name=name or _("Unknown"))


def _text(offline_contact: OfflineContact) -> str:
    """Return the text, followed by the name, phone number and mail address.

    The name, number or address is left out if the author's profile already contains it.
    """
    author = _author(offline_contact)
    known = {author.key, author.name, author.handle}
    also = [
        f"{label}: {fact}"
        for label, fact in (
            (_("Name"), offline_contact.name),
            (_("Phone"), "" if "call" in offline_contact.details else offline_contact.phone),
            (_("Mail"), offline_contact.mail),
        )
        if fact and fact not in known
    ]
    return "\n\n".join(filter(None, [offline_contact.text, "\n".join(also)]))


def _link_named(
    offline_contact: OfflineContact, row: Recorded, by: User, now: datetime
) -> Contact | None:
    """Link the profile to the contact that the user chose, if it is linked to no contact.

    Returns the contact if the profile was linked now.
    """
    named = offline_contact.contact
    if named is None or row.contact is not None:
        return None
    profile = Profile.objects.get(pk=row.profile or 0)
    profile.link_to(named, by=by, evidence=_("Chosen when an interaction was logged."), now=now)
    return named


def _arrival(
    offline_contact: OfflineContact,
    entry: Entry,
    row: Recorded,
    topics: tuple[FoundTopic, ...],
    by: User,
    now: datetime,
    clock: WhenWritten,
) -> Arrival:
    """Return the arrival for routing."""
    contact, kind = row.contact, row.contact_kind
    if named := _link_named(offline_contact, row, by, now):
        contact, kind = named.pk, named.kind
    handle = entry.author.handle if entry.author else ""
    said_at = min(offline_contact.said_at or now, now)
    return Arrival(
        interaction=row.interaction,
        conversation=row.conversation,
        profile=row.profile or 0,
        contact=contact,
        said_at=said_at,
        facts=facts(
            entry,
            Origin.offline(SCOPE, handle),
            topics=topics,
            contact_kind=kind if contact else None,
            written=clock.at(said_at),
        ),
        topics=topics,
        case=offline_contact.case.pk if offline_contact.case else None,
        by=by.pk,
        joins=offline_contact.joins,
    )
