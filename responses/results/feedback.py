"""Link answers to the responses that they answer.

An answer is looked up when it arrives, and again when a delivery is confirmed later.
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
"""How long `relink` looks for the delivery of an answer that is not linked."""
SILENT_AFTER = timedelta(days=7)
"""How long a delivery waits for an answer before it counts as unanswered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The facts of an inbound interaction that linking needs."""

    interaction: int
    conversation: int
    scope: str
    in_reply_to: str
    visibility: str
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The delivery that an interaction answers, and where its response belongs."""

    delivery: int
    response: int
    department: int
    case: int | None
    issue: int | None
    macro: bool
    sent_at: datetime


def answered(heard: Iterable[Heard]) -> dict[int, Answered]:
    """Interaction id → the delivery that it answers. One query.

    Found by the key that it replies to; in a private thread also by arriving after we wrote.
    """
    heard = list(heard)
    keys = {each.in_reply_to for each in heard} - {""}
    private = {each.conversation for each in heard if each.visibility == "private"}
    sent = Delivery.objects.filter(state__in=LEFT).filter(
        Q(scope__in={each.scope for each in heard}, sent_key__in=keys)
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
            sent_at=cast("datetime", row.sent_at),  # sent, so the database holds it
        )
        by_key[row.scope, row.sent_key] = answer
        if row.interaction:
            by_thread[row.interaction.conversation_id].append(answer)
    found = {each.interaction: _answer(each, by_key, by_thread) for each in heard}
    return {interaction: answer for interaction, answer in found.items() if answer}


def _answer(
    heard: Heard,
    by_key: dict[tuple[str, str], Answered],
    by_thread: dict[int, list[Answered]],
) -> Answered | None:
    named = by_key.get((heard.scope, heard.in_reply_to)) if heard.in_reply_to else None
    if named or heard.visibility == "public":
        return named
    # Newest first: the last thing that we wrote before the answer.
    before = (
        each for each in by_thread.get(heard.conversation, ()) if each.sent_at <= heard.said_at
    )
    return next(before, None)


def link(answers: dict[int, Answered], *, now: datetime) -> None:
    """Store the feedback. Interactions that are linked already stay as they are."""
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
    _break_the_silence(answer.delivery for answer in answers.values())


def _feedback(interaction: int, text: str, response: int, delivery: int, now: datetime) -> Feedback:
    """Feedback with a proposed outcome, for a user to confirm or correct."""
    read = propose(text)
    return Feedback(
        interaction_id=interaction,
        response_id=response,
        delivery_id=delivery,
        proposed=read.outcome,
        proposed_why=read.why,
        at=now,
    )


def adopt(delivery: Delivery, *, now: datetime) -> None:
    """Link feedback that arrived before the delivery was committed as sent.

    The caller holds the ledger's lock. Mentions that seemed to be only talk about us, and were
    not recorded, are processed again: they answer us.
    """
    _await_an_answer(delivery, now=now)
    place = {"scope": delivery.scope, "in_reply_to": delivery.sent_key}
    _take_in(delivery, Interaction.objects.filter(**place), now=now)
    mere_talk = Mention.objects.filter(**place, interaction=None, backlog=False)
    if update_in_order(mere_talk.exclude(processed_at=None), processed_at=None, attempt=0):
        nudge("scrm.pipeline.process")


def relink(*, now: datetime) -> None:
    """Link interactions without feedback that reply to something we sent."""
    since = now - UNRESOLVED_FOR
    orphans = Interaction.objects.filter(
        ~Q(in_reply_to=""), recorded_at__gte=since, direction="in", feedback=None
    ).exclude(kind=AUTOMATIC)
    answered = Delivery.objects.filter(
        state__in=LEFT, sent_at__gte=since, sent_key__in=orphans.values("in_reply_to")
    )
    # One short transaction for each: the ledger's lock stops all other writers.
    for delivery in answered.select_related("response__case"):
        with transaction.atomic():
            lock_workspace()
            place = {"scope": delivery.scope, "in_reply_to": delivery.sent_key}
            _take_in(delivery, orphans.filter(**place), now=now)


def _take_in(delivery: Delivery, heard: models.QuerySet[Interaction], *, now: datetime) -> None:
    found = list(heard.filter(direction="in", feedback=None).exclude(kind=AUTOMATIC))
    if not found:
        return
    # Before the feedback: with it, the delivery and its case change.
    Delivery.objects.filter(pk=delivery.pk).lock()
    Feedback.objects.bulk_create(
        _feedback(each.pk, each.text, delivery.response_id, delivery.pk, now) for each in found
    )
    _break_the_silence([delivery.pk])
    case = delivery.response.case
    if case and not delivery.response.is_macro:
        for each in found:
            join_message(
                case, each, now=now, why="The answer came before the delivery was confirmed."
            )


def _await_an_answer(delivery: Delivery, *, now: datetime) -> None:
    """Set the no-answer deadline, unless the channel cannot receive answers (such as a call)."""
    if delivery.account.channel.listener:
        Delivery.objects.filter(pk=delivery.pk).update(answer_due_at=now + SILENT_AFTER)


def fall_silent(*, now: datetime) -> int:
    """Mark deliveries that drew no answer within their time → how many."""
    due = Delivery.objects.filter(state=DeliveryState.SENT, answer_due_at__lte=now)
    silent = due.filter(feedback=None).values("pk")
    # Filter by the deadline again: an answer that arrives meanwhile clears it.
    mine = Delivery.objects.filter(pk__in=silent, answer_due_at__lte=now)
    return update_in_order(mine, answer_due_at=None, silent_at=now)


def _break_the_silence(deliveries: Iterable[int]) -> None:
    """An answer arrived, however late: clear the no-answer deadline."""
    answered = Delivery.objects.filter(pk__in=set(deliveries))
    waiting = answered.exclude(answer_due_at=None, silent_at=None)
    update_in_order(waiting, answer_due_at=None, silent_at=None)
