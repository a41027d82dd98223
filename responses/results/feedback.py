"""Link answers to the responses that they answer.

This is tried when the answer arrives, and again if the delivery is confirmed only later.
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
    """Facts of an inbound interaction that are needed to find the response that it answers."""

    interaction: int
    conversation: int
    scope: str
    in_reply_to: str
    visibility: str
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The delivery that an interaction answers, with the case, issue and department."""

    delivery: int
    response: int
    department: int
    case: int | None
    issue: int | None
    macro: bool
    sent_at: datetime


def answered(heard: Iterable[Heard]) -> dict[int, Answered]:
    """Interaction id → the delivery that it answers. One query.

    A delivery is found by the key of the message to which the interaction replies. If there is
    no such key in a private conversation, it is the last text that we sent before the
    interaction.
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
    """Store the feedback. Interactions that have feedback already are not changed."""
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
    """An unsaved feedback with a proposed outcome, which a user can confirm or correct."""
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
    """Link answers that arrived before the delivery was stored as sent.

    The caller must have locked the ledger. Mentions that were not recorded when they were
    processed are processed again, because they are now known to be answers.
    """
    _set_answer_deadline(delivery, now=now)
    place = {"scope": delivery.scope, "in_reply_to": delivery.sent_key}
    _take_in(delivery, Interaction.objects.filter(**place), now=now)
    unrecorded = Mention.objects.filter(**place, interaction=None, backlog=False)
    if update_in_order(unrecorded.exclude(processed_at=None), processed_at=None, attempt=0):
        nudge("scrm.pipeline.process")


def relink(*, now: datetime) -> None:
    """Link interactions without feedback that reply to a text that we sent."""
    since = now - UNRESOLVED_FOR
    orphans = Interaction.objects.filter(
        ~Q(in_reply_to=""), recorded_at__gte=since, direction="in", feedback=None
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
    found = list(heard.filter(direction="in", feedback=None).exclude(kind=AUTOMATIC))
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
    """Set until when we wait for an answer, if the channel can receive answers."""
    if delivery.account.channel.listener:
        Delivery.objects.filter(pk=delivery.pk).update(answer_due_at=now + SILENT_AFTER)


def fall_silent(*, now: datetime) -> int:
    """Mark deliveries that have no answer at their deadline as unanswered; return how many."""
    due = Delivery.objects.filter(state=DeliveryState.SENT, answer_due_at__lte=now)
    silent = due.filter(feedback=None).values("pk")
    # Filter by the deadline again, because an answer that arrives meanwhile clears the deadline.
    mine = Delivery.objects.filter(pk__in=silent, answer_due_at__lte=now)
    return update_in_order(mine, answer_due_at=None, silent_at=now)


def _clear_answer_deadline(deliveries: Iterable[int]) -> None:
    """Clear the deadline and the mark “unanswered” of deliveries, because an answer arrived."""
    answered = Delivery.objects.filter(pk__in=set(deliveries))
    waiting = answered.exclude(answer_due_at=None, silent_at=None)
    update_in_order(waiting, answer_due_at=None, silent_at=None)
