"""Approve a held response as the page showed it, or edit a response that was not sent yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from crm.models import Attachment, Department, Notice, User
from responses import check_sending, release
from responses.compose import Place, readdress
from responses.models import CampaignStatement, Delivery, Response
from responses.models.approval import request_of
from responses.models.delivery_state import DeliveryState
from responses.models.response import State
from responses.recipients import competing
from responses.release import ask_approvers
from responses.upload_field import attach_files
from routing.models import Case, CaseEvent
from routing.models.status import Stale
from routing.unsent_answer import withdraw_answer
from scrm.db.locks import locked

_COPIED = (
    "decision", "case", "issue", "department", "author", "in_reply_to", "seen", "corrects",
    "acknowledges",
    "audience", "visibility", "is_quote", "subject", "text", "versions", "send_at", "as_thread",
    "copies",
)  # fmt: skip


class Rewritten(NamedTuple):
    """What a user entered in the form for editing a response.

    `versions` maps the id of an account to a different text for that account. `places` is None if
    the places cannot be changed. `copies` are the addresses of further recipients of a mail.
    """

    text: str
    subject: str
    versions: dict[str, str]
    send_at: datetime | None
    places: Sequence[Place] | None
    files: Sequence[Attachment]
    copies: Sequence[str] = ()


def may_approve(response: Response, user: User) -> bool:
    return user.sees_everything or response.department.is_led_by(user)


def may_edit(response: Response, user: User) -> bool:
    return response.pk in editable([response], user)


def editable(responses: Collection[Response], user: User) -> set[int]:
    """Return the ids of those responses that `user` may edit.

    Users who can approve a response may edit it. The author may edit it if the author may work on
    its case. If the response has no case, the author may edit it if the author may work in its
    department. This takes at most three queries for any number of responses.
    """
    if user.sees_everything:
        return {response.pk for response in responses}
    own = {row.case_id for row in responses if row.author_id == user.pk and row.case_id}
    cases = set(Case.objects.workable_by(user).filter(pk__in=own).values_list("pk", flat=True))
    led = set(Department.objects.led_by(user).values_list("pk", flat=True))
    worked = set(Department.objects.worked_by(user).values_list("pk", flat=True))

    def may_edit_one(response: Response) -> bool:
        if response.department_id in led:
            return True
        speaks = response.case_id in cases if response.case_id else response.department_id in worked
        return response.author_id == user.pk and speaks

    return {response.pk for response in responses if may_edit_one(response)}


def is_unsent(response: Response) -> bool:
    """Whether the response was certainly not sent and can still be edited.

    The result is False if all its deliveries failed and users have handled all of them. It is also
    False for a released correction of a post. A released correction can only be cancelled and
    written again.
    """
    if response.state in {State.DRAFT, State.HELD}:
        return True
    if response.state != State.RELEASED or response.corrects_in_place:
        return False
    deliveries = response.deliveries.all()
    states = {delivery.state for delivery in deliveries}
    open_failure = states == {DeliveryState.FAILED} and any(
        not delivery.settled_at for delivery in deliveries
    )
    return states == {DeliveryState.QUEUED} or open_failure


def why_not(response: Response, user: User) -> str:
    """Return why the user cannot give the next approval, or "" if the user can give it."""
    if not may_approve(response, user):
        return "not yours"
    return request_of(response).why_not_approved_by(user)


@transaction.atomic
def approve(response: Response, *, shown: str, by: User, instead: bool = False) -> None:
    """Approve the text that the page showed. Raises Stale if the text was changed meanwhile.

    `shown` is the content hash of the text on the page. If `instead` is True and the response is
    released, other held replies to the same person are returned to their authors.
    """
    pending = Response.objects.approvable_by(by).filter(case=response.case_id or 0)
    if instead:
        # The other replies are locked here, together with this response, so that the order of locks
        # is kept.
        Response.objects.filter(Q(pk=response.pk) | Q(pk__in=pending.values("pk"))).lock()
    _check_shown(response, shown)
    release.approve(response, by=by)
    if instead and response.state == "released":
        why = f"Another reply to this person was approved: {response.quote}"
        for other in competing(response, pending):
            release.send_back(other, by=by, why=why)


@transaction.atomic
def send(response: Response, *, shown: str, seen: int | None, by: User) -> None:
    """Send a draft as the page showed it.

    Raises Stale if the text was changed or the party has written meanwhile. Raises Refused with the
    reason of a business rule.
    """
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    release.send(response, by=by)


@transaction.atomic
def rewrite_and_send(
    response: Response, words: Rewritten, *, shown: str, seen: int | None, by: User
) -> Response:
    """Edit a response and send it; return the edited response.

    If the original was already released, the edited response is a copy. If the rules hold the
    edited response, the edit also counts as an approval by the user. This applies only if the user
    is not the author and can give the next approval. If Stale or Refused is raised, nothing was
    changed.
    """
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    before = response.text, response.subject, response.versions
    changed = _change(response, words, by=by)
    is_other_text = (changed.text, changed.subject, changed.versions) != before
    if response.case and response.author_id != by.pk and is_other_text:
        why = f"{by} changed the text of {response.author}."
        response.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, response=changed.pk)
    # This comes before _reopen(), because the case is reopened only if the rules do not release the
    # response.
    release.send(changed, by=by)
    _reopen(response, changed, by=by)
    if response.author_id == by.pk:
        return changed
    if changed.state == "held" and not why_not(changed, by):
        release.approve(changed, by=by, why=f"Edited by {by}.")
    elif changed.state == "released":
        edited = f"Edited by {by}. The text is being sent."
        changed.tell_author(Notice.Kind.APPROVED, by=by, text=edited)
    return changed


@transaction.atomic
def rewrite(response: Response, words: Rewritten, *, shown: str, by: User) -> Response:
    """Edit a response without sending it; return the draft.

    Raises Stale if the text was changed or sent meanwhile.
    """
    _check_shown(response, shown)
    changed = _change(response, words, by=by)
    _reopen(response, changed, by=by)
    return changed


@transaction.atomic
def remove_file(response: Response, file: Attachment, *, shown: str, by: User) -> Response:
    """Remove a file from an unsent response; return the response without the file.

    A held response stays held. It needs all its approvals again, because the earlier approvals were
    for a response with the file. A queued response must pass the rules again. A failed response
    becomes a draft. Raises Stale or Refused.
    """
    _check_shown(response, shown)
    # This is read before the file is removed: afterwards the approvals no longer match the hash.
    was_signed = bool(request_of(response).signatures)
    waits = response.deliveries.filter(state=DeliveryState.QUEUED).exists()
    mine = _editable_version(response, by=by)
    attach_files(mine, [kept for kept in mine.attachments.all() if kept != file], by=by)
    if mine != response and waits:
        release.send(mine, by=by)
    if mine != response:
        _reopen(response, mine, by=by)
    elif mine.state == State.HELD and was_signed:
        ask_approvers(mine, now=timezone.now())
    return mine


def _change(response: Response, words: Rewritten, *, by: User) -> Response:
    mine = _editable_version(response, by=by)
    mine.edit(text=words.text, subject=words.subject, versions=words.versions, by=by)
    if mine.send_at != words.send_at:
        mine.send_at = words.send_at
        mine.save(update_fields=["send_at"])
        mine.note("Time changed.", by=by, now=timezone.now())
    if words.places is not None:
        readdress(mine, words.places, by=by)
    _set_copies(mine, words.copies, by=by)
    attach_files(mine, words.files, by=by)
    return Response.objects.get(pk=mine.pk)


def _set_copies(draft: Response, addresses: Sequence[str], *, by: User) -> None:
    if draft.copies == [*addresses]:
        return
    draft.copies = [*addresses]
    draft.save(update_fields=["copies"])
    names = ", ".join(addresses) or "nobody else"
    draft.note(f"Copies changed: also to {names}.", by=by, now=timezone.now())


def _editable_version(response: Response, *, by: User) -> Response:
    """Return a response that can be edited in place of `response`.

    A draft or a held response is returned itself. A released response is cancelled, and a copy of
    it is returned; the original text stays as it was approved. Raises Stale if the response was
    already sent.
    """
    if response.state in {State.DRAFT, State.HELD}:
        return response
    if not is_unsent(response):
        raise Stale("This text was already sent and cannot be changed. Write a new one instead.")
    files = list(response.attachments.all())
    copy = Response.objects.create(**{name: getattr(response, name) for name in _COPIED})
    # First, because what stops the reply also stops its acknowledgement.
    response.acknowledgements.update(acknowledges=copy)
    response.served.update(response=copy)
    failed = response.deliveries.filter(state=DeliveryState.FAILED)
    for delivery in failed.filter(settled_at=None).order_by("pk"):
        check_sending.dismiss(delivery, by=by)
    # Failed deliveries are dismissed instead of cancelled.
    if not failed.exists():
        response.cancel(by=by)
    for delivery in response.deliveries.filter(replaces=None):
        Delivery.objects.create(
            response=copy,
            account=delivery.account,
            destination=delivery.destination,
            profile=delivery.profile,
            conversation=delivery.conversation,
        )
    response.attachments.clear()
    copy.attachments.set(files)
    CampaignStatement.objects.filter(statement=response).update(statement=copy)
    copy.note("Removed from the queue for editing.", by=by, now=timezone.now())
    return copy


def _reopen(response: Response, changed: Response, *, by: User) -> None:
    """Take back what the answer settled if `changed` replaces `response` and is not released.

    The case must not stay closed, because its answer is no longer sent.
    """
    stopped = changed != response and changed.state != State.RELEASED
    case = response.case
    if stopped and case:
        withdraw_answer(case, by=by, why="The answer was withdrawn for editing.")


def _check_shown(response: Response, shown: str) -> None:
    """Lock the response and its deliveries; raise Stale if the page showed a different text."""
    current = response.lock()
    # Deliveries are locked here, because the action locks notices, and deliveries must be locked
    # before notices.
    list(locked(current.deliveries.all()))
    if current.content_hash != shown:
        raise Stale("Another user changed this text meanwhile. Read it again.")
    response.state = current.state
