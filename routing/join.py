"""Join conversations and late messages to a case that exists already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from crm.models import Conversation, Interaction, Notice
from routing.models.case import Case, CaseConversation, restrict
from routing.models.case_event import CaseEvent
from routing.models.status import Status


def join_conversation(case: Case, conversation: int, *, now: datetime) -> None:
    """Give the case a conversation that belongs to no case yet."""
    CaseConversation.objects.get_or_create(
        conversation_id=conversation, ended_at=None, defaults={"case": case, "since": now}
    )
    restrict(Conversation.objects.filter(pk=conversation))


@transaction.atomic
def join_message(case: Case, interaction: Interaction, *, now: datetime, why: str) -> None:
    """Add a message that turns out to belong to this case; reopen the case if it rests."""
    case.lock()
    join_conversation(case, interaction.conversation_id, now=now)
    values: dict[str, Any] = {}
    if case.last_inbound_id is None or case.last_inbound_id < interaction.pk:
        values = {"last_inbound_id": interaction.pk, "last_inbound_at": interaction.sort_at}
    rests = case.status in {Status.WAITING, Status.SNOOZED, Status.DONE}
    if rests:
        values |= {"status": Status.OPEN, "done_at": None, "snoozed_until": None}
    if values:
        case.compare_and_set({}, **values)
    if rests and case.assignee_id:
        about = case.as_subject
        Notice.give([case.assignee_id], Notice.Kind.REOPENED, about=about, now=now)
    kind = CaseEvent.Kind.REOPENED if rests else CaseEvent.Kind.HEARD
    case.log(kind, by=None, why=why, now=now, interaction=interaction)
