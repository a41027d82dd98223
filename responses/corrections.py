"""Correct or take down a published post.

A correction or removal is accepted only if its author has seen the newest version of the post. This
is checked while the post is locked.
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
    """Return the deliveries of this post whose published texts can be corrected or removed now."""
    gone = Q(changes__act=DeliveryAction.WITHDRAW, changes__state__in=_NOT_UNDONE)
    posts = response.deliveries.filter(act=DeliveryAction.SAY, state=DeliveryState.SENT).exclude(
        gone
    )
    rows = posts.select_related("account", "interaction__conversation").order_by("pk")
    return [post for post in rows if response.is_macro and post.account.channel.editor]


def stands(response: Response) -> bool:
    """Whether `posts_of` would return any delivery for this response.

    This function uses prefetched deliveries and runs no query.
    """
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
    """Return the version of the post that is online or will be online next.

    This is the last released correction with a delivery that is queued, being sent or sent. With
    `sent=True`, the delivery must be sent. If there is no such correction, the post itself is
    returned.
    """
    states = (
        [DeliveryState.SENT]
        if sent
        else [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT]
    )
    there = Q(deliveries__act=DeliveryAction.AMEND, deliveries__state__in=states)
    later = response.corrections.filter(there, state=State.RELEASED)
    return later.order_by("-pk").first() or response


def newest(response: Response) -> Response:
    """Return the version of the post that was written last.

    Held corrections count. Corrections that were undone or sent back do not count.
    """
    alive = Q(deliveries__act=DeliveryAction.AMEND, deliveries__state__in=_NOT_UNDONE)
    later = response.corrections.filter(alive, state__in=[State.HELD, State.RELEASED])
    return later.order_by("-pk").first() or response


def correct(response: Response, words: Words, *, over: int | None, by: User) -> Response:
    """Change the text of a published post; return the response that contains the correction.

    The correction must pass the business rules like any other response. `over` is the id of the
    newest version that the author saw. Raises Stale if there is a newer version, or if nothing is
    online any more. Raises Refused with the reason of a business rule.
    """

    def write() -> Response:
        posts = _posts_to_change(response, over)
        # This is first: the uncorrected text must not be posted on other accounts afterwards.
        _stop_what_waits(response, why=_STOPPED)
        correction = write_down(
            replace(words, seen=None),  # in this form, `seen` is a version, not an interaction
            by=by,
            case=response.case,
            issue=response.issue,
            department=response.department,
            corrects=response,
            audience=Response.Audience.MANY,
            visibility=Response.Visibility.PUBLIC,
        )
        # Deliveries are created before send(): the rules and the approved hash depend on them.
        for post in posts:
            _change(correction, post, DeliveryAction.AMEND)
        release.send(correction, by=by)
        # A held correction does not cancel earlier corrections, because it may never be approved.
        if correction.state == "released":
            _overtake(posts, correction)
        response.note("Correction written.", by=by, now=timezone.now())
        return correction

    return once(words, write)


@transaction.atomic
def take_down(response: Response, *, why: str, over: int | None, by: User) -> None:
    """Queue the removal of the published texts of a post. The texts stay in the record.

    The removal is due immediately. Deliveries and corrections of the post that are still queued are
    cancelled. Raises Stale in the same cases as `correct`.
    """
    now = timezone.now()
    posts = _posts_to_change(response, over)
    # Queued deliveries are cancelled first: otherwise they would be posted after the removal.
    _stop_what_waits(response, why="Taken down before it was sent.")
    _overtake(posts, response)
    for post in posts:
        change = _change(response, post, DeliveryAction.WITHDRAW, by=by, why=why, send_after=now)
        nudge("scrm.pipeline.deliver", change.pk)
    response.note(f"To be taken down: {why}", by=by, now=now)


def _posts_to_change(response: Response, over: int | None) -> list[Delivery]:
    """Lock the post, and return its deliveries whose texts are online.

    If two users change the post at the same time, the second call waits and then sees the change of
    the first user. Raises Stale if nothing is online, or if `over` is not the id of the newest
    version.
    """
    response.lock()
    _lock_deliveries(response)
    posts = posts_of(response)
    if not posts:
        raise Stale("This post cannot be changed: it was taken down or is being taken down.")
    last = newest(response)
    if last.pk == over:
        return posts
    if last.state == State.HELD:
        raise Stale(
            "Another user corrected this post meanwhile. That correction waits for approval."
        )
    raise Stale(
        "Another user corrected this post meanwhile. The other version is shown next to yours."
    )


def _lock_deliveries(statement: Response) -> None:
    """Lock all deliveries of a post and of its corrections.

    Call this before some of these deliveries are cancelled.
    """
    mine = Q(response=statement) | Q(amends__response=statement)
    list(locked(Delivery.objects.filter(mine)).values_list("pk", flat=True))


def _stop_what_waits(response: Response, *, why: str) -> None:
    """Cancel the queued deliveries of a post, so that its text does not appear on more accounts.

    Raises Stale if a delivery is being sent or its state is unknown.
    """
    publishing = response.deliveries.filter(act=DeliveryAction.SAY)
    queued = publishing.filter(state=DeliveryState.QUEUED)
    update_in_order(queued, state=DeliveryState.CANCELLED, error=why)
    # This is checked after the update, so that a delivery that was claimed before it is found.
    under_way = [DeliveryState.SENDING, DeliveryState.UNKNOWN]
    if publishing.filter(state__in=under_way, settled_at=None).exists():
        raise Stale(
            "The post is being sent to another channel. Try again when that delivery has ended."
        )
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
    """Cancel the queued corrections of these deliveries, except those of the response `by`."""
    waiting = Delivery.objects.filter(
        amends__in=posts, state=DeliveryState.QUEUED, response__state="released"
    )
    update_in_order(waiting.exclude(response=by), state=DeliveryState.CANCELLED, error=_OVERTAKEN)


@transaction.atomic
def undo(response: Response, *, by: User) -> list[Response]:
    """Cancel an unsent response.

    If the response is a correction, deliveries that it had cancelled are queued again. The result
    is the list of responses to which these deliveries belong. Raises Stale if a delivery of the
    response was already attempted.
    """
    if response.corrects_id is None or not response.corrects_in_place:
        response.cancel(by=by)
        return []
    # These are the locks that correct() takes: no new correction may be written during the undo.
    both = Response.objects.filter(pk__in=[response.corrects_id, response.pk])
    statement = next(row for row in both.lock() if row.pk == response.corrects_id)
    _lock_deliveries(statement)
    response.cancel(by=by)
    posts = posts_of(statement)
    back = [row for post in posts if (row := _stopped_at(post, by=response))]
    # If nothing is online, the post was taken down: then nothing may be published again.
    if posts and newest(statement) == statement and not back:
        back = list(statement.deliveries.filter(state=DeliveryState.CANCELLED, error=_STOPPED))
    return _queue_again(back, by=by)


def _stopped_at(post: Delivery, *, by: Response) -> Delivery | None:
    """Return the latest correction of `post` that was cancelled because of the correction `by`.

    If no correction was cancelled because of `by`, the result is None. The result is also None if a
    newer correction, written after the cancelled correction, is still in force. A newer correction
    is in force if the response is held or released, and if its delivery for `post` is neither
    cancelled nor bounced.
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
    """Queue cancelled deliveries again; return the responses to which they belong.

    Each delivery is sent at its planned time, but not before the time for undo is over.
    """
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
