"""Signing a held text as it was shown, and changing one that has not left."""

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
from scrm.db.locks import locked

_COPIED = (
    "decision", "case", "issue", "department", "author", "in_reply_to", "seen", "corrects",
    "audience", "visibility", "subject", "text", "versions", "send_at",
)  # fmt: skip


class Rewritten(NamedTuple):
    """All that leaves, as the form has it. versions: account → what goes there instead.

    places: None where they cannot be changed.
    """

    text: str
    subject: str
    versions: dict[str, str]
    send_at: datetime | None
    places: Sequence[Place] | None
    files: Sequence[Attachment]


def may_approve(response: Response, user: User) -> bool:
    return user.sees_everything or response.department.is_led_by(user)


def may_edit(response: Response, user: User) -> bool:
    return response.pk in editable([response], user)


def editable(responses: Collection[Response], user: User) -> set[int]:
    """The ids of those that `user` may edit: three statements, however many they are.

    Whoever approves them may, and their author, while they may still speak there.
    """
    if user.sees_everything:
        return {each.pk for each in responses}
    own = {each.case_id for each in responses if each.author_id == user.pk and each.case_id}
    cases = set(Case.objects.workable_by(user).filter(pk__in=own).values_list("pk", flat=True))
    led = set(Department.objects.led_by(user).values_list("pk", flat=True))
    worked = set(Department.objects.worked_by(user).values_list("pk", flat=True))

    def may(response: Response) -> bool:
        if response.department_id in led:
            return True
        speaks = response.case_id in cases if response.case_id else response.department_id in worked
        return response.author_id == user.pk and speaks

    return {each.pk for each in responses if may(each)}


def is_unsent(response: Response) -> bool:
    """Whether surely nothing of it has left, so that it may still be changed.

    A failure that somebody dealt with is past. A correction of a post is stopped where it was
    written, not changed on its way.
    """
    if response.state in {State.DRAFT, State.HELD}:
        return True
    if response.state != State.RELEASED or response.corrects_in_place:
        return False
    sendings = response.deliveries.all()
    states = {each.state for each in sendings}
    open_failure = states == {DeliveryState.FAILED} and any(
        not each.settled_at for each in sendings
    )
    return states == {DeliveryState.QUEUED} or open_failure


def why_not(response: Response, user: User) -> str:
    """Why they cannot give the next signature, in words; "" if they can."""
    if not may_approve(response, user):
        return "not yours"
    return request_of(response).why_not_approved_by(user)


@transaction.atomic
def approve(response: Response, *, shown: str, by: User, instead: bool = False) -> None:
    """Sign what was shown (its content hash). Raises Stale if the words are others by now.

    instead: other replies to the same person that wait as well go back to their authors.
    """
    pending = Response.objects.approvable_by(by).filter(case=response.case_id or 0)
    if instead:
        # First, and together with the response: several responses are locked in order.
        Response.objects.filter(Q(pk=response.pk) | Q(pk__in=pending.values("pk"))).lock()
    _check_shown(response, shown)
    release.approve(response, by=by)
    if instead and response.state == "released":
        why = f"Another reply to this person was approved: {response.quote}"
        for other in competing(response, pending):
            release.send_back(other, by=by, why=why)


@transaction.atomic
def send(response: Response, *, shown: str, seen: int | None, by: User) -> None:
    """Let a draft go as it was shown. Raises Stale or Refused."""
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    release.send(response, by=by)


@transaction.atomic
def rewrite_and_send(
    response: Response, words: Rewritten, *, shown: str, seen: int | None, by: User
) -> Response:
    """Change it and let it go; an approver who is asked again by the rules signs.

    → what leaves: a copy where it had been released. Raises Stale or Refused, and then nothing
    was changed.
    """
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    said = response.text, response.subject, response.versions
    changed = _change(response, words, by=by)
    others = (changed.text, changed.subject, changed.versions) != said
    if response.case and response.author_id != by.pk and others:
        why = f"{by} changed the text of {response.author}."
        response.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, response=changed.pk)
    release.send(changed, by=by)
    _reopen(response, changed, by=by)
    if response.author_id == by.pk:
        return changed
    if changed.state == "held" and not why_not(changed, by):
        release.approve(changed, by=by, why=f"Edited by {by}.")
    elif changed.state == "released":
        edited = f"Edited by {by}. It is being sent."
        changed.tell_author(Notice.Kind.APPROVED, by=by, text=edited)
    return changed


@transaction.atomic
def rewrite(response: Response, words: Rewritten, *, shown: str, by: User) -> Response:
    """Change it and keep it as a draft → the draft. Raises Stale."""
    _check_shown(response, shown)
    changed = _change(response, words, by=by)
    _reopen(response, changed, by=by)
    return changed


@transaction.atomic
def remove_file(response: Response, file: Attachment, *, shown: str, by: User) -> Response:
    """Take one file off what has not left → what goes without it. Raises Stale or Refused.

    What is held stays held, and every signature is asked for again, because each is under the
    hash of what it signed; what was on its way goes past the rules again. What failed becomes
    a draft.
    """
    _check_shown(response, shown)
    was_signed = bool(request_of(response).signatures)
    waits = response.deliveries.filter(state=DeliveryState.QUEUED).exists()
    mine = _in_hand(response, by=by)
    attach_files(mine, [each for each in mine.attachments.all() if each != file], by=by)
    if mine != response and waits:
        release.send(mine, by=by)
    if mine != response:
        _reopen(response, mine, by=by)
    elif mine.state == State.HELD and was_signed:
        ask_approvers(mine, now=timezone.now())
    return mine


def _change(response: Response, words: Rewritten, *, by: User) -> Response:
    mine = _in_hand(response, by=by)
    mine.edit(text=words.text, subject=words.subject, versions=words.versions, by=by)
    if mine.send_at != words.send_at:
        mine.send_at = words.send_at
        mine.save(update_fields=["send_at"])
        mine.note("Time changed.", by=by, now=timezone.now())
    if words.places is not None:
        readdress(mine, words.places, by=by)
    attach_files(mine, words.files, by=by)
    return Response.objects.get(pk=mine.pk)


def _in_hand(response: Response, *, by: User) -> Response:
    """Itself; or a copy of what was released, which is stopped and stays as it was signed."""
    if response.state in {State.DRAFT, State.HELD}:
        return response
    if not is_unsent(response):
        raise Stale("It was already sent and cannot be changed. Write a new one instead.")
    files = list(response.attachments.all())
    failed = response.deliveries.filter(state=DeliveryState.FAILED)
    for delivery in failed.filter(settled_at=None).order_by("pk"):
        check_sending.dismiss(delivery, by=by)
    if not failed.exists():
        response.cancel(by=by)
    copy = Response.objects.create(**{name: getattr(response, name) for name in _COPIED})
    for each in response.deliveries.filter(replaces=None):
        Delivery.objects.create(
            response=copy,
            account=each.account,
            destination=each.destination,
            profile=each.profile,
            conversation=each.conversation,
        )
    response.attachments.clear()
    copy.attachments.set(files)
    CampaignStatement.objects.filter(statement=response).update(statement=copy)
    copy.note("Removed from the queue for editing.", by=by, now=timezone.now())
    return copy


def _reopen(response: Response, changed: Response, *, by: User) -> None:
    """Its case is open again where what was to answer it does not leave after all."""
    stopped = changed != response and changed.state != State.RELEASED
    case = response.case
    if stopped and case and case.is_closed and not case.newer:
        case.reopen(by=by, why="The answer was withdrawn for editing.")


def _check_shown(response: Response, shown: str) -> None:
    """Locks the response and its deliveries, so that what is signed is what was read."""
    current = response.lock()
    # Already here: notices, which a verb locks on its way, come after deliveries.
    list(locked(current.deliveries.all()))
    if current.content_hash != shown:
        raise Stale("Another user changed this text meanwhile. Read it again.")
    response.state = current.state
