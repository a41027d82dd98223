"""Make the sender of a forwarded mail the customer of the case, and undo that."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import Entry, Recorded, lock_workspace, record
from crm.models import Account, Conversation, Interaction, User
from listening.matching import Hit
from listening.topic_hits import current_matcher, found_topics, keep_interaction_matches
from routing import above
from routing.due_times import recompute
from routing.facts import Origin, facts
from routing.intake import Arrival, take_in
from routing.models import Case, CaseEvent, ItemDecision
from routing.models.status import LIVING, Stale
from routing.rules import STANCES
from routing.unanswered import unanswered
from routing.when_written import WhenWritten
from scrm.channels.base import Author
from scrm.channels.email.people import readable


def has_forwarded_sender(item: Interaction, case: Case) -> bool:
    """Return whether a colleague forwarded a mail whose sender can become the customer.

    The case must be open, and the colleague must be its customer. Mail that somebody else forwards
    is not trusted; see `scrm.channels.email.item`. One of our mailboxes is no customer.
    """
    is_plain = not (item.is_ours or item.mail.unverified or item.other_address)
    is_customer = case.profile_id == item.profile_id and case.status in LIVING
    if not (is_plain and is_customer and item.mail.forwarded_mail):
        return False
    return not Account.objects.filter(
        kind="email", address=item.mail.forwarded_mail.get("address", "")
    ).exists()


@transaction.atomic
def make_customer(
    case: Case, item: Interaction, *, by: User, now: datetime | None = None
) -> Interaction:
    """Record the forwarded mail in `item` as a message from its sender, in the same case.

    The sender becomes the customer of the case, and the colleague's mail needs no answer. A second
    call changes nothing; after an undo, the recorded message is used again. Raises Stale with a
    message for the user if the item is not in the case, if it forwards nothing, or if the case is
    closed or has another customer.
    """
    now = now or timezone.now()
    entry = _entry(item, by)
    found = current_matcher().match(entry.title, entry.text)  # before the lock of the ledger
    lock_workspace()
    case.refresh_from_db()
    case.check_not_merged()
    earlier = Interaction.objects.filter(scope=entry.scope, key=entry.key).first()
    if earlier and not _undone(case, earlier):
        return earlier
    item.conversation.refresh_from_db()
    needed = {item.conversation_id, (earlier or item).conversation_id}
    is_here = case.conversations.filter(pk__in=needed).count() == len(needed)
    if not is_here or not has_forwarded_sender(item, case):
        raise Stale(_("The case has changed, or has another customer. Nothing was changed."))
    if earlier:
        case.lock()
        earlier.decisions.all().withdraw(by=by, now=now)
        _set_customer(case, item, earlier, by, now)
        return earlier
    row = record([entry], now=now)[0]
    restricted_to = item.conversation.restricted_to_id
    Conversation.objects.filter(pk=row.conversation).update(restricted_to=restricted_to)
    placed = take_in([_arrival(entry, row, found, case, by)], now=now)
    if placed.get(row.interaction) != case.pk:
        raise Stale(_("The case was closed meanwhile. Nothing was changed."))
    said = Interaction.objects.select_related("profile").get(pk=row.interaction)
    _set_customer(case, item, said, by, now)
    return said


def _arrival(entry: Entry, row: Recorded, found: list[Hit], case: Case, by: User) -> Arrival:
    keep_interaction_matches({row.interaction: found})
    topics = found_topics({row.interaction: found})[row.interaction]
    author, said_at = entry.author, entry.occurred_at or timezone.now()
    origin = Origin(author.network, author.handle, STANCES[0]) if author else Origin.offline("", "")
    return Arrival(
        interaction=row.interaction,
        conversation=row.conversation,
        profile=row.profile or 0,
        contact=row.contact,
        said_at=said_at,
        facts=facts(
            entry, origin, topics=topics,
            contact_kind=row.contact_kind if row.contact else None,
            written=WhenWritten.load().at(said_at),
        ),
        topics=topics,
        case=case.pk,
        by=by.pk,
    )  # fmt: skip


def _entry(item: Interaction, by: User) -> Entry:
    mail = item.mail.forwarded_mail
    address = mail.get("address", "")
    return Entry(
        scope=item.scope,
        key=f"forwarded-{item.uuid}",
        author=Author("email", address, handle=readable(address), name=mail.get("name", "")),
        channel=item.channel,
        kind=item.kind,
        visibility="private",
        title=mail.get("title", ""),
        text=mail.get("text", ""),
        occurred_at=item.occurred_at,
        account=item.account_id,
        staff=by.pk,
    )


def _set_customer(
    case: Case, item: Interaction, said: Interaction, by: User, now: datetime
) -> None:
    case.refresh_from_db()
    why = _("%(person)s is the customer now: %(colleague)s forwarded their mail.")
    words = why % {"person": said.profile, "colleague": item.profile}
    event = case.log(
        CaseEvent.Kind.DECIDED, by=by, why=words, now=now, interaction=said,
        forwarded={"profile": item.profile_id},
    )  # fmt: skip
    ItemDecision.objects.record(
        unanswered([case.pk]).filter(pk=item.pk), ItemDecision.Outcome.NO_REPLY, case=case, by=by,
        now=now, why=_("The forwarded mail is answered instead."), event=event,
    )  # fmt: skip
    case.compare_and_set({"profile": item.profile_id}, profile=said.profile_id)


def event_of(case: Case, said: Interaction) -> CaseEvent | None:
    """Return the last event that made the author of `said` the customer of the case."""
    events = case.events.filter(kind=CaseEvent.Kind.DECIDED, interaction=said)
    return events.filter(data__has_key="forwarded").order_by("pk").last()


def _undone(case: Case, said: Interaction) -> bool:
    event = event_of(case, said)
    return event is not None and event.undone_by.exists()


@transaction.atomic
def undo_customer(event: CaseEvent, *, by: User, now: datetime | None = None) -> Case:
    """Make the colleague who forwarded the mail the customer of the case again.

    The recorded message stays in the case and needs no answer; the colleague's mail needs one
    again. Raises Stale with a message for the user if that was undone before, if the case is closed
    or has another customer, if a reply to the person is held or waits to be sent, or if the person
    was answered or has written since.
    """
    now = now or timezone.now()
    case, said = Case.objects.get(pk=event.case_id), event.interaction
    case.lock()
    case.refresh_from_db()
    if event.undone_by.exists():
        raise Stale(_("This was already undone. Nothing was changed."))
    if said is None or case.profile_id != said.profile_id or case.status not in LIVING:
        raise Stale(_("The case has changed, or has another customer. Nothing was changed."))
    waiting = unanswered([case.pk]).filter(pk=said.pk)
    if above.has_unsent_reply(case, said.profile_id):
        raise Stale(_("A reply to this person waits to be sent. Cancel it first."))
    if not waiting.exists() or said.conversation.interactions.filter(pk__gt=said.pk).exists():
        raise Stale(_("This person was answered or has written since. Nothing was undone."))
    ItemDecision.objects.record(
        waiting, ItemDecision.Outcome.NO_REPLY, case=case, by=by, now=now,
        why=_("The mail of the colleague is answered instead."),
    )  # fmt: skip
    ItemDecision.objects.filter(event=event).withdraw(by=by, now=now)
    before = event.data["forwarded"]["profile"]
    case.compare_and_set({"profile": said.profile_id}, profile=before)
    recompute([case.pk], now=now)
    case.tell()
    why = _("%(colleague)s is the customer again.") % {"colleague": case.profile}
    case.events.create(kind=CaseEvent.Kind.UNDONE, by=by, undoes=event, at=now, why=why)
    return case
