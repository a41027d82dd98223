"""Which of our words an answer answers: looked up when it comes, and again when we know more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from crm.models import Interaction
from responses.models import Delivery, Feedback
from responses.models.delivery import Sending

UNRESOLVED_FOR = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Heard:
    """An inbound interaction, as far as linking needs it."""

    interaction: int
    conversation: int
    scope: str
    in_reply_to: str
    visibility: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The sending that something answers, and where that response belongs."""

    delivery: int
    response: int
    department: int
    case: int | None
    issue: int | None
    macro: bool


def answered(heard: Iterable[Heard]) -> dict[int, Answered]:
    """Interaction id → the sending that it answers. One statement.

    By the key it replies to; in a private thread also by being there after we wrote.
    """
    heard = list(heard)
    keys = {each.in_reply_to for each in heard} - {""}
    private = {each.conversation for each in heard if each.visibility == "private"}
    sent = Delivery.objects.filter(state=Sending.SENT).filter(
        Q(scope__in={each.scope for each in heard}, sent_key__in=keys)
        | Q(interaction__conversation__in=private)
    )
    by_key: dict[tuple[str, str], Answered] = {}
    by_thread: dict[int, Answered] = {}
    for row in sent.select_related("response", "interaction").order_by("sent_at"):
        answer = Answered(
            delivery=row.pk,
            response=row.response_id,
            department=row.response.department_id,
            case=row.response.case_id,
            issue=row.response.issue_id,
            macro=row.response.is_macro,
        )
        by_key[row.scope, row.sent_key] = answer
        if row.interaction:
            by_thread[row.interaction.conversation_id] = answer
    found = {}
    for each in heard:
        hit = by_key.get((each.scope, each.in_reply_to)) if each.in_reply_to else None
        if hit is None and each.visibility == "private":
            hit = by_thread.get(each.conversation)
        if hit:
            found[each.interaction] = hit
    return found


def link(answers: dict[int, Answered], *, now: datetime) -> None:
    """Write the feedback down. What was linked before stays as it is."""
    Feedback.objects.bulk_create(
        [
            Feedback(
                interaction_id=interaction,
                response_id=answer.response,
                delivery_id=answer.delivery,
                at=now,
            )
            for interaction, answer in sorted(answers.items())
        ],
        ignore_conflicts=True,
    )


def adopt(delivery: Delivery, *, now: datetime) -> None:
    """Feedback that came before the send was committed finds its response now."""
    orphans = Interaction.objects.filter(
        scope=delivery.scope, in_reply_to=delivery.sent_key, direction="in", feedback=None
    )
    _take_in(delivery, orphans, now=now)


def relink(*, now: datetime) -> int:
    """What still answers nothing though it names something we sent → how many were linked."""
    since = now - UNRESOLVED_FOR
    orphans = Interaction.objects.filter(
        ~Q(in_reply_to=""), recorded_at__gte=since, direction="in", feedback=None
    )
    deliveries = Delivery.objects.filter(
        state=Sending.SENT,
        sent_at__gte=since,
        sent_key__in=orphans.values("in_reply_to"),
    ).select_related("response__case")
    return sum(
        _take_in(
            delivery,
            orphans.filter(scope=delivery.scope, in_reply_to=delivery.sent_key),
            now=now,
        )
        for delivery in deliveries
    )


def _take_in(delivery: Delivery, orphans: Iterable[Interaction], *, now: datetime) -> int:
    found = list(orphans)
    Feedback.objects.bulk_create(
        [
            Feedback(interaction=each, response=delivery.response, delivery=delivery, at=now)
            for each in found
        ],
        ignore_conflicts=True,
    )
    case = delivery.response.case
    if found and case and not delivery.response.is_macro:
        for each in found:
            case.hear(each, now=now, why="They answered before our sending was confirmed.")
    return len(found)
