"""Reassign the open cases of a user to another user, for example because the user is ill.

The drafts that the user wrote for the cases and their call-backs go with them. The clocks of the
cases do not change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import About, Notice, User
from routing import above
from routing.models import CallBack, Case, CaseEvent


@dataclass(frozen=True, slots=True)
class Reassigned:
    """What was reassigned to the new user.

    cases, texts: the ids of the cases and of the drafts. call_backs: how many call-backs.
    stayed: how many cases were not reassigned, because the new user may not work in their
      departments.
    """

    cases: tuple[int, ...]
    texts: tuple[int, ...]
    call_backs: int
    stayed: int

    @property
    def sentence(self) -> str:
        """Return what was reassigned, for example “12 cases, 2 drafts and 1 call-back”."""
        texts, calls = len(self.texts), self.call_backs
        parts = [ngettext("%d case", "%d cases", len(self.cases)) % len(self.cases)]
        parts += [ngettext("%d draft", "%d drafts", texts) % texts] if texts else []
        parts += [ngettext("%d call-back", "%d call-backs", calls) % calls] if calls else []
        return get_text_list(parts, _("and"))


@transaction.atomic
def reassign_cases(cases: QuerySet[Case], *, person: User, to: User, by: User) -> Reassigned:
    """Assign those of the cases that `person` has to `to`, with their drafts and call-backs."""
    found = cases.filter(assignee=person).values_list("pk", flat=True)
    workable = set(
        Case.objects.workable_by(to).filter(pk__in=list(found)).values_list("pk", flat=True)
    )
    stayed = len(found) - len(workable)
    rows = [
        row for row in Case.objects.filter(pk__in=workable).lock() if row.assignee_id == person.pk
    ]
    for case in rows:
        case.compare_and_set({}, assignee_id=to.pk)
        why = _("Reassigned from %s.") % person
        case.log(CaseEvent.Kind.CLAIMED, by=by, person=str(to), why=why)
    keys = [case.pk for case in rows]
    drafts = above.reassign_drafts(person, to, keys)
    call_backs = CallBack.objects.filter(case__in=keys, closed_at=None).count()
    result = Reassigned(tuple(keys), tuple(drafts), call_backs, stayed)
    _tell(result, person=person, to=to, by=by)
    return result


@transaction.atomic
def undo_reassignment(
    cases: Collection[int], drafts: Collection[int], *, person: User, to: User, by: User
) -> int:
    """Undo a reassignment: return cases and drafts that `to` still has to `person`.

    Returns the number of cases that were returned.
    """
    rows = [row for row in Case.objects.filter(pk__in=cases).lock() if row.assignee_id == to.pk]
    for case in rows:
        case.compare_and_set({}, assignee_id=person.pk)
        why = _("Reassignment undone: returned to %s.") % person
        case.log(CaseEvent.Kind.UNDONE, by=by, why=why)
    above.return_drafts(to, person, drafts)
    return len(rows)


def _tell(done: Reassigned, *, person: User, to: User, by: User) -> None:
    if done.cases:
        about = About(
            key="",
            title=_("Cases of %s") % person,
            place="",
            url=reverse("routing:inbox") + "?view=mine",
        )
        Notice.give([to], Notice.Kind.ASSIGNED, by=by, about=about, text=done.sentence)
