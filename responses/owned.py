"""The kinds of rows of this app that users own, and what happens to them when a user leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from crm.ownership import OwnedKind, owner_field, without_actor
from responses.models import (
    ApprovalRequest,
    Campaign,
    Draft,
    HistoryView,
    Response,
    ResponseRule,
    SavedReply,
)
from responses.models.approval import HOLD
from responses.models.response import State
from responses.release import ask_approvers
from responses.rules.judge import Reason
from routing.models import Case
from scrm.db.locks import locked


@transaction.atomic
def hold_planned(person: User, *, by: User, now: datetime) -> int:
    """Hold the planned responses of a user who leaves; return their number.

    A team lead can still approve them, so that they are sent as planned. A response with a
    delivery that was already attempted is not held.
    """
    planned = Response.objects.filter(author=person, state=State.RELEASED, send_at__gt=now)
    held = [row for row in planned.lock() if not row.deliveries.exclude(state="queued").exists()]
    text = _("The author, %s, has left. Approve the text, or reassign it to another author.")
    why = text % person
    for response in held:
        reason = Reason(0, _("Author has left"), "hold", why, steps=("lead",))
        response.verdict = [*response.verdict, asdict(reason)]
        ApprovalRequest.open_for(response, steps=reason.steps, within=0, now=now)
        # A lead who approved the post before must approve it again: the author cannot react now.
        response.approvals.create(
            content_hash=response.content_hash, approved=False, step=HOLD, by=by, reason=why, at=now
        )
        response.become(State.HELD)
        response.note(_("Held: %s") % why, by=by, now=now)
        ask_approvers(response, now=now)
    return len(held)


def drafts_of(person: User, cases: Collection[int]) -> int:
    """Return how many drafts a user has for these cases."""
    return _drafts(person).filter(case__in=cases).count()


def reassign_drafts(person: User, to: User, cases: Collection[int]) -> list[int]:
    """Make `to` the author of the drafts that `person` wrote for these cases; return their ids.

    A draft stays if `to` has a draft of the same kind for the same case.
    """
    drafts = Draft.objects.filter(author=person, case__in=cases)
    return _reassign(drafts, to)


def return_drafts(to: User, person: User, drafts: Collection[int]) -> list[int]:
    """Return drafts that `to` got from `person`, as far as `to` still has them."""
    return _reassign(Draft.objects.filter(author=to, pk__in=drafts), person)


def _reassign(drafts: QuerySet[Draft], to: User) -> list[int]:
    rows = list(locked(drafts))
    taken = set(Draft.objects.filter(author=to).values_list("case", "issue", "kind"))
    free = [row.pk for row in rows if (row.case_id, row.issue_id, row.kind) not in taken]
    # The version changes, so that an open page of the old author cannot overwrite the text.
    Draft.objects.filter(pk__in=free).update(author=to, version=F("version") + 1)
    return free


def _drafts(user: User) -> QuerySet[Any, Any]:
    return Draft.objects.filter(author=user).exclude(text="").order_by("pk")


def _reassign_drafts(person: User, to: User) -> int:
    """Reassign the drafts for cases that `to` may work on, and for issues."""
    workable = Case.objects.workable_by(to).values("pk")
    rows = _reassign(Draft.objects.filter(author=person, case__in=workable), to)
    return len(rows) + len(_reassign(Draft.objects.filter(author=person, case=None), to))


def _unsent(user: User) -> QuerySet[Any, Any]:
    return Response.objects.filter(author=user, state__in=[State.DRAFT, State.HELD]).order_by("pk")


@transaction.atomic
def _reassign_unsent(person: User, to: User, by: User) -> int:
    """Make `to` the author of unsent responses. A held response becomes a draft of `to`.

    A response stays if `to` may not work in its department.
    """
    count = 0
    for response in _unsent(person).lock():  # type: ignore[attr-defined]
        if not (to.sees_everything or response.department.has_worker(to)):
            continue
        if response.state == State.HELD:
            response.become(State.DRAFT)
        Response.objects.filter(pk=response.pk).update(author=to)
        response.note(_("Author changed to %s.") % to, by=by, now=timezone.now())
        count += 1
    return count


OWNED = (
    OwnedKind(
        "drafts", "responses.Draft.author", __("Drafts"), _drafts, without_actor(_reassign_drafts)
    ),
    OwnedKind(
        "unsent",
        "responses.Response.author",
        __("Unsent and held responses"),
        _unsent,
        _reassign_unsent,
    ),
    owner_field("campaigns", __("Campaigns"), Campaign.objects.filter(closed_at=None)),
    owner_field("business_rules", __("Business rules"), ResponseRule.objects),
    owner_field("saved_replies", __("Saved replies"), SavedReply.objects),
    owner_field("history_views", __("Saved views of the response history"), HistoryView.objects),
)
