"""Link answers to the responses that they answer.

This is done when the answer arrives. It is done again when a delivery is confirmed, because the
answer may arrive before the confirmation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db import models, transaction
from django.db.models import Q

from crm.ledger import lock_workspace
from crm.models import Interaction
from listening.models import Mention
from responses.models import Delivery, Feedback
from responses.models.delivery_state import LEFT, DeliveryState
from responses.outcome_guess import propose
from routing.join import join_message
from scrm.bus.nudge import nudge
from scrm.channels.base import AUTOMATIC
from scrm.db.locks import update_in_order

UNRESOLVED_FOR = timedelta(hours=48)
"""`relink` looks only at answers and deliveries that are newer than this."""
SILENT_AFTER = timedelta(days=7)
"""How long a delivery waits for an answer before it counts as unanswered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The facts about an inbound interaction that decide which response it answers."""

    interaction: int
    conversation: int
    scope: str
    in_reply_to: str
    visibility: str
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The delivery that an interaction answers, with its response, department, case and issue."""

    delivery: int
    response: int
    department: int
    case: int | None
    issue: int | None
    macro: bool
    sent_at: datetime


def answered(heard: Iterable[Heard]) -> dict[int, Answered]:
    """Return interaction id → the delivery that the interaction answers.

    The interaction may contain the key of the message to which it replies. The delivery of that
    message is then the result. If there is no such delivery and the interaction is private, the
    result is our last delivery in the same conversation that was sent before the interaction.
    Interactions that answer nothing are left out. This takes one query.
    """
    heard = list(heard)
    keys = {message.in_reply_to for message in heard} - {""}
    private = {message.conversation for message in heard if message.visibility == "private"}
    sent = Delivery.objects.filter(state__in=LEFT).filter(
        Q(scope__in={message.scope for message in heard}, sent_key__in=keys)
        | Q(interaction__conversation__in=private)
    )
    by_key: dict[tuple[str, str], Answered] = {}
    by_thread: defaultdict[int, list[Answered]] = defaultdict(list)
    for row in sent.select_related("response", "interaction").order_by("-sent_at"):
        answer = Answered(
            delivery=row.pk,
            response=row.response_id,
            department=row.response.department_id,
            case=row.response.case_id,
            issue=row.response.issue_id,
            macro=row.response.is_macro,
            sent_at=cast("datetime", row.sent_at),  # set when it was marked as sent
        )
        by_key[row.scope, row.sent_key] = answer
        if row.interaction:
            by_thread[row.interaction.conversation_id].append(answer)
    found = {message.interaction: _answer(message, by_key, by_thread) for message in heard}
    return {interaction: answer for interaction, answer in found.items() if answer}


def _answer(
    heard: Heard,
    by_key: dict[tuple[str, str], Answered],
    by_thread: dict[int, list[Answered]],
) -> Answered | None:
    by_reply = by_key.get((heard.scope, heard.in_reply_to)) if heard.in_reply_to else None
    if by_reply or heard.visibility == "public":
        return by_reply
    # The list is newest first, so this is the last text that we sent before the answer.
    sent = by_thread.get(heard.conversation, ())
    return next((answer for answer in sent if answer.sent_at <= heard.said_at), None)


def link(answers: dict[int, Answered], *, now: datetime) -> None:
    """Store the feedback for these answers.

    Interactions that already have feedback are not changed.
    """
    if not answers:
        return
    texts = dict(Interaction.objects.filter(pk__in=answers).values_list("pk", "text"))
    Feedback.objects.bulk_create(
        [
            _feedback(interaction, texts[interaction], answer.response, answer.delivery, now)
            for interaction, answer in sorted(answers.items())
        ],
        ignore_conflicts=True,
    )
    _clear_answer_deadline(answer.delivery for answer in answers.values())


def _feedback(interaction: int, text: str, response: int, delivery: int, now: datetime) -> Feedback:
    """Return an unsaved feedback with a proposed outcome, which a user can confirm or change."""
    proposal = propose(text)
    return Feedback(
        interaction_id=interaction,
        response_id=response,
        delivery_id=delivery,
        proposed=proposal.outcome,
        proposed_why=proposal.why,
        at=now,
    )


def adopt(delivery: Delivery, *, now: datetime) -> None:
    """Link the answers that arrived before the delivery was stored as sent.

    The caller must have locked the ledger. Some mentions were not recorded when they were
    processed. If they answer this delivery, they are processed again.
    """
    _set_answer_deadline(delivery, now=now)
    place = {"scope": delivery.scope, "in_reply_to": delivery.sent_key}
    _take_in(delivery, Interaction.objects.filter(**place), now=now)
    unrecorded = Mention.objects.filter(**place, interaction=None, backlog=False)
    if update_in_order(unrecorded.exclude(processed_at=None), processed_at=None, attempt=0):
        nudge("scrm.pipeline.process")


def relink(*, now: datetime) -> None:
    """Link recent interactions without feedback to the texts of ours to which they reply."""
    since = now - UNRESOLVED_FOR
    orphans = Interaction.objects.filter(
        ~Q(in_reply_to=""), recorded_at__gte=since, direction="in", revises=None, feedback=None
    ).exclude(kind=AUTOMATIC)
    answered = Delivery.objects.filter(
        state__in=LEFT, sent_at__gte=since, sent_key__in=orphans.values("in_reply_to")
    )
    # Each delivery has a short transaction of its own, because the lock stops all other writers of
    # the ledger.
    for delivery in answered.select_related("response__case"):
        with transaction.atomic():
            lock_workspace()
            place = {"scope": delivery.scope, "in_reply_to": delivery.sent_key}
            _take_in(delivery, orphans.filter(**place), now=now)


def _take_in(delivery: Delivery, heard: models.QuerySet[Interaction], *, now: datetime) -> None:
    found = list(heard.filter(direction="in", revises=None, feedback=None).exclude(kind=AUTOMATIC))
    if not found:
        return
    # The delivery is locked before the feedback is stored, because the delivery and its case are
    # changed below.
    Delivery.objects.filter(pk=delivery.pk).lock()
    Feedback.objects.bulk_create(
        _feedback(row.pk, row.text, delivery.response_id, delivery.pk, now) for row in found
    )
    _clear_answer_deadline([delivery.pk])
    case = delivery.response.case
    if case and not delivery.response.is_macro:
        for row in found:
            join_message(
                case, row, now=now, why="The answer came before the delivery was confirmed."
            )


def _set_answer_deadline(delivery: Delivery, *, now: datetime) -> None:
    """Set the time until which scrm waits for an answer, if the channel can receive answers."""
    if delivery.account.channel.listener:
        Delivery.objects.filter(pk=delivery.pk).update(answer_due_at=now + SILENT_AFTER)


def fall_silent(*, now: datetime) -> int:
    """Mark deliveries as unanswered if their deadline has passed without an answer.

    Returns the number of deliveries that were marked.
    """
    due = Delivery.objects.filter(state=DeliveryState.SENT, answer_due_at__lte=now)
    silent = due.filter(feedback=None).values("pk")
    # Filter by the deadline again, because an answer that arrives meanwhile clears the deadline.
    mine = Delivery.objects.filter(pk__in=silent, answer_due_at__lte=now)
    return update_in_order(mine, answer_due_at=None, silent_at=now)


def _clear_answer_deadline(deliveries: Iterable[int]) -> None:
    """Remove the deadline and the mark “unanswered” from deliveries that were answered."""
    answered = Delivery.objects.filter(pk__in=set(deliveries))
    waiting = answered.exclude(answer_due_at=None, silent_at=None)
    update_in_order(waiting, answer_due_at=None, silent_at=None)
