"""Link cases of different people, or keep cases of one person apart."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.models import User
from routing.models import Case, CaseEvent, CaseLink
from routing.models.status import Stale

_WORDS = {
    CaseLink.Kind.LINKED: gettext_lazy("Linked with #%(case)d."),
    CaseLink.Kind.APART: gettext_lazy("Kept separate from #%(case)d."),
    None: gettext_lazy("No longer linked with #%(case)d."),
}


@transaction.atomic
def link_cases(case: Case, other: Case, kind: CaseLink.Kind | None, *, by: User) -> None:
    """Store what a user decided about two cases; None takes the decision back.

    Raises Stale with a message for the user if both are the same case, or if one was merged.
    """
    if case.pk == other.pk:
        raise Stale(_("A case cannot be linked with itself. Nothing was changed."))
    for row in Case.objects.filter(pk__in=[case.pk, other.pk]).lock():
        row.check_not_merged()
    one, two = sorted([case.pk, other.pk])
    found = CaseLink.objects.filter(one=one, other=two)
    if (found.first() and found.get().kind) == kind:
        return
    found.delete()
    if kind is not None:
        CaseLink.objects.create(one_id=one, other_id=two, kind=kind, by=by)
    for here, there in ((case, other), (other, case)):
        here.log(CaseEvent.Kind.LINKED, by=by, why=_WORDS[kind] % {"case": there.pk})
