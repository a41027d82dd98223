from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as __

from crm.models import Department, Membership, User
from routing.forms.base import PlainForm


class MembershipsForm(PlainForm):
    """The roles of one user. The form has one field for each department."""

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.departments = {
            _name(department): department for department in Department.objects.all()
        }
        self.held = dict(person.memberships.values_list("department", "role")) if person else {}
        for name, department in self.departments.items():
            self.fields[name] = forms.ChoiceField(
                label=department.name,
                required=False,
                choices=[("", __("no role")), *Membership.Role.choices],
                initial=self.held.get(department.pk, ""),
            )

    @property
    def changes(self) -> Iterator[tuple[Department, str]]:
        """Yield (department, new role) for each department in which the role changes.

        The role "" means that the user is removed from the department.
        """
        for name, department in self.departments.items():
            role = self.cleaned_data[name]
            if role != self.held.get(department.pk, ""):
                yield department, role


def _name(department: Department) -> str:
    """Return the name of the form field for this department."""
    return f"part-{department.pk}"
