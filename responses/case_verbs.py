"""All actions on a case by name: the actions of `routing`, and “Close without reply”."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from responses.decisions import answer_nothing
from responses.forms import BulkCloseForm, CloseWithoutReplyForm
from responses.like_thanks import like_or_dismiss
from routing import pending_thanks
from routing.case_verb import Bulk, CaseVerb, Place
from routing.case_verbs import CASE_VERBS as ROUTING_VERBS

CLOSE_WITHOUT_REPLY = CaseVerb(
    name="nothing",
    app="responses",
    key="z",
    label=__("Close without reply"),
    place=Place.COMPOSER,
    form=CloseWithoutReplyForm,
    run=lambda case, asked: answer_nothing(
        case, by=asked.by, why=asked.entered["why"], seen=asked.last_inbound
    ),
    message=lambda _case: _("Case closed without reply."),
    undoable=True,
    finishes=True,
    bulk=Bulk(
        label=__("Close without reply"),
        message=__("Closed without reply: %s"),
        form=BulkCloseForm,
    ),
)

LIKE_THANKS = CaseVerb(
    name="thanks",
    app="responses",
    path="thanks",
    key="+",
    label=__("Like or dismiss thanks"),
    button=lambda _case: _("Like or dismiss thanks"),
    place=Place.HEAD,
    applies=lambda case, _user: pending_thanks.pending([case.pk]).exists(),
    is_reached=lambda _case, _user: True,
    run=lambda case, asked: like_or_dismiss(case, by=asked.by),
    message=lambda _case: _("Thanks liked or dismissed. The case was not changed."),
)

CASE_VERBS = {verb.name: verb for verb in (*ROUTING_VERBS, CLOSE_WITHOUT_REPLY, LIKE_THANKS)}
"""Name → action: for the case page, bulk actions, shortcuts and the command palette."""
