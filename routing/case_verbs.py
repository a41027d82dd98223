"""The actions on a case that `routing` defines; `responses.case_verbs` adds one more.

The case page, bulk actions, keyboard shortcuts and the command palette use these definitions. To
add an action, add an entry to `CASE_VERBS` and a method to `Case`. The entry also defines the
keyboard shortcut.
"""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from routing import forms, pending_thanks
from routing.call_back import close_call_back, open_call_back, plan_call_back
from routing.case_verb import Bulk, CaseVerb, Place
from routing.following import add_follower, follow, follows, remove_follower, unfollow
from routing.models import Case
from routing.models.status import Status
from routing.mutes import mute_person_of
from routing.participants import remove_participant
from scrm.channels import registry


def _done_message(case: Case) -> str:
    channel = case.last_inbound.channel if case.last_inbound else ""
    message = _("Marked done. A new message within %d days reopens the case.")
    message %= registry.reopens_within(channel).days
    if case.statutory_due_at is None:
        return message
    date = f"{timezone.localtime(case.statutory_due_at):%Y-%m-%d}"
    return message + " " + _("No more reminders of its statutory deadline (%s) are sent.") % date


def _is_open(case: Case, _user: User) -> bool:
    return not case.is_closed


def _always(_case: Case, _user: User) -> bool:
    return True


_CLOSED = __("This case is closed. Reopen it first.")

CASE_VERBS = (
    CaseVerb(
        name="claim",
        key="m",
        label=__("Take the case"),
        button=lambda case: _("Take over") if case.assignee_id else _("Take case"),
        place=Place.HEAD,
        applies=lambda case, user: case.assignee_id != user.pk,
        is_reached=_always,
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
        applies=_is_open,
        refusal=_CLOSED,
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
            label=__("Snooze"),
            message=__("Snoozed: %s"),
            form=forms.BulkSnoozeForm,
        ),
    ),
    CaseVerb(
        name="done",
        key="e",
        label=__("Mark as done"),
        button=lambda _case: _("Done"),
        place=Place.END,
        applies=_is_open,
        refusal=_CLOSED,
        is_reached=lambda case, _user: case.status == Status.DONE,
        form=forms.DoneForm,
        run=lambda case, sent: case.finish(
            by=sent.by,
            seen=sent.last_inbound,
            why=sent.entered["why"],
            reasons=sent.entered["reasons"],
        ),
        message=_done_message,
        undoable=True,
        finishes=True,
        bulk=Bulk(
            label=__("Done"),
            message=__("Done: %s"),
            form=forms.BulkDoneForm,
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
        is_reached=_always,
        run=lambda case, sent: case.give_back(by=sent.by),
        message=lambda case: _("Unassigned. Anyone in %s can take the case.") % case.department,
        undoable=True,
    ),
    CaseVerb(
        name="call_back",
        path="call-back",
        label=__("Plan a call-back"),
        button=lambda case: _("Reschedule call-back") if open_call_back(case) else _("Call back"),
        applies=_is_open,
        refusal=_CLOSED,
        form=forms.CallBackForm,
        run=lambda case, sent: plan_call_back(
            case,
            number=sent.entered["number"],
            at=sent.entered["until"],
            to=sent.entered["person"],
            by=sent.by,
            seen=sent.last_inbound,
        ),
        message=lambda _case: _("Call-back planned. The case returns to the inbox at that time."),
        finishes=True,
    ),
    CaseVerb(
        name="cancel_call_back",
        path="cancel-call-back",
        label=__("Cancel call-back"),
        applies=lambda case, _user: open_call_back(case) is not None,
        refusal=__("No call-back is planned for this case."),
        run=lambda case, sent: close_call_back(case, by=sent.by, why=_("Cancelled.")),
        message=lambda _case: _("The call-back was cancelled."),
    ),
    CaseVerb(
        name="follow",
        label=__("Follow"),
        applies=lambda case, user: not follows(case, user),
        is_reached=_always,
        run=lambda case, sent: follow(case, by=sent.by),
        message=lambda _case: _("You follow this case and are notified of each new message."),
    ),
    CaseVerb(
        name="unfollow",
        label=__("Unfollow"),
        for_readers=True,
        applies=follows,
        is_reached=_always,
        run=lambda case, sent: unfollow(case, by=sent.by),
        message=lambda _case: _("You no longer follow this case."),
    ),
    CaseVerb(
        name="add_follower",
        path="followers/add",
        label=__("Add a follower"),
        button=lambda _case: _("Add"),
        place=Place.PEOPLE,
        form=forms.AddFollowerForm,
        run=lambda case, sent: add_follower(case, sent.entered["person"], by=sent.by),
        message=lambda _case: _("Follower added."),
    ),
    CaseVerb(
        name="remove_follower",
        path="followers/remove",
        label=__("Remove a follower"),
        place=Place.PEOPLE,
        form=forms.RemoveFollowerForm,
        run=lambda case, sent: remove_follower(case, sent.entered["person"], by=sent.by),
        message=lambda _case: _("Follower removed."),
    ),
    CaseVerb(
        name="remove_participant",
        path="participants/remove",
        label=__("Remove a participant"),
        place=Place.PEOPLE,
        form=forms.RemoveParticipantForm,
        run=lambda case, sent: remove_participant(case, sent.entered["participant"], by=sent.by),
        message=lambda _case: _("Participant removed."),
    ),
    CaseVerb(
        name="noise",
        key="!",
        label=__("Mark as noise"),
        applies=_is_open,
        refusal=_CLOSED,
        is_reached=lambda case, _user: case.status == Status.NOISE,
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
        name="mute",
        label=__("Mute this person"),
        applies=lambda case, _user: not case.sensitive,
        refusal=__("This case is sensitive. Its person cannot be muted here."),
        form=forms.MuteForm,
        run=lambda case, sent: mute_person_of(case, reason=sent.entered["reason"], by=sent.by),
        message=lambda case: (
            _("Muted in %s for 30 days. Private messages and sensitive topics still open cases.")
            % case.department
        ),
    ),
    CaseVerb(
        name="dismiss_thanks",
        path="dismiss-thanks",
        label=__("Dismiss thanks"),
        applies=lambda case, _user: pending_thanks.pending([case.pk]).exists(),
        is_reached=_always,
        run=lambda case, sent: pending_thanks.settle(
            case, pending_thanks.messages(case), by=sent.by
        ),
        message=lambda _case: _("Thanks dismissed."),
    ),
    CaseVerb(
        name="reopen",
        key="o",
        label=__("Reopen"),
        place=Place.END,
        applies=lambda case, _user: case.is_closed,
        is_reached=_always,
        form=forms.ReasonForm,
        run=lambda case, sent: case.reopen(by=sent.by, why=sent.entered["why"]),
        message=lambda _case: _("Reopened."),
    ),
)
