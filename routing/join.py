"""Add a conversation or a late message to an existing case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from crm.models import Conversation, Interaction, User
from routing import pending_thanks
from routing.due_times import recompute
from routing.intake_notices import tell
from routing.models.case import Case
from routing.models.case_conversation import CaseConversation, restrict
from routing.models.case_event import CaseEvent
from routing.models.status import Status
from routing.party import party
from routing.thanks_detection import is_thanks


def join_conversation(case: Case, conversation: int, *, now: datetime) -> None:
    """Add the conversation to the case, unless the conversation already belongs to a case.

    If the case was merged, the conversation is added to the case that took it over.
    """
    case = case.survivor
    CaseConversation.objects.get_or_create(
        conversation_id=conversation, ended_at=None, defaults={"case": case, "since": now}
    )
    restrict(Conversation.objects.filter(pk=conversation))


@transaction.atomic
def join_message(case: Case, interaction: Interaction, *, now: datetime, why: str) -> None:
    """Add a message to the case; reopen the case if it is waiting, snoozed or done.

    A message that only says thanks reopens nothing. If the assignee may no longer work on the
    case, any other message unassigns it: colleagues must find it.
    A public message of another person is left where it is: a bystander does not change the case.

    why: the reason, which the case's history shows.
    """
    case = case.survivor
    profile = interaction.profile_id
    is_bystander = interaction.visibility == "public" and profile != case.profile_id
    if is_bystander and not party(case).filter(pk=profile or 0).exists():
        return  # intake has routed the message: it has a case of its own, or needs none
    # Lock before reading the status, which decides whether the case is reopened.
    case.lock()
    join_conversation(case, interaction.conversation_id, now=now)
    values: dict[str, Any] = {}
    if case.last_inbound_id is None or case.last_inbound_id < interaction.pk:
        values = {"last_inbound_id": interaction.pk, "last_inbound_at": interaction.sort_at}
    thanks = case.status != Status.NOISE and is_thanks(
        interaction.text, title=interaction.title, has_files=interaction.attachments.exists()
    )
    if thanks:
        pending_thanks.record(case, interaction, now=now)
    reopens = not thanks and case.status in {Status.WAITING, Status.SNOOZED, Status.DONE}
    if reopens:
        values |= {"status": Status.OPEN, "done_at": None, "snoozed_until": None}
    if case.assignee and not thanks and not _may_work(case.assignee, case):
        values["assignee_id"] = None
    if values:
        case.compare_and_set({}, **values)
    # Also if the case stays open: its conversation is new here, and may hold older messages.
    recompute([case.pk], now=now)
    case.refresh_from_db()
    if not thanks:
        tell([case] if reopens else [], [case], [case], {})
    kind = CaseEvent.Kind.REOPENED if reopens else CaseEvent.Kind.HEARD
    case.log(kind, by=None, why=why, now=now, interaction=interaction)


def _may_work(user: User, case: Case) -> bool:
    return user.is_active and Case.objects.workable_by(user).filter(pk=case.pk).exists()
