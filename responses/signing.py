"""Signing a held text as it was shown, and rewriting one on the way."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from crm.models import User
from responses.models import Response
from responses.models.response import State
from responses.models.sending import Sending
from responses.recipients import competing
from routing.models import Case, CaseEvent, Notice
from routing.models.status import Stale


class Rewritten(NamedTuple):
    """New words for a draft or a held text. versions: account → what goes there instead."""

    text: str
    subject: str
    versions: dict[str, str]


def may_approve(response: Response, user: User) -> bool:
    return user.sees_everything or response.department.is_led_by(user)


def may_edit(response: Response, user: User) -> bool:
    """Whoever approves it; its author, while they may still speak there."""
    own = response.author_id == user.pk
    return may_approve(response, user) or (own and _may_speak(response, user))


def _may_speak(response: Response, user: User) -> bool:
    if response.case_id:
        return Case.objects.workable_by(user).filter(pk=response.case_id).exists()
    return response.department.memberships.working().filter(user=user).exists()


def is_unsent(response: Response) -> bool:
    """Whether surely nothing of it has left, so that it may still be changed.

    A correction of a post is stopped where it was written, not changed on its way.
    """
    if response.state in {State.DRAFT, State.HELD}:
        return True
    states = {each.state for each in response.deliveries.all()}
    waits = response.state == State.RELEASED and not response.corrects_in_place
    return waits and states in ({Sending.QUEUED}, {Sending.FAILED})


def why_not(response: Response, user: User) -> str:
    """Why they cannot give the next signature, in words; "" if they can."""
    return response.why_not_signed_by(user) if may_approve(response, user) else "not yours"


@transaction.atomic
def approve(response: Response, *, shown: str, by: User, instead: bool = False) -> None:
    """Sign what was shown (its content hash). Raises Stale if the words are others by now.

    instead: other replies to the same person that wait as well go back to their authors.
    """
    _check_shown(response, shown)
    response.approve(by=by)
    if instead and response.state == "released":
        why = f"Another reply to this person was approved: {response.quote}"
        pending = Response.objects.approvable_by(by).filter(case=response.case_id or 0)
        for other in competing(response, pending):
            other.send_back(by=by, why=why)


@transaction.atomic
def rewrite_and_send(
    response: Response, words: Rewritten, *, shown: str, seen: int | None, by: User
) -> None:
    """Change the words and let them go; an approver who is asked again by the rules signs.

    Raises Stale or Refused, and then nothing was changed.
    """
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    response.edit(**words._asdict(), by=by)
    if response.case and response.author_id != by.pk:
        why = f"{by} changed the words of {response.author}."
        response.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, response=response.pk)
    response.send(by=by)
    if response.author_id == by.pk:
        return
    if response.state == "held" and not why_not(response, by):
        response.approve(by=by, why=f"Edited by {by}.")
    elif response.state == "released":
        edited = f"Edited by {by}, and on its way."
        response.tell_author(Notice.Kind.APPROVED, by=by, text=edited)


@transaction.atomic
def rewrite(response: Response, words: Rewritten, *, shown: str, by: User) -> None:
    """Change the words and keep them as a draft. Raises Stale."""
    _check_shown(response, shown)
    response.edit(**words._asdict(), by=by)


def _check_shown(response: Response, shown: str) -> None:
    """Locks the response, so that what is signed is what was read."""
    current = Response.objects.select_for_update(of=("self",)).get(pk=response.pk)
    if current.content_hash != shown:
        raise Stale("Somebody changed the words while you were reading. Read them again.")
