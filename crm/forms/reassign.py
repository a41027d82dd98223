from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.leaving import Owned
from crm.models import Membership, User


def with_absence(user: User) -> str:
    """Return the name of a user for a list of choices; it says until when the user is away."""
    if not user.is_away:
        return str(user)
    return _t("%(name)s (away, back on %(day)s)") % {"name": user, "day": user.back_on}


class PersonChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of an active user. It says which of them are away."""

    def label_from_instance(self, obj: User) -> str:  # type: ignore[override]
        return with_absence(obj)


class ReassignForm(forms.Form):
    """The new owners of what a user owns: one for everything, or one for each kind.

    owners: key of a kind → the new owner. The owner of a kind goes before the owner of everything.
    """

    def __init__(self, *args: Any, person: User, owned: list[Owned], **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        # A user who may not act anywhere could neither work on cases nor edit topics and rules.
        working = Q(pk__in=Membership.objects.working().values("user"))
        may = working | Q(role__in=User.SEE_EVERYTHING)
        others = User.objects.active().filter(may).exclude(pk=person.pk).order_by("name")
        self.fields["everything"] = PersonChoice(
            others,
            required=False,
            label=_("New owner of everything"),
            empty_label=_("choose a user"),
        )
        for each in owned:
            self.fields[each.kind.key] = PersonChoice(
                others, required=False, label=str(each.kind.label), empty_label=_("as above")
            )
        self.owned = owned

    @property
    def kinds(self) -> list[tuple[Owned, forms.BoundField]]:
        return [(each, self[each.kind.key]) for each in self.owned]

    @property
    def owners(self) -> dict[str, User]:
        everything = self.cleaned_data.get("everything")
        chosen = {
            each.kind.key: self.cleaned_data.get(each.kind.key) or everything for each in self.owned
        }
        return {key: user for key, user in chosen.items() if user}

    def clean(self) -> dict[str, Any]:
        if not any(self.cleaned_data.values()) and not self.errors:
            raise forms.ValidationError(_("Choose at least one new owner."))
        return self.cleaned_data
