"""All actions on a case by name: the actions of `routing`, and “Close without reply”."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from responses.decisions import answer_nothing
from responses.forms import BulkCloseForm, CloseWithoutReplyForm
from routing.case_verbs import CASE_VERBS as ROUTING_VERBS
from routing.case_verbs import Bulk, CaseVerb, Place

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
    finishes=True,
    bulk=Bulk(
        label=__("Close without reply"),
        message=__("Closed without reply: %s"),
        form=BulkCloseForm,
    ),
)

CASE_VERBS = {verb.name: verb for verb in (*ROUTING_VERBS, CLOSE_WITHOUT_REPLY)}
"""Name → action: for the case page, bulk actions, shortcuts and the command palette."""
