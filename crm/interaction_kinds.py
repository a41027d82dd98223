"""The kinds of interactions in the ledger, each with its label and icon."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.offline_kinds import OFFLINE_KINDS, InteractionKind
from scrm.channels import registry
from scrm.channels.base import AUTOMATIC

WORK_KINDS = {
    "post": InteractionKind(_("Post"), "rss"),
    "comment": InteractionKind(_("Comment"), "message-circle"),
    "message": InteractionKind(_("Message"), "mail"),
    "form": InteractionKind(_("Web form"), "list-checks"),
    **OFFLINE_KINDS,
}
"""The kinds of incoming interactions that can become cases, online and offline."""
EDIT, DELETION = "edit", "deletion"
"""Kinds of interactions that revise an item which its author or its network has changed."""
_OTHER_KINDS = {
    EDIT: InteractionKind(_("Edited at the source"), "pen-line"),
    DELETION: InteractionKind(_("Deleted at the source"), "ban"),
    AUTOMATIC: InteractionKind(_("Automatic answer"), "mail"),
    "reply": InteractionKind(_("Reply"), "corner-up-left"),
    "statement": InteractionKind(_("Our post"), "megaphone"),
    "correction": InteractionKind(_("Correction"), "megaphone"),
    "withdrawal": InteractionKind(_("Takedown"), "megaphone"),
}
KINDS = WORK_KINDS | _OTHER_KINDS


def kind_label(kind: str) -> str:
    """Return the label of a kind. If KINDS does not contain the kind, return the kind itself."""
    return str(KINDS[kind].label) if kind in KINDS else kind


def channel_icon(channel: str, kind: str) -> str:
    """Return the icon of the network; for calls and letters, the icon of the kind."""
    return registry.icon(channel) or kind_icon(kind)


def kind_icon(kind: str) -> str:
    return KINDS[kind].icon if kind in KINDS else "message-circle"
