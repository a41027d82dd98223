"""The kinds of offline interactions that staff log, each with its label and icon.

Add new kinds here. The form, the filters, the routing rules and the timelines read this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class InteractionKind:
    """The label and icon of a kind of interaction.

    icon: the name of a symbol in static/icons.svg.
    """

    label: Promise
    icon: str


OFFLINE_KINDS = {
    "call": InteractionKind(_("Phone call"), "phone"),
    "letter": InteractionKind(_("Letter"), "pen-line"),
    "survey answer": InteractionKind(_("Survey answer"), "clipboard-list"),
    "comment card": InteractionKind(_("Comment card"), "ticket"),
    "event": InteractionKind(_("Said at an event"), "calendar"),
    "other": InteractionKind(_("Other"), "notebook-pen"),
}
