"""What an action on a case is: its name, its form, and how it runs on one or several cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from crm.models import User
from routing import forms
from routing.models import Case
from routing.models.case import CaseQuerySet
from routing.models.status import Stale

Text = str | Promise


class Place(StrEnum):
    """The place on the case page where the button of an action is shown."""

    HEAD = "head"
    MENU = "menu"
    END = "end"  # the end of the row of buttons, after the menu
    ASSIGNEE = "assignee"
    COMPOSER = "composer"  # a tab of the composer, with its own form
    PEOPLE = "people"  # beside the followers and participants


@dataclass(frozen=True, slots=True)
class VerbInput:
    """A user's input for an action on one case.

    entered: the cleaned values of the action's form.
    last_inbound: id of the last inbound message that the user's page showed; None if the page
      showed no message.
    assignee: id of the assignee that the user's page showed; None if the page showed no assignee.
    """

    by: User
    entered: Mapping[str, Any]
    last_inbound: int | None
    assignee: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """How an action runs on several selected cases.

    To find out which cases an action changed, the snapshots before and after the action are
    compared. Therefore `routing.undo.snapshot` must contain every value that the action changes.

    message: the confirmation; it contains %s for the number of cases.
    form: the form with the fields that the bulk bar shows.
    values: constant values for fields of `CaseVerb.form`. For each case, this form gets these
      values and the values that the user entered in the bulk bar.
    on_bar: True if the bar shows a button, False if the action is in the menu of the bar. If the
      form has fields, the button of the bar opens them.
    """

    label: Text
    message: Text
    form: type[forms.BulkForm] = forms.BulkForm
    values: Mapping[str, Text] = field(default_factory=dict)
    on_bar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerb:
    """One action on a case, for example “Snooze”.

    name: the name of the action and of its URL pattern.
    label: the text in the list of keyboard shortcuts and in the command palette.
    run: runs the action. It raises Stale if the case changed since the page was shown.
    message: returns the confirmation for the changed case.
    key: the keyboard shortcut; "" if there is none.
    form: the form for the input that the action needs.
    button: returns the text of the button. If it is None, the text is `label`.
    applies: returns whether the action is possible on the case for the user now. If it is not, the
      page does not offer it, and `has_effect` refuses it.
    refusal: why the action is not possible, in words; "" for a general sentence.
    is_reached: returns whether the case already is as the action leaves it, although the action
      does not apply. Then a repeated click gets the confirmation and changes nothing.
    for_readers: whether it needs no right to work on the case: everybody who sees it may run it.
    finishes: whether the browser opens the next case of the list after the action.
    bulk: how the action runs on several cases; None if it runs only on one case.
    path: the last part of the URL; if it is "", the last part is `name`.
    """

    name: str
    label: Text
    run: Callable[[Case, VerbInput], object]
    message: Callable[[Case], str]
    key: str = ""
    form: type[forms.CaseVerbForm] = forms.CaseVerbForm
    place: Place = Place.MENU
    button: Callable[[Case], str] | None = None
    applies: Callable[[Case, User], bool] = lambda _case, _user: True
    refusal: Text = ""
    is_reached: Callable[[Case, User], bool] = lambda _case, _user: False
    undoable: bool = False
    for_readers: bool = False
    finishes: bool = False
    is_dangerous: bool = False
    bulk: Bulk | None = None
    app: str = "routing"
    path: str = ""

    @property
    def url_name(self) -> str:
        return f"{self.app}:{self.name}"

    @property
    def asks(self) -> bool:
        """Return whether the form always has visible fields; see `CaseVerbForm.asks`."""
        return any(not field.widget.is_hidden for field in self.form.base_fields.values())

    def cases_of(self, user: User) -> CaseQuerySet:
        """Return the cases on which the user may run the action."""
        cases = Case.objects
        return cases.visible_to(user) if self.for_readers else cases.workable_by(user)

    def has_effect(self, case: Case, user: User) -> bool:
        """Return whether the action must run. Raises Stale if it is not possible on the case."""
        if self.applies(case, user):
            return True
        if self.is_reached(case, user):
            return False
        refusal = self.refusal or _("This action is not possible on this case now.")
        raise Stale(f"{refusal} " + _("Nothing was changed."))

    def form_for(
        self, case: Case, user: User, data: Mapping[str, Any] | None = None
    ) -> forms.CaseVerbForm:
        return self.form(data, case=case, user=user, auto_id=f"{self.name}_%s")

    def button_on(self, case: Case) -> Text:
        return self.button(case) if self.button else self.label
