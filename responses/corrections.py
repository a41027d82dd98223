"""Correct or take down a statement that is posted already.

A change counts only if its author has seen the newest version; that is checked under a lock on
the statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from crm.models import User
from responses import release
from responses.compose import Words, once, write_down
from responses.models import Delivery, Response
from responses.models.delivery_state import DeliveryAction, DeliveryState
from responses.models.response import State
from routing.models.status import Stale
from scrm.bus.nudge import nudge
from scrm.db.locks import locked, update_in_order

_STOPPED = "Replaced by a correction before it was sent."
_OVERTAKEN = "Replaced by a later change before it was sent."
_NOT_UNDONE = (
    DeliveryState.QUEUED,
    DeliveryState.SENDING,
    DeliveryState.UNKNOWN,
    DeliveryState.SENT,
    DeliveryState.FAILED,
)


def posts_of(response: Response) -> list[Delivery]:
    """The statement's deliveries whose posts are online and can be corrected or taken down."""
    gone = Q(changes__act=DeliveryAction.WITHDRAW, changes__state__in=_NOT_UNDONE)
    posts = response.deliveries.filter(act=DeliveryAction.SAY, state=DeliveryState.SENT).exclude(
        gone
    )
    rows = posts.select_related("account", "interaction__conversation").order_by("pk")
    return [post for post in rows if response.is_macro and post.account.channel.editor]


def stands(response: Response) -> bool:
    """Whether `posts_of` finds any post, answered from prefetched deliveries."""
    rows = response.deliveries.all()
    gone = {
        delivery.amends_id
        for delivery in rows
        if delivery.act == DeliveryAction.WITHDRAW and delivery.state in _NOT_UNDONE
    }
    return response.is_macro and any(
        delivery.act == DeliveryAction.SAY
        and delivery.state == DeliveryState.SENT
        and delivery.pk not in gone
        and delivery.account.channel.editor is not None
        for delivery in rows
    )


def current(response: Response, *, sent: bool = False) -> Response:
    """The version that is online or being sent; with `sent`, only the one that is online."""
    states = (
        [DeliveryState.SENT]
        if sent
        else [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT]
    )
    there = Q(deliveries__act=DeliveryAction.AMEND, deliveries__state__in=states)
    later = response.corrections.filter(there, state=State.RELEASED)
    return later.order_by("-pk").first() or response


def newest(response: Response) -> Response:
    """The version that was written last, if it is online, queued, being sent, or held."""
    alive = Q(deliveries__act=DeliveryAction.AMEND, deliveries__state__in=_NOT_UNDONE)
    later = response.corrections.filter(alive, state__in=[State.HELD, State.RELEASED])
    return later.order_by("-pk").first() or response


def correct(response: Response, words: Words, *, over: int | None, by: User) -> Response:
    """Change the words of a statement's posts. The correction is a response under the same rules.

    over: the newest version that its author saw. Raises Stale if there is a newer one or no
    post is left, Refused with the reason of a rule.
    """

    def write() -> Response:
        posts = _posts_to_change(response, over)
        # First: the uncorrected words must not be posted elsewhere afterwards.
        _stop_what_waits(response, why=_STOPPED)
        correction = write_down(
            replace(words, seen=None),  # the form's `seen` is a version, not an interaction
            by=by,
            case=response.case,
            issue=response.issue,
            department=response.department,
            corrects=response,
            audience=Response.Audience.MANY,
            visibility=Response.Visibility.PUBLIC,
        )
        # Before send(): the rules and a signature depend on where the correction goes.
        for post in posts:
            _change(correction, post, DeliveryAction.AMEND)
        release.send(correction, by=by)
        # A held correction stops no earlier one: it may never be approved.
        if correction.state == "released":
            _overtake(posts, correction)
        response.note("Correction written.", by=by, now=timezone.now())
        return correction

    return once(words, write)


@transaction.atomic
def take_down(response: Response, *, why: str, over: int | None, by: User) -> None:
    """Take the posts down at once; the words stay in the record. Raises Stale as `correct` does."""
    now = timezone.now()
    posts = _posts_to_change(response, over)
    # Stop whatever is still queued first: it would be posted after its own removal.
    _stop_what_waits(response, why="Taken down before it was sent.")
    _overtake(posts, response)
    for post in posts:
        change = _change(response, post, DeliveryAction.WITHDRAW, by=by, why=why, send_after=now)
        nudge("scrm.pipeline.deliver", change.pk)
    response.note(f"To be taken down: {why}", by=by, now=now)


def _posts_to_change(response: Response, over: int | None) -> list[Delivery]:
    """Lock the statement and return its posts. Raises Stale.

    Of two users who change it at once, the second sees what the first one did.
    """
    response.lock()
    _lock_deliveries(response)
    posts = posts_of(response)
    if not posts:
        raise Stale("There is nothing to change: the post was taken down or is being taken down.")
    last = newest(response)
    if last.pk == over:
        return posts
    if last.state == State.HELD:
        raise Stale("Another user corrected it meanwhile. That correction waits for approval.")
    raise Stale("Another user corrected it meanwhile. The other version is shown next to yours.")


def _lock_deliveries(statement: Response) -> None:
    """Lock all deliveries of a statement and of its changes, before some are stopped."""
    mine = Q(response=statement) | Q(amends__response=statement)
    list(locked(Delivery.objects.filter(mine)).values_list("pk", flat=True))


def _stop_what_waits(response: Response, *, why: str) -> None:
    """Cancel the queued deliveries: the same words must not appear elsewhere afterwards.

    Raises Stale while a delivery is being sent or its state is unknown.
    """
    publishing = response.deliveries.filter(act=DeliveryAction.SAY)
    queued = publishing.filter(state=DeliveryState.QUEUED)
    update_in_order(queued, state=DeliveryState.CANCELLED, error=why)
    # Only now: a delivery that was claimed before the update is found here.
    under_way = [DeliveryState.SENDING, DeliveryState.UNKNOWN]
    if publishing.filter(state__in=under_way, settled_at=None).exists():
        raise Stale("It is being sent to another channel. Try again when that delivery has ended.")
    failed = publishing.filter(state=DeliveryState.FAILED, settled_at=None)
    update_in_order(failed, settled_at=timezone.now())


def _change(response: Response, post: Delivery, act: DeliveryAction, **facts: Any) -> Delivery:
    return Delivery.objects.create(
        response=response,
        account=post.account,
        destination=post.destination,
        act=act,
        amends=post,
        **facts,
    )


def _overtake(posts: Sequence[Delivery], by: Response) -> None:
    """Cancel earlier corrections of these posts that are still queued."""
    waiting = Delivery.objects.filter(
        amends__in=posts, state=DeliveryState.QUEUED, response__state="released"
    )
    update_in_order(waiting.exclude(response=by), state=DeliveryState.CANCELLED, error=_OVERTAKEN)


@transaction.atomic
def undo(response: Response, *, by: User) -> list[Response]:
    """Cancel a response before it is sent → the responses that are sent instead.

    A correction had stopped them; they are queued again. Raises Stale once a delivery began.
    """
    if response.corrects_id is None or not response.corrects_in_place:
        response.cancel(by=by)
        return []
    # The same locks as in correct(): no new correction may appear during the undo.
    both = Response.objects.filter(pk__in=[response.corrects_id, response.pk])
    statement = next(row for row in both.lock() if row.pk == response.corrects_id)
    _lock_deliveries(statement)
    response.cancel(by=by)
    posts = posts_of(statement)
    back = [row for post in posts if (row := _stopped_at(post, by=response))]
    # Without posts the statement was taken down: then nothing may be published again.
    if posts and newest(statement) == statement and not back:
        back = list(statement.deliveries.filter(state=DeliveryState.CANCELLED, error=_STOPPED))
    return _queue_again(back, by=by)


def _stopped_at(post: Delivery, *, by: Response) -> Delivery | None:
    """The latest correction of a post that a later one stopped, or None.

    None also if a change to the post that was written later is still held, queued or sent.
    """
    alive = post.changes.filter(
        state__in=_NOT_UNDONE, response__state__in=[State.HELD, State.RELEASED]
    )
    last = alive.aggregate(last=Max("response"))["last"] or 0
    stopped = post.changes.filter(
        state=DeliveryState.CANCELLED, error=_OVERTAKEN, response__state=State.RELEASED
    )
    return stopped.filter(response__gt=last, response__lt=by).order_by("-response").first()


def _queue_again(deliveries: Sequence[Delivery], *, by: User) -> list[Response]:
    """Queue cancelled deliveries again, as if just released or for their later time."""
    now, wait = timezone.now(), settings.UNDO_SECONDS
    rows = Delivery.objects.filter(
        pk__in=[delivery.pk for delivery in deliveries], state=DeliveryState.CANCELLED
    )
    soon = Greatest("send_after", now + timedelta(seconds=wait))
    update_in_order(rows, state=DeliveryState.QUEUED, error="", send_after=soon)
    for delivery in deliveries:
        nudge("scrm.pipeline.deliver", delivery.pk, after=wait)
    back = list(Response.objects.filter(deliveries__in=deliveries).distinct())
    for response in back:
        response.note("It will be sent after all: its replacement was undone.", by=by, now=now)
    return back
