"""The stages of the cycle in order, and the edges (arrows on the map) that lead to each stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.models import User
from scrm.reports.drawing import NODES, Node
from scrm.reports.figures import Edges, Figure


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the cycle.

    url: "" if the stage has no page of its own.
    figures: the figures on the edges that lead to the stage.
    """

    node: Node
    name: str | Promise
    words: str | Promise
    url: str
    figures: tuple[Figure, ...]


_WORDS = {
    "community": (_("Community"), _("the public"), ()),
    "listening": (_("Listening"), _("matches topics"), ("online",)),
    "offline": (_("Offline"), _("call, letter, card, survey"), ("offline",)),
    "crm": (_("CRM"), _("who is this?"), ("match",)),
    "routing": (_("Routing"), _("which department?"), ("who",)),
    "person": (_("A person"), _("decides"), ("person", "apart")),
    "micro": (_("Micro"), _("to one person"), ("micro",)),
    "macro": (_("Macro"), _("to many people"), ("macro",)),
    "rules": (_("Business rules"), _("may it be sent?"), ("rules",)),
    "publish": (_("Publish"), _("sent at most once"), ("publish",)),
    "feedback": (_("Feedback"), _("reactions"), ("feedback",)),
}


_FOR_ADMINS = {"routing": "routing:rules", "rules": "responses:rules"}


def stages(edges: Edges, *, user: User) -> Iterator[Stage]:
    nodes = {node.key: node for node in NODES}
    for key, (name, words, into) in _WORDS.items():
        page = nodes[key].page or (_FOR_ADMINS.get(key, "") if user.is_admin else "")
        figures = tuple(figure for edge in into for figure in edges[edge])
        yield Stage(nodes[key], name, words, reverse(page) if page else "", figures)
