"""Split a conversation or a single item off into a new case, and undo that."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.ledger import lock_workspace
from crm.models import Conversation, Interaction, User
from crm.moves import move_items, split_conversation
from routing import above
from routing.case_state import (
    merged_state,
    reopen_from_items,
    state_of,
    status_from_items,
    update_last_inbound,
)
from routing.due_times import recompute
from routing.merging import (
    check_undoable,
    copy_followers,
    copy_participants,
    keep_later_marks,
    log_undone,
    move_call_back,
    move_links,
    restore_links,
)
from routing.models import Case, CaseConversation, CaseEvent
from routing.models.case_conversation import restrict
from routing.models.status import Stale, Status
from routing.sensitive import tell_on_call
from routing.unanswered import unanswered

Kind = CaseEvent.Kind
ONLY_ITEM = gettext_lazy("This is the only message of the case, so there is nothing to split off.")


@transaction.atomic
def split_off_conversation(
    case: Case, conversation: Conversation, *, by: User, why: str = "", now: datetime | None = None
) -> Case:
    """Move a whole conversation to a new case; return that case.

    Raises Stale with a message for the user if the conversation is no longer in the case, or is the
    only one.
    """
    now = now or timezone.now()
    _lock(case)
    _check_something_remains(case, leaving={conversation.pk})
    return _split(case, conversation, {}, by=by, why=why, now=now)


@transaction.atomic
def split_off_item(
    case: Case, item: Interaction, *, by: User, why: str = "", now: datetime | None = None
) -> Case:
    """Move one message of the party, with our answers to it, to a new case; return that case.

    The message moves to a conversation of its own. If it is the only one of its conversation, the
    conversation moves. Raises Stale like `split_off_conversation`.
    """
    now = now or timezone.now()
    _lock(case)
    if item.is_ours:
        raise Stale(_("Choose an incoming message. Our replies to it move with it."))
    item = Interaction.objects.select_related("conversation").get(pk=item.pk)
    old = item.conversation
    others = _inbound(Interaction.objects.filter(conversation=old)).exclude(pk=item.pk)
    if not others.exists():
        return split_off_conversation(case, old, by=by, why=why, now=now)
    _check_something_remains(case, leaving={old.pk}, item_only=True)
    new = split_conversation(old, now=now)
    answers = Interaction.objects.filter(
        conversation=old, direction="out", scope=item.scope, in_reply_to=item.key
    )
    moved = [item, *item.revisions.filter(conversation=old), *answers]
    move_items(moved, to=new, by=by, why=why, now=now)
    # Link it to the old case first, so that both kinds of split move a link.
    CaseConversation.objects.create(case=case, conversation=new, since=now)
    items = {"items": [row.pk for row in moved], "conversation": new.pk, "old": old.pk}
    return _split(case, new, items, by=by, why=why, now=now)


def _lock(*cases: Case) -> None:
    lock_workspace()
    keys = [case.pk for case in cases]
    Case.objects.filter(Q(pk__in=keys) | Q(merged_into__in=keys)).lock()
    for case in cases:
        case.refresh_from_db()
        case.check_not_merged()


def _inbound(items: Any) -> Any:
    return items.filter(direction="in", revises=None, profile__isnull=False)


def _check_something_remains(
    case: Case, *, leaving: Collection[int], item_only: bool = False
) -> None:
    """Raise Stale if the conversations are not in the case, or if nothing would stay in it.

    item_only: whether other items of these conversations stay.
    """
    here = set(case.conversations.values_list("pk", flat=True))
    if not here.issuperset(leaving):
        raise Stale(_("The message was moved to another case. Nothing was changed."))
    rest = Interaction.objects.filter(conversation__in=here.difference(leaving))
    if not item_only and not _inbound(rest).exists():
        raise Stale(f"{ONLY_ITEM} " + _("Nothing was changed."))


def _split(
    case: Case, conversation: Conversation, items: dict[str, Any], *, by: User, why: str,
    now: datetime,
) -> Case:  # fmt: skip
    first = _inbound(Interaction.objects.filter(conversation=conversation)).order_by("pk").first()
    new = Case.objects.create(
        profile=first.profile if first else case.profile,
        department=case.department,
        assignee=case.assignee,
        priority=case.priority,
        tags=case.tags,
        issue=case.issue,
        sensitive=case.sensitive,
        statutory_due_at=case.statutory_due_at,
        status=Status.OPEN,
        opened_at=now,
    )
    links = move_links(case, new, now=now, conversations=[conversation.pk])
    responses = above.move_responses(case, new, [conversation.pk], (), by)
    # After the responses: they are locked before their deliveries.
    above.move_deliveries(items.get("items", ()), conversation.pk)
    update_last_inbound(new)
    update_last_inbound(case)
    new.status = status_from_items(new)
    new.save(update_fields=["status"])
    recompute([case.pk, new.pk], now=now)
    restrict(new.conversations)
    origin = _("from case #%(case)d.") % {"case": case.pk}
    new.log(Kind.SPLIT, by=by, why=f"{origin} {why}".strip(), now=now, interaction=new.last_inbound)
    data = {"case": new.pk, "links": links, "texts": responses, **items}
    into = _("into the new case #%(case)d.") % {"case": new.pk}
    case.log(Kind.SPLIT, by=by, why=f"{into} {why}".strip(), now=now, split=data)
    return new


@transaction.atomic
def undo_split(event: CaseEvent, *, by: User, now: datetime | None = None) -> Case:
    """Move back what a split moved, with later items in it; return the case.

    If nothing else came into the new case, it is closed and merged into the case. Raises Stale with
    a message for the user if the split cannot be undone.
    """
    now = now or timezone.now()
    split = event.data["split"]
    case, new = Case.objects.get(pk=event.case_id), Case.objects.get(pk=split["case"])
    _lock(case, new)
    check_undoable(event, giver=new, taker=case, by=by)
    pairs = split["links"]
    still = CaseConversation.objects.filter(pk__in=[pair[1] for pair in pairs], ended_at=None)
    conversations = list(still.filter(case=new).values_list("conversation", flat=True))
    if not conversations:
        raise Stale(
            _("The messages that were split off are now in another case. Nothing was undone.")
        )
    waits = unanswered([new.pk]).filter(conversation__in=conversations).exists()
    above.move_responses(new, case, conversations, split["texts"], by)
    restore_links(pairs, of=new)
    if _inbound(Interaction.objects.filter(conversation__in=new.conversations)).exists():
        update_last_inbound(new)
        marks = state_of(new)
        keep_later_marks(case, conversations, marks, since=event.at, by=by, now=now)
    else:
        _merge_back(new, case, by=by, now=now)
    # After the responses: they are locked before their deliveries.
    if "items" in split:
        _move_back(case, split, by=by, now=now)
    update_last_inbound(case)
    if waits:
        reopen_from_items(case)
    recompute([case.pk, new.pk], now=now)
    restrict(case.conversations)
    log_undone(event, (case, new), by=by, now=now)
    return case


def _move_back(case: Case, split: dict[str, Any], *, by: User, now: datetime) -> None:
    """Move the items back to their conversation, as far as no later move took them elsewhere.

    If that conversation is no longer in the case, they come back in the conversation of the split.
    """
    if not case.conversations.filter(pk=split["old"]).exists():
        return
    items = list(
        Interaction.objects.filter(pk__in=split["items"], conversation=split["conversation"])
    )
    old = Conversation.objects.get(pk=split["old"])
    move_items(items, to=old, by=by, why=_("Split undone."), now=now)
    above.move_deliveries([item.pk for item in items], old.pk)
    # Later items in it keep it; otherwise nothing is left of the split.
    if not Interaction.objects.filter(conversation=split["conversation"]).exists():
        CaseConversation.objects.filter(case=case, conversation=split["conversation"]).delete()


def _merge_back(new: Case, case: Case, *, by: User, now: datetime) -> None:
    """Close the new case, and give the case all that was added to it, as a merge does."""
    above.move_responses(new, case, None, (), by)
    values = merged_state(case, new)  # before the new case counts as closed
    is_raised = values["sensitive"] != case.sensitive
    call_back = move_call_back(new, case, by=by, now=now)
    copy_followers(new, case)
    copy_participants(new, case)
    move_links(new, case, now=now)
    Case.objects.filter(pk=new.pk).update(
        status=Status.DONE, done_at=now, snoozed_until=None, merged_into=case
    )
    Case.objects.filter(merged_into=new).update(merged_into=case)
    Case.objects.filter(pk=case.pk).update(**values)
    case.refresh_from_db()
    if call_back and case.is_closed:
        reopen_from_items(case)
    if is_raised:
        tell_on_call([case], now=now, by=by)
