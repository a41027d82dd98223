"""Load what the pages show about merging: other cases of the person, and what a merge would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from crm.models import Interaction, User
from listening.sensitivity import Sensitivity
from routing import above
from routing.case_state import merged_state
from routing.merging import merge_refusal
from routing.models import Case, CaseEvent, CaseLink
from routing.models.rule import Priority
from routing.party import party

UNDOABLE = frozenset({"merge", "split", "forwarded"})
"""An event that can be undone has one of these keys in its `data`."""
MAX_OFFERED = 5
"""The strip names at most this many other cases."""


def also_open(case: Case, user: User) -> list[Case]:
    """Return other open cases of the same person that the user may see, the newest first.

    Cases that a user keeps apart from this case are left out.
    """
    if case.is_closed:
        return []
    cases = Case.objects.visible_to(user).living().filter(profile__in=party(case))
    cases = cases.exclude(pk=case.pk).exclude(_is_linked(case, CaseLink.Kind.APART))
    named = cases.select_related("department", "assignee", "last_inbound")
    return list(named.order_by("-last_inbound_at", "-pk")[:MAX_OFFERED])


def linked_cases(case: Case, user: User) -> list[Case]:
    """Return the cases that users linked to this case; each has the attribute `open_to_user`."""
    cases = Case.objects.filter(_is_linked(case, CaseLink.Kind.LINKED))
    rows = list(cases.select_related("profile", "department", "merged_into").order_by("pk"))
    visible = Case.objects.visible_to(user).filter(pk__in=[row.pk for row in rows])
    open_to_user = set(visible.values_list("pk", flat=True)) if rows else set()
    for row in rows:
        row.open_to_user = row.pk in open_to_user  # type: ignore[attr-defined]
    return rows


def _is_linked(case: Case, kind: CaseLink.Kind) -> Q:
    """Return the condition that selects the cases that have a link of this kind to the case."""
    links = CaseLink.objects.filter(kind=kind)
    others = links.filter(other=case).values("one"), links.filter(one=case).values("other")
    return Q(pk__in=others[0]) | Q(pk__in=others[1])


@dataclass(frozen=True, slots=True)
class Preview:
    """What merging `source` into `target` would do.

    refusal: why it is not possible; "" if it is.
    messages: the number of messages that move. held: the number of held responses, which return to
      their authors. typed: the number of texts that users are typing.
    """

    source: Case
    target: Case
    refusal: str
    messages: int
    held: int
    typed: int
    assignee: User | None
    priority: str
    tags: list[str]
    sensitive: str


def preview(source: Case, target: Case, by: User) -> Preview:
    values = merged_state(target, source)
    held, typed = above.unsent_texts(source)
    assignee = User.objects.filter(pk=values.get("assignee_id", target.assignee_id) or 0).first()
    return Preview(
        source=source,
        target=target,
        refusal=merge_refusal(source, target, by),
        messages=_messages(source),
        held=held,
        typed=typed,
        assignee=assignee,
        priority=str(Priority(values.get("priority", target.priority)).label),
        tags=values["tags"],
        sensitive=str(Sensitivity(values["sensitive"]).label) if values["sensitive"] else "",
    )


def _messages(case: Case) -> int:
    """Return the number of messages of a case, without the edits and deletions by their authors."""
    rows = Interaction.objects.filter(conversation__in=case.conversations)
    return rows.filter(Q(direction="out") | Q(revises=None)).count()


def undoable_events(events: Iterable[CaseEvent]) -> set[int]:
    """Return the ids of those merges, splits and changes of the customer that were not undone."""
    found = {event.pk for event in events if not UNDOABLE.isdisjoint(event.data)}
    if not found:
        return found
    undone = CaseEvent.objects.filter(undoes__in=found, kind=CaseEvent.Kind.UNDONE)
    return found - set(undone.values_list("undoes", flat=True))
