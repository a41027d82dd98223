"""The verbs of a case: one entry each, for the case page, bulk actions, keys and the palette.

A new verb is one entry in `CASE_VERBS` and its method on `Case`. To change a key, change it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from routing import forms
from routing.models import Case
from routing.rules import REOPEN_WITHIN

Text = str | Promise


class Place(StrEnum):
    """Where the case page shows a verb."""

    HEAD = "head"
    MENU = "menu"
    END = "end"  # after the menu
    ASSIGNEE = "assignee"
    COMPOSER = "composer"  # a tab of that name, with a form of its own


@dataclass(frozen=True, slots=True)
class VerbInput:
    """What a user wants of one case. entered: the values of the verb's form.

    last_inbound, assignee: ids that the user's page showed; None for none.
    """

    by: User
    entered: Mapping[str, Any]
    last_inbound: int | None
    assignee: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A verb on the selected cases of the list.

    What it changes must be in `routing.undo.snapshot`, which tells whether a case was changed.
    message: with %s for the number of cases. form: what the bar asks. values: further values for
    the verb's own form. on_bar: shown on the bar itself, not in its menu; only without fields.
    """

    label: Text
    message: Text
    form: type[forms.BulkForm] = forms.BulkForm
    values: Mapping[str, Text] = field(default_factory=dict)
    on_bar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerb:
    """One thing that users do to a case.

    name: also the name of its URL. path: the end of that URL, if it is not the name. label: in the
    list of keys and in the palette. button: its text on the case page, where that differs.
    applies: whether the page offers it to this user now. run: raises Stale if the case changed
    since the page was shown. message: about the case afterwards. finishes: the next case of the
    list opens. bulk: None if not for several cases.
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
    undoable: bool = False
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
        """Whether its form has fields to fill in; otherwise it is a single button."""
        return any(not each.widget.is_hidden for each in self.form.base_fields.values())

    def form_for(self, case: Case, data: Mapping[str, Any] | None = None) -> forms.CaseVerbForm:
        return self.form(data, case=case, auto_id=f"{self.name}_%s")

    def button_on(self, case: Case) -> Text:
        return self.button(case) if self.button else self.label


CASE_VERBS = (
    CaseVerb(
        name="claim",
        key="m",
        label=__("Take the case"),
        button=lambda case: _("Take over") if case.assignee_id else _("Take it"),
        place=Place.HEAD,
        applies=lambda case, user: case.assignee_id != user.pk,
        run=lambda case, asked: case.claim(by=asked.by, seen=asked.assignee),
        message=lambda _case: _("The case is assigned to you."),
        undoable=True,
        bulk=Bulk(label=__("Take"), message=__("Taken: %s"), on_bar=True),
    ),
    CaseVerb(
        name="assign",
        key="a",
        label=__("Assign"),
        place=Place.ASSIGNEE,
        form=forms.AssignForm,
        run=lambda case, asked: case.assign(to=asked.entered["person"], by=asked.by),
        message=lambda case: (
            _("Assigned to %s.") % case.assignee if case.assignee else _("Unassigned.")
        ),
        undoable=True,
        bulk=Bulk(label=__("Assign"), message=__("Assigned: %s"), form=forms.BulkAssignForm),
    ),
    CaseVerb(
        name="snooze",
        key="s",
        label=__("Snooze"),
        place=Place.HEAD,
        applies=lambda case, _user: not case.is_closed,
        form=forms.SnoozeForm,
        run=lambda case, asked: case.snooze(
            until=asked.entered["until"], by=asked.by, seen=asked.last_inbound
        ),
        message=lambda _case: _(
            "Snoozed. The case returns at the set time or with the next message."
        ),
        undoable=True,
        finishes=True,
        bulk=Bulk(
            label=__("Snooze until tomorrow"),
            message=__("Snoozed until tomorrow: %s"),
            values={"preset": "tomorrow"},
        ),
    ),
    CaseVerb(
        name="done",
        key="e",
        label=__("Mark as done"),
        button=lambda _case: _("Done"),
        place=Place.END,
        applies=lambda case, _user: not case.is_closed,
        form=forms.UnaskedReasonForm,
        run=lambda case, asked: case.finish(
            by=asked.by, seen=asked.last_inbound, why=asked.entered["why"]
        ),
        message=lambda _case: (
            _("Marked done. A new message within %d days reopens the case.") % REOPEN_WITHIN.days
        ),
        undoable=True,
        finishes=True,
        bulk=Bulk(
            label=__("Done"),
            message=__("Done: %s"),
            values={"why": __("Changed in bulk.")},
            on_bar=True,
        ),
    ),
    CaseVerb(
        name="transfer",
        path="transfer",
        key="h",
        label=__("Transfer"),
        place=Place.HEAD,
        form=forms.TransferForm,
        run=lambda case, asked: case.transfer(
            to=asked.entered["department"],
            person=asked.entered["person"],
            by=asked.by,
            why=asked.entered["why"],
        ),
        message=lambda case: (
            _("Transferred to %s. You can read the case until it is done.") % case.department
        ),
        undoable=True,
        finishes=True,
    ),
    CaseVerb(
        name="tag",
        path="tags",
        key="l",
        label=__("Tags, priority, issue"),
        button=lambda _case: _("Save tags"),
        form=forms.TagsForm,
        run=lambda case, asked: case.tag(
            add=asked.entered["tags"],
            remove=[tag for tag in asked.entered["was"] if tag not in asked.entered["tags"]],
            by=asked.by,
        ),
        message=lambda case: (
            _("Tagged: %s.") % ", ".join(case.tags) if case.tags else _("All tags removed.")
        ),
        undoable=True,
        bulk=Bulk(label=__("Add"), message=__("Tagged: %s"), form=forms.BulkTagForm),
    ),
    CaseVerb(
        name="priority",
        label=__("Set priority"),
        form=forms.PriorityForm,
        run=lambda case, asked: case.rank_as(asked.entered["priority"], by=asked.by),
        message=lambda case: _("Priority: %s.") % case.get_priority_display().lower(),
    ),
    CaseVerb(
        name="group",
        path="issue",
        label=__("Set issue"),
        form=forms.GroupForm,
        run=lambda case, asked: case.group(asked.entered["issue"], by=asked.by),
        message=lambda case: (
            _("Added to “%s”.") % case.issue if case.issue else _("Removed from the issue.")
        ),
        undoable=True,
        bulk=Bulk(
            label=__("Add to issue"),
            message=__("Added to the issue: %s"),
            form=forms.BulkGroupForm,
        ),
    ),
    CaseVerb(
        name="give_back",
        path="give-back",
        label=__("Unassign"),
        applies=lambda case, _user: case.assignee_id is not None,
        run=lambda case, asked: case.give_back(by=asked.by),
        message=lambda case: _("Unassigned. Anyone in %s can take the case.") % case.department,
        undoable=True,
    ),
    CaseVerb(
        name="noise",
        key="!",
        label=__("Mark as noise"),
        applies=lambda case, _user: not case.is_closed,
        form=forms.UnaskedReasonForm,
        run=lambda case, asked: case.set_aside(by=asked.by, why=asked.entered["why"]),
        message=lambda _case: _("Marked as noise. Nothing was deleted. “Reopen” undoes this."),
        undoable=True,
        finishes=True,
        is_dangerous=True,
        bulk=Bulk(
            label=__("Mark as noise"),
            message=__("Marked as noise: %s"),
            values={"why": __("Changed in bulk.")},
        ),
    ),
    CaseVerb(
        name="reopen",
        key="o",
        label=__("Reopen"),
        place=Place.END,
        applies=lambda case, _user: case.is_closed,
        form=forms.ReasonForm,
        run=lambda case, asked: case.reopen(by=asked.by, why=asked.entered["why"]),
        message=lambda _case: _("Reopened."),
    ),
)
