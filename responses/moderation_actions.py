"""The moderation actions: their labels, who may use them, and which action ends which.

Actions with the same `group` end each other: after “unhide”, the earlier “hide” is no longer in
effect.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Interaction
from crm.models.membership import Permissions
from scrm.channels.moderation import ModerationAction

Text = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One moderation action.

    label: the text of the button; it may contain %(what)s for the kind of the message.
    done: what the record says after the action, for example “Hidden”.
    undo: the action that the record offers as a button, or "".
    only_after: the action that must be in effect, so that this action makes sense, or "".
    by_leads: whether only team leads, supervisors and admins may use it.
    asks_reason: whether the user must give a reason. The page then also asks for confirmation.
    stays: whether the message shows the record. It does not if the action only ends another one.
    explanation: what happens on the network, shown with the form for the reason.
    """

    name: ModerationAction
    label: Text
    done: Text
    group: str
    undo: str = ""
    only_after: str = ""
    by_leads: bool = True
    asks_reason: bool = True
    stays: bool = True
    explanation: Text = ""

    def allowed_to(self, rights: Permissions) -> bool:
        return rights.leads if self.by_leads else rights.sends


_ALL = (
    Action(
        name="like", label=_("Like"), done=_("Liked"), group="like", undo="unlike",
        by_leads=False, asks_reason=False,
    ),
    Action(
        name="unlike", label=_("Unlike"), done=_("Like removed"), group="like", only_after="like",
        by_leads=False, asks_reason=False, stays=False,
    ),
    Action(
        name="approve", label=_("Approve %(what)s"), done=_("Approved"), group="review",
        asks_reason=False,
    ),
    Action(
        name="hold", label=_("Hold for moderation"), done=_("Held for moderation"),
        group="review", undo="approve",
        explanation=_("Readers no longer see it. It can be approved again."),
    ),
    Action(
        name="hide", label=_("Hide %(what)s"), done=_("Hidden"), group="hide", undo="unhide",
        explanation=_("Readers see it only if they ask for hidden replies. You can undo this."),
    ),
    Action(
        name="unhide", label=_("Unhide"), done=_("Shown again"), group="hide", only_after="hide",
        asks_reason=False, stays=False,
    ),
    Action(
        name="spam", label=_("Mark as spam"), done=_("Marked as spam"), group="review",
        undo="approve",
        explanation=_("Readers no longer see it, and the blog learns from it what spam is."),
    ),
    Action(
        name="trash", label=_("Move to trash"), done=_("Moved to trash"), group="review",
        undo="approve",
        explanation=_("Readers no longer see it. The blog deletes its trash after some time."),
    ),
    Action(
        name="delete", label=_("Delete %(what)s"), done=_("Deleted"), group="delete",
        explanation=_("It is removed from the network for good. The case keeps the text."),
    ),
    Action(
        name="block", label=_("Block author"), done=_("Author blocked"), group="block",
        explanation=_("The author can no longer read or answer this account. To end the block, "
                      "use the network's own settings."),
    ),
    Action(
        name="report", label=_("Report to the network"), done=_("Reported to the network"),
        group="report",
        explanation=_("The network's moderators receive the message and your reason."),
    ),
)  # fmt: skip
ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}


def label_of(action: Action, message: Interaction) -> str:
    """Return the text of the button for this message, for example “Hide reply”."""
    return str(action.label) % {"what": _noun(message)}


def _noun(message: Interaction) -> str:
    if message.kind == "comment":
        return _t("comment")
    if message.visibility == "private":
        return _t("message")
    return _t("reply") if message.in_reply_to else _t("post")


def ended_by(action: Action) -> list[str]:
    """Return the names of the actions that are no longer in effect after this action."""
    return [other.name for other in _ALL if other.group == action.group and other != action]
