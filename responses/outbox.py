"""Send each delivery at most once, and record the result: guarantee G1 (docs/guarantees.md).

`deliver` makes one attempt to send a delivery. `settle` asks the network about a delivery whose
state is unknown. Only `mark_sent` marks a delivery as sent. It changes the delivery, the ledger,
the case and the feedback in one transaction.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from crm.ledger import Entry, lock_workspace, record
from crm.models import Instance, Interaction, Pause, User
from crm.money import Refusal
from crm.renewal import fresh_credentials
from responses import equal_text, post_changes, restored_database, send_budget, served, throttle
from responses.account_login import has_login
from responses.answered_item import refuse_if_changed
from responses.check_sending import take_in_hand
from responses.copies import recipient_facts
from responses.models import Delivery
from responses.models.acknowledged import waiting_for
from responses.models.delivery_state import LEFT, DeliveryAction, DeliveryState
from responses.models.response import Refused
from responses.results.feedback import adopt
from routing.answering import count_as_answered
from routing.join import join_conversation
from scrm.channels.base import Author, ChannelError, Item, Lookup, Receipt, Speaker
from scrm.db.locks import locked, update_in_order

_log = structlog.get_logger(__name__)
MAX_ATTEMPTS, LONGEST_WAIT = 10, 900.0
HEARD_WITHIN = timedelta(hours=48)
"""A fetched post of ours proves that a delivery was sent only if it was due within this time."""
SETTLE_AGAIN = timedelta(minutes=10)
"""Time until the next look-up, if the network could not be asked and named no time."""
BY_HAND = "by-hand:"
"""Prefix of the key of a delivery that a user marked as sent without a link."""
_NONCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def deliver(delivery: Delivery) -> None:
    """Make one attempt to send the delivery, if `claim` succeeds."""
    if restored_database.is_set_back(now=timezone.now()) or not has_login(delivery):
        return
    now = timezone.now()
    if not claim(delivery, now=now):
        return
    booked = send_budget.reservation(delivery, now=now)
    # There is no transaction here: no row may be locked while the network answers.
    try:
        receipt = _carry_out(delivery)
    except ChannelError as error:
        _failed(delivery, error)
        send_budget.settle_failed(booked, error)
    except Exception as error:  # it may have been sent, so it is not simply sent again
        _log.exception("send failed", delivery=delivery.pk)
        delivery.doubt(f"scrm could not tell whether it was sent: {error!r}", now=timezone.now())
    else:
        mark_sent(delivery, receipt, now=timezone.now())
        send_budget.settle_sent(booked, receipt)


@transaction.atomic
def claim(delivery: Delivery, *, now: datetime) -> bool:
    """Claim the delivery for one attempt; return whether the claim succeeded.

    The claim fails if the delivery is not due, if the limits or the budget of the account do not
    allow it, or if another worker has claimed it. Only this function changes the state from
    `queued` to `sending`. If the worker dies afterwards, the delivery becomes unknown. It is then
    queued again only if `settle` decides so.
    """
    if not throttle.has_turn(delivery, now):
        return False
    booked = send_budget.reserve(delivery, now=now)
    if isinstance(booked, Refusal):
        return False
    if delivery.amends_id:  # only one correction or removal of a post is sent at a time
        # The post has a lower id than this delivery, so the order of locks is kept.
        locked(Delivery.objects.filter(pk=delivery.amends_id)).get()
    # Compare-and-set: of several workers, only one gets the delivery.
    won = Delivery.objects.filter(
        pk__in=Delivery.objects.due(now).filter(pk=delivery.pk).values("pk"),
        state=DeliveryState.QUEUED,
    ).update(
        state=DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        attempt_id=uuid.uuid4(),
        tried_at=now,
        waits_since=None,
        lease_until=now + timedelta(seconds=settings.SEND_LEASE_SECONDS),
        error="",
    )
    if won:
        delivery.refresh_from_db()
        delivery.publish_change()
        # This is last, because the row that counts attempts is locked until the commit.
        Instance.objects.count_attempt()
    else:
        send_budget.cancel(booked)
    return bool(won)


def _failed(delivery: Delivery, error: ChannelError) -> None:
    now = timezone.now()
    # This is checked first: a text that may have been sent must not be queued again.
    if error.uncertain:
        delivery.doubt(error.message, now=now)
    elif error.permanent or delivery.attempts >= MAX_ATTEMPTS:
        delivery.fail(error.message)
    else:
        wait = error.retry_after or min(5 * 3.0**delivery.attempts, LONGEST_WAIT)
        delivery.back_to_queue(after=wait, error=error.message, now=now)


def _carry_out(delivery: Delivery) -> Receipt:
    """Send the text, or correct or remove the published post. Raises ChannelError."""
    post = delivery.amends
    if post is None:
        # Checked again immediately before sending: the text may have waited for hours.
        refuse_if_changed(delivery)
        return _speaker(delivery).send(delivery.account.credentials, delivery.parcel)
    return post_changes.carry_out(delivery, post)


def settle(delivery: Delivery) -> None:
    """Ask the network whether an unknown delivery was sent, and store the answer.

    If the network cannot tell, a user decides what to do. Corrections and removals are sent again
    without asking, because sending them twice has the same effect as sending them once.

    In a database restored from a copy, nothing is queued again: the original may still send it.
    """
    if delivery.state != DeliveryState.UNKNOWN:
        return
    now = timezone.now()
    # Read before the network is asked: if a user allows sending meanwhile, it counts as stopped.
    held = Pause.objects.restored().exists()
    if delivery.is_change:
        if delivery.attempts < MAX_ATTEMPTS:
            _try_again(delivery, "The network did not answer. Trying again.", held=held, now=now)
        else:
            delivery.stay_unknown(look_again=None)
        return
    try:
        credentials = fresh_credentials(delivery.account)
        found = send_budget.look_up(delivery, _speaker(delivery), credentials, now=now)
    except ChannelError as error:
        _log.info("look-up failed", delivery=delivery.pk, error=error.message)
        wait = timedelta(seconds=error.retry_after) if error.retry_after else SETTLE_AGAIN
        delivery.stay_unknown(look_again=now + wait)
        return
    if isinstance(found, Receipt):
        mark_sent(delivery, found, now=now)
    elif found is Lookup.ABSENT and delivery.attempts < MAX_ATTEMPTS:
        _try_again(delivery, "It was not sent. Trying again.", held=held, now=now)
    else:
        delivery.stay_unknown(look_again=None)


def _try_again(delivery: Delivery, error: str, *, held: bool, now: datetime) -> None:
    """Queue the delivery again, unless sending is stopped in a restored database (`held`).

    If it is stopped, the delivery stays unknown. `settle` is due as soon as a user allows sending.
    """
    if held:
        unknown = Delivery.objects.to_settle(now).filter(pk=delivery.pk)
        unknown.update(settle_after=now + SETTLE_AGAIN)
    else:
        delivery.back_to_queue(after=0, error=error, now=now)


def _speaker(delivery: Delivery) -> Speaker:
    speaker = delivery.account.channel.speaker
    if speaker is None:
        raise ChannelError(f"{delivery.account.channel.label} cannot send.", permanent=True)
    return speaker


@transaction.atomic
def mark_sent(delivery: Delivery, receipt: Receipt, *, now: datetime) -> bool:
    """Mark a delivery as sent; return False if it was marked before or has no post of its own.

    The delivery, the ledger, the case and the feedback are changed in one transaction. A second
    call changes nothing.
    """
    lock_workspace()  # before any row: all writers of the ledger lock in this order
    rows = Delivery.objects.filter(pk=delivery.pk)
    rows.lock()
    # The row is read again under the locks: another worker may have marked it meanwhile.
    mine = rows.select_related("response__case", "account", "profile", "amends__interaction").get()
    if mine.state in LEFT or equal_text.is_of_another(delivery, receipt):
        return False
    # This is done before the state changes: a constraint allows `sent` only with a ledger row.
    row = record([_entry(mine, receipt, now)], now=now)[0]
    mine.state, mine.sent_at, mine.interaction_id = DeliveryState.SENT, now, row.interaction
    mine.url = receipt.url
    if not mine.is_change:  # answers to a corrected post still refer to the key of the post
        mine.scope, mine.sent_key = receipt.scope, receipt.key
        post_changes.keep_thread(mine, receipt)
    mine.lease_until, mine.settle_after, mine.error = None, None, ""
    mine.save()
    mine.response.attachments.filter(interaction=None).update(interaction=row.interaction)
    # Merging needs the lock of the ledger, so the case is not merged meanwhile.
    case = mine.response.case and mine.response.case.survivor
    if case and not mine.response.is_macro:
        join_conversation(case, row.conversation, now=now)
        count_as_answered(
            case, at=now, seen=mine.response.seen_id, answered_by=row.interaction,
            written_at=mine.response.created_at,
        )  # fmt: skip
        served.count_as_answered(mine.response, answered_by=row.interaction, now=now)
    if not mine.is_change:
        adopt(mine, now=now)
        # An acknowledgement that waited long for this reply must not count as overdue.
        update_in_order(
            Delivery.objects.filter(waiting_for(mine.response, now=now)), send_after=now
        )
    delivery.refresh_from_db()
    delivery.publish_change()
    return True


@transaction.atomic
def confirm_sent(delivery: Delivery, *, by: User, url: str = "", key: str = "") -> None:
    """Mark a delivery as sent, because the user `by` has seen the text on the network.

    Raises Stale if another user has already handled the delivery. Raises Refused if the link or key
    belongs to another interaction.
    """
    now = timezone.now()
    lock_workspace()  # before any row: all writers of the ledger lock in this order
    mine = take_in_hand(delivery, now=now)
    if mine.amends:
        mark_sent(mine, mine.amends.receipt, now=now)
        mine.response.note("Manually marked as changed.", by=by, now=now)
        return
    key = key or url or f"{BY_HAND}{mine.uuid}"
    if Interaction.objects.filter(scope=mine.account.network, key=key).exists():
        raise Refused("This link already belongs to another interaction.")
    mark_sent(mine, Receipt(mine.account.network, key, url=url), now=now)
    mine.response.note("Manually marked as sent.", by=by, now=now)


def _entry(delivery: Delivery, receipt: Receipt, now: datetime) -> Entry:
    response, profile = delivery.response, delivery.profile
    if delivery.amends:
        return _change(delivery, delivery.amends, receipt, now)
    return Entry(
        scope=receipt.scope,
        key=receipt.key,
        author=Author(network=profile.network, key=profile.key) if profile else None,
        direction="out",
        channel=delivery.account.kind,
        kind="statement" if response.is_macro else "reply",
        visibility=response.visibility,  # type: ignore[arg-type]
        title=response.subject,
        text=delivery.words,
        url=receipt.url,
        details={**receipt.details, **recipient_facts(delivery)},
        occurred_at=now,
        thread_key=receipt.thread_key,
        in_reply_to=delivery.outgoing.in_reply_to,
        account=delivery.account_id,
        staff=response.author_id,
        conversation=delivery.conversation_id,
    )


def _change(delivery: Delivery, post: Delivery, receipt: Receipt, now: datetime) -> Entry:
    """Return the ledger entry for a correction or a removal.

    The entry refers to the interaction that it replaces, which stays in the ledger.
    """
    response = delivery.response
    previous = post.changes.filter(state=DeliveryState.SENT).order_by("-pk").first() or post
    taken_down = delivery.act == DeliveryAction.WITHDRAW
    original = post.interaction
    return Entry(
        scope=receipt.scope,
        key=f"{receipt.key}~{delivery.uuid}",
        author=None,
        direction="out",
        channel=delivery.account.kind,
        kind="withdrawal" if taken_down else "correction",
        visibility=response.visibility,  # type: ignore[arg-type]
        title=response.subject,
        text=f"Taken down: {delivery.why}" if taken_down else delivery.words,
        url=receipt.url,
        occurred_at=now,
        account=delivery.account_id,
        staff=delivery.by_id if taken_down else response.author_id,
        conversation=original.conversation_id if original else None,
        revises=previous.interaction_id,
    )


@transaction.atomic
def heard_ourselves(posts: Iterable[tuple[Item, int]], *, now: datetime) -> None:
    """Mark deliveries as sent if their texts are among our own posts that a source fetched.

    `posts` contains each fetched item with the id of the account that fetched it.
    """
    posts = list(posts)
    if not posts:
        return
    # The lock comes before the ledger is read: a post that is recorded meanwhile would also be
    # taken as proof of a second delivery.
    lock_workspace()
    new = _not_in_the_record(posts)
    if not new:
        return
    # A delivery that a user marked as sent does not have the network's key: it may have sent this
    # post.
    by_user = Q(state=DeliveryState.SENT) & (Q(sent_key__startswith=BY_HAND) | Q(sent_key=F("url")))
    unproven = (
        Delivery.objects.filter(
            Q(state__in=[DeliveryState.SENDING, DeliveryState.UNKNOWN]) | by_user,
            account__in={account for _, account in new},
            amends=None,
            send_after__gte=now - HEARD_WITHIN,
        )
        .select_related("response__in_reply_to", "account", "profile", "conversation")
        .order_by("pk")
    )
    waiting = list(unproven)
    found: list[tuple[Delivery, Receipt]] = []
    for item, account in new:
        proven = [delivery for delivery in waiting if nonce_in(item.key) == delivery.uuid]
        proven = proven or [
            delivery for delivery in waiting if equal_text.is_like(delivery, item, account)
        ]
        # If several deliveries have the same text and place, it is not known which of them sent
        # this post: none is marked.
        if len(proven) == 1:
            waiting.remove(proven[0])
            found.append((proven[0], Receipt(item.scope, item.key, item.thread_key, item.url)))
    _mark_all_sent(found, now=now)


def _not_in_the_record(posts: Iterable[tuple[Item, int]]) -> list[tuple[Item, int]]:
    """Return the posts that are not in the ledger yet.

    The other posts are left out, because the delivery of each of them is already known.
    """
    listed = list(posts)
    scopes, keys = {item.scope for item, _ in listed}, {item.key for item, _ in listed}
    recorded = Interaction.objects.filter(scope__in=scopes, key__in=keys) if listed else []
    known = {(interaction.scope, interaction.key) for interaction in recorded}
    return [(item, account) for item, account in listed if (item.scope, item.key) not in known]


def nonce_in(key: str) -> uuid.UUID | None:
    """Return the UUID of a delivery if the key of a message begins with it, otherwise None.

    This works only on networks on which scrm can choose a part of the key.
    """
    match = _NONCE.match(key)
    return uuid.UUID(match[0]) if match else None


@transaction.atomic
def prove(items: Iterable[Item], *, now: datetime) -> None:
    """Mark deliveries as sent if one of these answers or bounces refers to their texts."""
    named = {nonce: item for item in items if (nonce := nonce_in(item.in_reply_to))}
    if not named:
        return
    unproven = Delivery.objects.filter(
        uuid__in=named, state__in=[DeliveryState.SENDING, DeliveryState.UNKNOWN], settled_at=None
    )
    rows = unproven.select_related("response", "account").order_by("pk")
    found = [(row, named[row.uuid]) for row in rows]
    _mark_all_sent(
        [(row, Receipt(item.scope, item.in_reply_to, item.thread_key)) for row, item in found],
        now=now,
    )


def _mark_all_sent(found: Sequence[tuple[Delivery, Receipt]], *, now: datetime) -> None:
    if found:
        lock_workspace()
        # All deliveries and their cases are locked at once, so that the order of locks is kept.
        Delivery.objects.filter(pk__in=[delivery.pk for delivery, _ in found]).lock()
        for delivery, receipt in found:
            mark_sent(delivery, receipt, now=now)
