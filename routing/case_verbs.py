"""All actions on a case; used by the case page, bulk actions, keys and the command palette.

To add an action, add an entry to `CASE_VERBS` and a method to `Case`. The keys of actions are
defined in this table only.
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
    """The place on the case page where the button of an action is shown."""

    HEAD = "head"
    MENU = "menu"
    END = "end"  # the end of the row of buttons, after the menu
    ASSIGNEE = "assignee"
    COMPOSER = "composer"  # a tab of the composer, with its own form


@dataclass(frozen=True, slots=True)
class VerbInput:
    """A user's input for an action on one case.

    entered: the cleaned values of the action's form. last_inbound, assignee: ids of the last
    inbound message and of the assignee that the user's page showed; None if it showed none.
    """

    by: User
    entered: Mapping[str, Any]
    last_inbound: int | None
    assignee: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """How an action runs on several selected cases.

    `routing.undo.snapshot` must contain every value that the action changes, because snapshots
    are compared to find out which cases were changed. message: the confirmation, with %s for the
    number of cases. form: the fields in the bulk bar. values: constant values for the form that
    the action has for one case. on_bar: whether the bar shows a button instead of an entry in the
    bar's menu; possible only for actions without fields.
    """

    label: Text
    message: Text
    form: type[forms.BulkForm] = forms.BulkForm
    values: Mapping[str, Text] = field(default_factory=dict)
    on_bar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerb:
    """One action on a case, for example “Snooze”.

    name: the name of the action and of its URL pattern. label: text in the list of keys and in the
    command palette. run: the function that runs the action; it raises Stale if the case changed
    since the page was shown. message: returns the confirmation for the changed case. form: the
    input that the action needs. button: returns the text of the button, if it is not `label`.
    applies: whether the page offers the action to this user now. finishes: whether the next case
    of the list opens afterwards. bulk: None if the action runs on one case only. path: the last
    part of the URL, if it is not `name`.
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
        """Whether the form has visible fields; without them the page shows a single button."""
        return any(not field.widget.is_hidden for field in self.form.base_fields.values())

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
        run=lambda case, sent: case.claim(by=sent.by, seen=sent.assignee),
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
        run=lambda case, sent: case.assign(to=sent.entered["person"], by=sent.by),
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
        run=lambda case, sent: case.snooze(
            until=sent.entered["until"], by=sent.by, seen=sent.last_inbound
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
        run=lambda case, sent: case.finish(
            by=sent.by, seen=sent.last_inbound, why=sent.entered["why"]
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
        run=lambda case, sent: case.transfer(
            to=sent.entered["department"],
            person=sent.entered["person"],
            by=sent.by,
            why=sent.entered["why"],
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
        run=lambda case, sent: case.tag(
            add=sent.entered["tags"],
            remove=[tag for tag in sent.entered["was"] if tag not in sent.entered["tags"]],
            by=sent.by,
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
        run=lambda case, sent: case.rank_as(sent.entered["priority"], by=sent.by),
        message=lambda case: _("Priority: %s.") % case.get_priority_display().lower(),
    ),
    CaseVerb(
        name="group",
        path="issue",
        label=__("Set issue"),
        form=forms.GroupForm,
        run=lambda case, sent: case.group(sent.entered["issue"], by=sent.by),
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
        run=lambda case, sent: case.give_back(by=sent.by),
        message=lambda case: _("Unassigned. Anyone in %s can take the case.") % case.department,
        undoable=True,
    ),
    CaseVerb(
        name="noise",
        key="!",
        label=__("Mark as noise"),
        applies=lambda case, _user: not case.is_closed,
        form=forms.UnaskedReasonForm,
        run=lambda case, sent: case.set_aside(by=sent.by, why=sent.entered["why"]),
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
        run=lambda case, sent: case.reopen(by=sent.by, why=sent.entered["why"]),
        message=lambda _case: _("Reopened."),
    ),
)
