"""Signing a held text as it was shown, and rewriting one on the way."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from crm.models import User
from responses.models import Response
from routing.models import Case, CaseEvent, Notice
from routing.models.status import Stale


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


def may_sign(response: Response, user: User) -> bool:
    """Approve it, and not merely everybody else's."""
    return may_approve(response, user) and response.may_be_signed_by(user)


def signable(held: Collection[Response], user: User) -> set[int]:
    """Those that an approver of them all may sign.

    Of the rule only department and author differ, so it is asked once for each such pair.
    """
    pairs = {(each.department_id, each.author_id): each for each in held}
    may = {pair: each.may_be_signed_by(user) for pair, each in pairs.items()}
    return {each.pk for each in held if may[each.department_id, each.author_id]}


@transaction.atomic
def approve(response: Response, *, shown: str, by: User) -> None:
    """Sign what was shown (its content hash). Raises Stale if the words are others by now."""
    _check_shown(response, shown)
    response.approve(by=by)


@transaction.atomic
def rewrite_and_send(
    response: Response, *, shown: str, text: str, subject: str, seen: int | None, by: User
) -> None:
    """Change the words and let them go; an approver who is asked again by the rules signs.

    Raises Stale or Refused, and then nothing was changed.
    """
    _check_shown(response, shown)
    if response.case:
        response.case.check_seen(seen)
    response.edit(text=text, subject=subject, by=by)
    if response.case and response.author_id != by.pk:
        why = f"{by} changed the words of {response.author}."
        response.case.log(CaseEvent.Kind.ANSWERED, by=by, why=why, response=response.pk)
    response.send(by=by)
    if response.author_id == by.pk:
        return
    if response.state == "held" and may_approve(response, by):
        response.approve(by=by, why=f"Edited by {by}.")
    elif response.state == "released":
        edited = f"Edited by {by}, and on its way."
        response.tell_author(Notice.Kind.APPROVED, by=by, text=edited)


@transaction.atomic
def rewrite(response: Response, *, shown: str, text: str, subject: str, by: User) -> None:
    """Change the words and keep them as a draft. Raises Stale."""
    _check_shown(response, shown)
    response.edit(text=text, subject=subject, by=by)


def _check_shown(response: Response, shown: str) -> None:
    """Locks the response, so that what is signed is what was read."""
    current = Response.objects.select_for_update(of=("self",)).get(pk=response.pk)
    if current.content_hash != shown:
        raise Stale("Somebody changed the words while you were reading. Read them again.")
