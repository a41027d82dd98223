"""Merge two cases of one party into one, and undo that.

The lock of the ledger is taken first, so no item arrives and no text of ours is recorded meanwhile.
The order of locks is in `docs/decisions/0014-lock-order.md`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.ledger import lock_workspace
from crm.models import Conversation, Interaction, Notice, User
from routing import above
from routing.call_back import open_call_back
from routing.case_state import (
    State,
    merged_state,
    reopen_from_items,
    restored_state,
    state_of,
    stronger_marks,
    update_last_inbound,
)
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
from routing.unanswered import unanswered

Kind = CaseEvent.Kind


def merge_refusal(source: Case, target: Case, by: User) -> str:
    """Return the reason why `source` cannot be merged into `target`, for the user; "" if it can."""
    if source.pk == target.pk:
        return _("A case cannot be merged with itself.")
    for case in (source, target):
        if case.merged_into_id:
            return _("Case #%(case)d was already merged into #%(target)d.") % {
                "case": case.pk,
                "target": case.merged_into_id,
            }
        if not Case.objects.workable_by(by).filter(pk=case.pk).exists():
            return _("You can merge only cases that you have permission to work on.")
    named = {"source": source.pk, "target": target.pk, "department": source.department}
    if not is_same_party(source, target):
        refusal = _(
            "Cases #%(source)d and #%(target)d belong to different people. Link the cases "
            "instead, or link the profiles to one contact first."
        )
    elif would_leave_department(source, target):
        refusal = _(
            "Case #%(source)d is restricted to %(department)s. Merge case #%(target)d into "
            "case #%(source)d instead."
        )
    elif target.is_closed and not source.is_closed:
        refusal = _(
            "Case #%(target)d is closed. Merge it into case #%(source)d instead, or reopen it."
        )
    else:
        return ""
    return refusal % named


def would_leave_department(source: Case, target: Case) -> bool:
    """Return whether texts that move would leave their restricted department."""
    return source.department.is_restricted and source.department_id != target.department_id


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
        raise Stale(f"{refusal} " + _("Nothing was changed."))
    moved: State = {
        "source": source.pk,
        "before": {"source": state_of(source), "target": state_of(target)},
        "texts": above.move_responses(source, target, None, (), by),
        "absorbed": list(source.absorbed.values_list("pk", flat=True)),
        "call_back": move_call_back(source, target, by=by, now=now),
        "followers": copy_followers(source, target),
        "participants": copy_participants(source, target),
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
    into = _("into case #%(case)d.") % {"case": target.pk}
    source.log(Kind.MERGED, by=by, why=f"{into} {why}".strip(), now=now)
    said = _("case #%(case)d into this case.") % {"case": source.pk}
    event = target.log(Kind.MERGED, by=by, why=f"{said} {why}".strip(), now=now, merge=moved)
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


def move_call_back(source: Case, target: Case, *, by: User, now: datetime) -> int | None:
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


def copy_followers(source: Case, target: Case) -> list[int]:
    """Let the followers of a case follow another one, if they may see it; return the new ones."""
    new = may_follow(target).filter(followed_cases__case=source)
    new = new.exclude(pk__in=target.followers.values("user"))
    users = list(new.values_list("pk", flat=True))
    CaseFollower.objects.bulk_create(CaseFollower(case=target, user_id=user) for user in users)
    return users


def copy_participants(source: Case, target: Case) -> list[int]:
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
    check_undoable(event, giver=target, taker=source, by=by)
    _check_still_merged(source, target)
    present = state_of(target)
    # Free the merged case first: every other change of a merged case is refused.
    Case.objects.filter(pk=source.pk).update(merged_into=None, **moved["before"]["source"])
    Case.objects.filter(pk__in=moved["absorbed"]).update(merged_into=source)
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
    _restore_target(target, moved, present, since=event.at)
    if keep_later_marks(source, conversations, present, since=event.at, by=by, now=now):
        reopen_from_items(source)
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
            why=_("%(action)s, cases #%(first)d and #%(second)d.")
            % {"action": event.get_kind_display(), "first": first.pk, "second": second.pk},
        )


def check_undoable(event: CaseEvent, *, giver: Case, taker: Case, by: User) -> None:
    """Raise Stale if the merge or split cannot be undone, whichever of the two it was.

    giver, taker: the case from which texts move back, and the other one.
    """
    if event.undone_by.exists():
        raise Stale(_("This was already undone. Nothing was changed."))
    if Case.objects.workable_by(by).filter(pk__in=[giver.pk, taker.pk]).count() < 2:
        raise Stale(_("You do not have permission to work on both cases. Nothing was undone."))
    if would_leave_department(giver, taker):
        refusal = _(
            "Case #%(case)d is restricted to %(department)s. Transfer it to %(other)s first. "
            "Nothing was undone."
        )
        names = {"department": giver.department, "other": taker.department}
        raise Stale(refusal % {"case": giver.pk, **names})


def _check_still_merged(source: Case, target: Case) -> None:
    if source.merged_into_id != target.pk or target.merged_into_id:
        later = _("The case was later merged into case #%(case)d. Undo that merge first.")
        raise Stale(later % {"case": target.merged_into_id or source.merged_into_id})


def _restore_target(target: Case, moved: State, present: State, *, since: datetime) -> None:
    """Restore the fields of the case that took over the other, as far as nobody changed them."""
    later = _inbound_since(since, target.conversations)
    restored = restored_state(
        moved["before"]["target"], moved["after"], present, heard=later.exists()
    )
    Case.objects.filter(pk=target.pk).update(**restored)
    target.refresh_from_db()
    if "status" in restored and unanswered([target.pk]).filter(pk__in=later).exists():
        reopen_from_items(target)


def keep_later_marks(
    case: Case, conversations: list[int], present: State, *, since: datetime, by: User,
    now: datetime,
) -> bool:  # fmt: skip
    """Mark a case that gets conversations back, if the party has written in them since then.

    Returns whether the party has. Nobody knows which message marked a case: the stronger marks of
    both cases count.

    present: the state of the case in which the conversations were.
    """
    if not _inbound_since(since, conversations).exists():
        return False
    was = case.sensitive
    Case.objects.filter(pk=case.pk).update(**stronger_marks(state_of(case), present))
    case.refresh_from_db()
    if case.sensitive != was:
        tell_on_call([case], now=now, by=by)
    return True


def _inbound_since(at: datetime, conversations: list[int] | QuerySet[Conversation]) -> Any:
    return Interaction.objects.filter(
        conversation__in=conversations, direction="in", revises=None, recorded_at__gt=at
    )
