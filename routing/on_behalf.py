"""Make the author of a mail that a colleague passed on the customer of the case."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import Entry, lock_workspace, record
from crm.models import Interaction, User
from listening.topic_hits import current_matcher, found_topics, keep_offline_matches
from routing.facts import Origin, facts
from routing.intake import Arrival, take_in
from routing.models import Case, CaseEvent, ItemDecision
from routing.models.status import Stale
from routing.rules import STANCES
from routing.unanswered import unanswered
from routing.when_written import WhenWritten
from scrm.channels.base import Author
from scrm.channels.email.people import readable


def can_be_answered(item: Interaction) -> bool:
    """Return whether a colleague passed on a mail whose author can become the customer.

    A colleague is somebody who writes from the domain of the mailbox. The mail that anybody else
    passes on is only shown: its author may be invented.
    """
    mail, account = item.mail, item.account
    if item.is_ours or account is None or not mail.passed_on or mail.doubt or item.other_address:
        return False
    sender = item.profile.key if item.profile else ""
    return sender.rpartition("@")[2] == account.address.rpartition("@")[2].lower()


@transaction.atomic
def answer_author(
    case: Case, item: Interaction, *, by: User, now: datetime | None = None
) -> Interaction:
    """Record the mail that `item` passes on as a message of its author, in the same case.

    The author becomes the customer of the case, unless the case already has another customer than
    the colleague. The colleague's mail needs no answer. A second call changes nothing. Raises Stale
    with a message for the user if the item is not in the case or passes nothing on.
    """
    now = now or timezone.now()
    entry = _entry(item, by)
    found = current_matcher().match(entry.title, entry.text)  # before the lock of the ledger
    lock_workspace()
    Case.objects.filter(pk=case.pk).lock()
    case.refresh_from_db()
    case.check_not_merged()
    if not case.conversations.filter(pk=item.conversation_id).exists() or not can_be_answered(item):
        raise Stale(_("The message was moved to another case. Nothing was changed."))
    row = record([entry], now=now)[0]
    said = Interaction.objects.select_related("profile").get(pk=row.interaction)
    if not row.new:
        return said
    hits = {row.interaction: found}
    keep_offline_matches(hits)
    topics = found_topics(hits)[row.interaction]
    author = entry.author
    origin = Origin(author.network, author.handle, STANCES[0]) if author else Origin.offline("", "")
    arrival = Arrival(
        interaction=row.interaction,
        conversation=row.conversation,
        profile=row.profile or 0,
        contact=row.contact,
        said_at=said.sort_at,
        facts=facts(
            entry, origin, topics=topics,
            contact_kind=row.contact_kind if row.contact else None,
            written=WhenWritten.load().at(said.sort_at),
        ),
        topics=topics,
        case=case.pk,
        by=by.pk,
    )  # fmt: skip
    take_in([arrival], now=now)
    _make_customer(case, item, said, by, now)
    return said


def _entry(item: Interaction, by: User) -> Entry:
    mail = item.mail.passed_on
    address = mail.get("address", "")
    return Entry(
        scope=item.scope,
        key=f"{item.key}~passed-on",
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


def _make_customer(
    case: Case, item: Interaction, said: Interaction, by: User, now: datetime
) -> None:
    case.refresh_from_db()
    ItemDecision.objects.record(
        unanswered([case.pk]).filter(pk=item.pk), ItemDecision.Outcome.NO_REPLY, case=case, by=by,
        now=now, why=_("The mail that it passes on is answered instead."),
    )  # fmt: skip
    if case.profile_id == item.profile_id:
        case.compare_and_set({"profile": item.profile_id}, profile=said.profile_id)
    why = _("%(person)s is the customer: %(colleague)s passed on their mail.")
    words = why % {"person": said.profile, "colleague": item.profile}
    case.log(CaseEvent.Kind.DECIDED, by=by, why=words, now=now, interaction=said)
