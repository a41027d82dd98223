from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.forms.reassign import PersonChoice
from crm.models import Membership, User
from routing.forms.base import PlainForm
from routing.models import Case
from scrm.web.form_fields import set_queryset


class TakeOverForm(PlainForm):
    """The colleague who gets these open cases of `person`.

    Only colleagues who work in the department of at least one of the cases are offered.
    """

    to = PersonChoice(User.objects.none(), label=_("New assignee"), empty_label=_("choose a user"))

    def __init__(
        self, *args: Any, cases: QuerySet[Case], person: User, user: User, **kwargs: Any
    ) -> None:
        super().__init__(*args, initial={"to": user.pk if user != person else None}, **kwargs)
        departments = cases.order_by().values("department")
        colleagues = Membership.objects.working().filter(department__in=departments).values("user")
        may = Q(pk__in=colleagues) | Q(pk=user.pk)
        offered = User.objects.active().filter(may).exclude(pk=person.pk)
        set_queryset(self, "to", offered.order_by("name"))
