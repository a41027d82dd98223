"""Make the sender of a forwarded mail the customer of the case."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import Entry, Recorded, lock_workspace, record
from crm.models import Conversation, Interaction, User
from listening.matching import Hit
from listening.topic_hits import current_matcher, found_topics, keep_offline_matches
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
    is not trusted; see `scrm.channels.email.item`.
    """
    is_plain = not (item.is_ours or item.mail.unverified or item.other_address)
    is_customer = case.profile_id == item.profile_id and case.status in LIVING
    return bool(is_plain and is_customer and item.mail.forwarded_mail)


@transaction.atomic
def make_customer(
    case: Case, item: Interaction, *, by: User, now: datetime | None = None
) -> Interaction:
    """Record the forwarded mail in `item` as a message from its sender, in the same case.

    The sender becomes the customer of the case, and the colleague's mail needs no answer. A second
    call changes nothing. Raises Stale with a message for the user if the item is not in the case,
    if it forwards nothing, or if the case is closed or has another customer.
    """
    now = now or timezone.now()
    entry = _entry(item, by)
    found = current_matcher().match(entry.title, entry.text)  # before the lock of the ledger
    lock_workspace()
    case.refresh_from_db()
    case.check_not_merged()
    earlier = Interaction.objects.filter(scope=entry.scope, key=entry.key).first()
    if earlier:
        return earlier
    item.conversation.refresh_from_db()
    is_here = case.conversations.filter(pk=item.conversation_id).exists()
    if not is_here or not has_forwarded_sender(item, case):
        raise Stale(_("The case has changed, or has another customer. Nothing was changed."))
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
    keep_offline_matches({row.interaction: found})
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
    ItemDecision.objects.record(
        unanswered([case.pk]).filter(pk=item.pk), ItemDecision.Outcome.NO_REPLY, case=case, by=by,
        now=now, why=_("The forwarded mail is answered instead."),
    )  # fmt: skip
    case.compare_and_set({"profile": item.profile_id}, profile=said.profile_id)
    why = _("%(person)s is the customer now: %(colleague)s forwarded their mail.")
    words = why % {"person": said.profile, "colleague": item.profile}
    case.log(CaseEvent.Kind.DECIDED, by=by, why=words, now=now, interaction=said)
