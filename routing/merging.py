"""Merge two cases of one party into one, and undo that.

The lock of the ledger is taken first, so no item arrives and no text of ours is recorded meanwhile.
The order of locks is in `docs/decisions/0014-lock-order.md`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import lock_workspace
from crm.models import Interaction, Notice, User
from routing import above
from routing.call_back import open_call_back
from routing.case_state import merged_state, state_of, status_from_items, update_last_inbound
from routing.due_times import recompute
from routing.following import may_follow
from routing.models import (
    CallBack,
    Case,
    CaseConversation,
    CaseEvent,
    CaseFollower,
    CaseParticipant,
)
from routing.models.case_conversation import restrict
from routing.models.status import Stale, Status
from routing.party import is_same_party
from routing.sensitive import tell_on_call

Kind = CaseEvent.Kind


def merge_refusal(source: Case, target: Case, by: User) -> str:
    """Return the reason why `source` cannot be merged into `target`, for the user; "" if it can."""
    if source.pk == target.pk:
        return "A case cannot be merged with itself."
    for case in (source, target):
        if case.merged_into_id:
            return f"Case #{case.pk} was already merged into #{case.merged_into_id}."
        if not Case.objects.workable_by(by).filter(pk=case.pk).exists():
            return "You can merge only cases that you have permission to work on."
    if not is_same_party(source, target):
        return (
            f"Cases #{source.pk} and #{target.pk} belong to different people. Link the cases "
            "instead, or link the profiles to one contact first."
        )
    if source.department.is_restricted and source.department_id != target.department_id:
        return (
            f"Case #{source.pk} is restricted to {source.department}. Merge case #{target.pk} into "
            f"case #{source.pk} instead."
        )
    if target.is_closed and not source.is_closed:
        return (
            f"Case #{target.pk} is closed. Merge it into case #{source.pk} instead, or reopen it."
        )
    return ""


@transaction.atomic
def merge(
    source: Case, target: Case, *, by: User, why: str = "", now: datetime | None = None
) -> CaseEvent:
    """Merge `source` into `target`, and return the event, which `undo_merge` needs.

    Raises Stale with a message for the user if the cases cannot be merged; nothing is then changed.
    """
    now = now or timezone.now()
    source, target = _lock(source.pk, target.pk)
    if refusal := merge_refusal(source, target, by):
        raise Stale(f"{refusal} Nothing was changed.")
    moved: dict[str, Any] = {
        "source": source.pk,
        "before": {"source": state_of(source), "target": state_of(target)},
        "texts": above.move_responses(source, target, None, (), by),
        "absorbed": list(source.absorbed.values_list("pk", flat=True)),
        "call_back": _move_call_back(source, target, by=by, now=now),
        "followers": _copy_followers(source, target),
        "participants": _copy_participants(source, target),
    }
    values = merged_state(target, source)  # before the source counts as closed
    _close(source, target, now=now)
    moved["links"] = move_links(source, target, now=now)
    Case.objects.filter(pk=target.pk).update(**values)
    update_last_inbound(target)
    update_last_inbound(source)
    recompute([source.pk, target.pk], now=now)
    target.refresh_from_db()
    restrict(target.conversations)
    moved["after"] = state_of(target)
    source.log(Kind.MERGED, by=by, why=f"into case #{target.pk}. {why}".strip(), now=now)
    said = f"case #{source.pk} into this case. {why}".strip()
    event = target.log(Kind.MERGED, by=by, why=said, now=now, merge=moved)
    _tell_assignees(source, target, by=by, why=why, now=now)
    if target.sensitive != moved["before"]["target"]["sensitive"]:
        tell_on_call([target], now=now, by=by)
    return event


def _tell_assignees(source: Case, target: Case, *, by: User, why: str, now: datetime) -> None:
    """Notify the assignees of both cases, if they may see the case that stays."""
    words = _("Case #%(case)d was merged into this case.") % {"case": source.pk}
    assignees = [user for user in (source.assignee_id, target.assignee_id) if user]
    told = may_follow(target).filter(pk__in=assignees)
    kind, text = Notice.Kind.MERGED, f"{words} {why}".strip()
    Notice.give(told, kind, by=by, about=target.as_subject, text=text, now=now)


def _lock(*keys: int) -> list[Case]:
    """Lock the ledger and these cases; return the cases in the order of the arguments."""
    lock_workspace()
    # With the cases that were merged into them before: they move too.
    Case.objects.filter(Q(pk__in=keys) | Q(merged_into__in=keys)).lock()
    rows = Case.objects.select_related("profile", "department").in_bulk(keys)
    return [rows[key] for key in keys]


def _close(source: Case, target: Case, *, now: datetime) -> None:
    merged = Case.objects.filter(pk=source.pk)
    merged.update(
        status=Status.DONE, done_at=source.done_at or now, snoozed_until=None, merged_into=target,
    )  # fmt: skip
    # A merged case never points at another merged case.
    Case.objects.filter(merged_into=source).update(merged_into=target)
    source.refresh_from_db()


def move_links(
    source: Case, target: Case, *, now: datetime, conversations: list[int] | None = None
) -> list[list[int]]:
    """Move conversations to another case; return [id of the ended link, id of the new link] each.

    conversations: None means all that belong to the source now.
    """
    links = CaseConversation.objects.filter(case=source, ended_at=None)
    if conversations is not None:
        links = links.filter(conversation__in=conversations)
    ended = list(links.order_by("pk"))
    links.update(ended_at=now, took_along=True)
    opened = CaseConversation.objects.bulk_create(
        CaseConversation(case=target, conversation_id=link.conversation_id, since=now)
        for link in ended
    )
    return [[old.pk, new.pk] for old, new in zip(ended, opened, strict=True)]


def restore_links(pairs: list[list[int]], *, of: Case) -> list[int]:
    """Move those conversations back whose new link is still current; return their ids."""
    current = CaseConversation.objects.filter(
        pk__in=[new for _old, new in pairs], case=of, ended_at=None
    )
    found = dict(current.values_list("pk", "conversation"))
    current.delete()
    back = [old for old, new in pairs if new in found]
    CaseConversation.objects.filter(pk__in=back).update(ended_at=None, took_along=False)
    return list(found.values())


def _move_call_back(source: Case, target: Case, *, by: User, now: datetime) -> int | None:
    """Move the open call-back; if both cases have one, the earlier one stays open.

    Returns the id of the call-back that moved, or None.
    """
    planned, there = open_call_back(source), open_call_back(target)
    if planned is None:
        return None
    if there:
        later = max(planned, there, key=lambda call_back: call_back.at)
        CallBack.objects.filter(pk=later.pk).update(closed_at=now, closed_by=by)
        if later == planned:
            return None
    CallBack.objects.filter(pk=planned.pk).update(case=target)
    return planned.pk


def _copy_followers(source: Case, target: Case) -> list[int]:
    """Let the followers of a case follow another one, if they may see it; return the new ones."""
    new = may_follow(target).filter(followed_cases__case=source)
    new = new.exclude(pk__in=target.followers.values("user"))
    users = list(new.values_list("pk", flat=True))
    CaseFollower.objects.bulk_create(CaseFollower(case=target, user_id=user) for user in users)
    return users


def _copy_participants(source: Case, target: Case) -> list[int]:
    """Copy the people whom users added, unless they are there; return the ids of the copies."""
    there = set(target.participants.values_list("profile", "contact"))
    rows = CaseParticipant.objects.bulk_create(
        CaseParticipant(
            case=target,
            profile_id=row.profile_id,
            contact_id=row.contact_id,
            role=row.role,
            by_id=row.by_id,
            at=row.at,
        )
        for row in source.participants.order_by("pk")
        if (row.profile_id, row.contact_id) not in there
    )
    return [row.pk for row in rows]


@transaction.atomic
def undo_merge(event: CaseEvent, *, by: User, now: datetime | None = None) -> Case:
    """Undo a merge, and return the restored case.

    Restores exactly the conversations that the merge moved and that are still in the case, with
    their later items. Raises Stale with a message for the user if the merge cannot be undone.
    """
    now = now or timezone.now()
    moved = event.data["merge"]
    target, source = _lock(event.case_id, moved["source"])
    _check_undoable(event, source, target, by)
    unchanged = state_of(target) == moved["after"]
    # Free the merged case first: every other change of a merged case is refused.
    Case.objects.filter(pk=source.pk).update(merged_into=None, **moved["before"]["source"])
    Case.objects.filter(pk__in=moved["absorbed"]).update(merged_into=source)
    if unchanged:
        Case.objects.filter(pk=target.pk).update(**moved["before"]["target"])
    source.refresh_from_db()
    conversations = [
        *CaseConversation.objects.filter(
            pk__in=[new for _old, new in moved["links"]], ended_at=None
        ).values_list("conversation", flat=True)
    ]
    above.move_responses(target, source, conversations, moved["texts"], by)
    CallBack.objects.filter(pk=moved["call_back"] or 0, case=target, closed_at=None).update(
        case=source
    )
    target.followers.filter(user__in=moved["followers"]).delete()
    # Merges of earlier versions stored none.
    target.participants.filter(pk__in=moved.get("participants", [])).delete()
    conversations = restore_links(moved["links"], of=target)
    for case in (target, source):
        update_last_inbound(case)
        restrict(case.conversations)
    _reopen_if_written(source, conversations, since=event.at)
    recompute([source.pk, target.pk], now=now)
    log_undone(event, (target, source), by=by, now=now)
    return source


def log_undone(event: CaseEvent, cases: tuple[Case, Case], *, by: User, now: datetime) -> None:
    """Log in both cases that the merge or split `event` was undone."""
    first, second = cases
    for case in cases:
        case.tell()
        case.events.create(
            kind=Kind.UNDONE,
            by=by,
            undoes=event,
            at=now,
            why=f"{event.get_kind_display()}, cases #{first.pk} and #{second.pk}.",
        )


def _check_undoable(event: CaseEvent, source: Case, target: Case, by: User) -> None:
    if event.undone_by.exists():
        raise Stale("This was already undone. Nothing was changed.")
    for case in (source, target):
        if not Case.objects.workable_by(by).filter(pk=case.pk).exists():
            raise Stale("You do not have permission to work on both cases. Nothing was undone.")
    if source.merged_into_id != target.pk or target.merged_into_id:
        now_in = target.merged_into_id or source.merged_into_id
        raise Stale(f"The case was later merged into case #{now_in}. Undo that merge first.")


def _reopen_if_written(case: Case, conversations: list[int], *, since: datetime) -> None:
    """Reopen a restored case if the party has written in it after it was merged."""
    later = Interaction.objects.filter(
        conversation__in=conversations, direction="in", recorded_at__gt=since
    )
    if later.exists():
        Case.objects.filter(pk=case.pk).update(
            status=status_from_items(case), done_at=None, snoozed_until=None
        )
        case.refresh_from_db()
