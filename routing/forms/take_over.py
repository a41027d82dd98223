from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.forms.reassign import PersonChoice
from crm.models import Department, Membership, User
from routing.forms.base import PlainForm
from scrm.web.form_fields import set_queryset


class TakeOverForm(PlainForm):
    """The colleague who gets the open cases of a user."""

    to = PersonChoice(User.objects.none(), label=_("New assignee"), empty_label=_("choose a user"))

    def __init__(self, *args: Any, person: User, user: User, **kwargs: Any) -> None:
        super().__init__(*args, initial={"to": user.pk if user != person else None}, **kwargs)
        worked = Department.objects.worked_by(user).values("pk")
        colleagues = Membership.objects.working().filter(department__in=worked).values("user")
        may = Q(pk__in=colleagues) | Q(pk=user.pk)
        set_queryset(self, "to", User.objects.active().filter(may).exclude(pk=person.pk))
