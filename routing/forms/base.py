from __future__ import annotations

from typing import Any

from django import forms

from crm.models import User
from routing.models import Department, Membership


class PlainForm(forms.Form):
    """Form without colons after labels, and with ids that are unique if forms share a page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        kwargs.setdefault("auto_id", f"{type(self).__name__.lower()}_%s")
        super().__init__(*args, **kwargs)


def works_in(person: User, department: Department) -> bool:
    """Whether the person may be assigned work in the department: a member, not read-only."""
    member = Membership.objects.filter(user=person, department=department)
    return member.exclude(role=Membership.Role.READER).exists()
