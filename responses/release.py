"""Release a response if the business rules allow it; otherwise hold it for approval or refuse it.

A held response waits for the approvals in its `ApprovalRequest`. The outbox sends the deliveries of
a released response.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Notice, User
from responses.answered_item import why_not_answered
from responses.models import ApprovalRequest, Response, ResponseRule
from responses.models.approval import request_of
from responses.models.response import Refused, State
from responses.rule_facts import facts_of
from responses.rules.judge import DRAFTS_ONLY, Verdict, judge, together
from routing.models.status import Stale
from scrm.bus.live import publish
from scrm.bus.nudge import nudge
from scrm.db.locks import update_in_order


def verdict_on(
    response: Response, *, accounts: Collection[Account] | None = None, now: datetime
) -> Verdict:
    """Apply the business rules to the response as it is now.

    `accounts` are the accounts that will send the response. They must be given if the response is
    not stored yet, because an unsaved response has no deliveries.
    """
    if accounts is None:
        accounts = [delivery.account for delivery in response.deliveries.select_related("account")]
    rules = ResponseRule.objects.in_force()
    if response.department.only_drafts(response.author):
        rules.append(DRAFTS_ONLY)
    return together(judge(facts, rules) for facts in facts_of(response, accounts, now=now))


@transaction.atomic
def send(response: Response, *, by: User, now: datetime | None = None) -> Response:
    """Release a draft, or hold it for approval.

    Raises Refused with the reason of a business rule, or if the author has deleted the message that
    the response answers. Raises Stale if the response is not a draft.
    """
    now = now or timezone.now()
    mine = response.lock()
    if mine.state != State.DRAFT:
        raise Stale("This text was already sent. Nothing was sent twice.")
    _check_item(mine)
    verdict = verdict_on(mine, now=now)
    mine.verdict = [asdict(reason) for reason in verdict.reasons]
    mine.to_review = any(reason.verdict == "review" for reason in verdict.reasons)
    _check(verdict)
    if verdict.outcome == "hold":
        _hold(mine, verdict, by=by, now=now)
    else:
        _release(mine, by=by, now=now)
    response.refresh_from_db()
    return response


@transaction.atomic
def approve(response: Response, *, by: User, why: str = "", now: datetime | None = None) -> None:
    """Approve the text of a held response. After the last approval, release the response.

    Nobody can approve the same text twice. Users cannot approve their own texts. There is one
    exception: if a team lead must approve and the author is the only team lead of the department,
    the author can approve.

    Raises Refused if this user cannot approve the response, or if a business rule refuses the
    response. Raises Stale if the response is not held.
    """
    now = now or timezone.now()
    mine = _lock_held(response)
    request = request_of(mine)
    if refusal := request.why_not_approved_by(by):
        raise Refused(refusal)
    _check_item(mine)
    _check(verdict_on(mine, now=now))
    mine.approvals.create(
        content_hash=mine.content_hash,
        approved=True,
        self_approved=mine.author_id == by.pk,
        step=request.next_step,
        by=by,
        reason=why,
        at=now,
    )
    if request.next_step:
        mine.end_approval_notices()
        ask_approvers(mine, now=now)
        mine.note(
            f"Approved. The text waits for approval by a {request.next_step}.", by=by, now=now
        )
    else:
        _release(mine, by=by, now=now)
        mine.tell_author(Notice.Kind.APPROVED, by=by, text=why or mine.quote, now=now)
    response.refresh_from_db()


@transaction.atomic
def send_back(response: Response, *, by: User, why: str, now: datetime | None = None) -> None:
    """Make a held response a draft again, and notify its author with the reason."""
    now = now or timezone.now()
    mine = _lock_held(response)
    mine.approvals.create(content_hash=mine.content_hash, approved=False, by=by, reason=why, at=now)
    mine.become(State.DRAFT)
    mine.note(f"Sent back: {why}", by=by, now=now)
    edit_url = reverse("responses:edit", args=[mine.pk])
    mine.tell_author(Notice.Kind.SENT_BACK, by=by, text=why, url=edit_url, now=now)
    response.refresh_from_db()


@transaction.atomic
def escalate(response: Response, *, now: datetime) -> None:
    """Notify supervisors and admins that nobody approved a response before the deadline."""
    # The response is locked first: if it was approved meanwhile, it must not be escalated.
    response.lock()
    if not Response.objects.undecided(now).filter(pk=response.pk).exists():
        return
    ApprovalRequest.objects.filter(response=response).update(escalated_at=now)
    _ask_supervisors(response, now=now)
    publish(f"department:{response.department_id}", "response", response.pk)


@transaction.atomic
def review(response: Response, *, by: User, now: datetime | None = None) -> None:
    """Record that a user has reviewed a sent response.

    Raises Stale if another user has already reviewed it, or if the user may not review it.
    """
    now = now or timezone.now()
    mine = Response.objects.reviewable_by(by).filter(pk=response.pk)
    if not mine.update(reviewed_by=by, reviewed_at=now):
        raise Stale("This text was already reviewed by another user, or it is your own text.")
    response.note("Reviewed after sending.", by=by, now=now)


def ask_approvers(response: Response, *, now: datetime) -> None:
    """Notify the users who can give the next approval.

    These are the team leads of the department. If a supervisor must approve, or if no team lead
    other than the author exists, supervisors and admins are notified instead.
    """
    leads = response.department.leads().exclude(pk=response.author_id)
    if request_of(response).next_step == "lead" and leads.exists():
        _notify(response, leads, now=now)
    else:
        _ask_supervisors(response, now=now)


def _hold(response: Response, verdict: Verdict, *, by: User, now: datetime) -> None:
    # The approval request is stored before the state, because pages of held responses read it.
    ApprovalRequest.open_for(response, steps=verdict.steps, within=verdict.within, now=now)
    response.become(State.HELD)
    response.note("Held for approval.", by=by, now=now)
    ask_approvers(response, now=now)


def _release(response: Response, *, by: User, now: datetime) -> None:
    """Mark a response as released, and set when its deliveries are sent.

    They are sent at their planned time, but not before the time for undo is over.
    """
    wait = settings.UNDO_SECONDS
    soon = now + timedelta(seconds=wait)
    send_after = max(soon, response.send_at or soon)
    queued = response.deliveries.filter(state="queued")
    # This comes before become(), which locks notices: deliveries are locked before notices.
    update_in_order(queued, send_after=send_after)
    response.released_at = now
    response.become(State.RELEASED)
    if send_after == soon:  # the periodic task sends deliveries that are planned for later
        for pk in queued.values_list("pk", flat=True):
            nudge("scrm.pipeline.deliver", pk, after=wait)
    response.note("Released for sending.", by=by, now=now)


def _lock_held(response: Response) -> Response:
    mine = response.lock()
    if mine.state != State.HELD:
        raise Stale(f"This text is no longer held: it is {mine.get_state_display().lower()}.")
    return mine


def _ask_supervisors(response: Response, *, now: datetime) -> None:
    above = User.objects.seeing_everything()
    _notify(response, above.exclude(pk=response.author_id), now=now)


def _notify(response: Response, users: models.QuerySet[User], *, now: datetime) -> None:
    about = response.case.as_subject if response.case else None
    Notice.give(
        users,
        Notice.Kind.TO_APPROVE,
        by=response.author,
        about=about,
        text=response.quote,
        url=response.approval_url,
        now=now,
    )


def _check_item(response: Response) -> None:
    """Raise Refused if the author has deleted the message that the response answers."""
    if why := why_not_answered(response.in_reply_to):
        raise Refused(why)


def _check(verdict: Verdict) -> None:
    if verdict.stops:
        raise Refused(" ".join(reason.advice for reason in verdict.stops))
