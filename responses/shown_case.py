"""Refuse an answer once if the case was closed or answered since its form was shown.

`Case.check_seen` does the same for new messages of the party.
"""

from __future__ import annotations

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from crm.models import User
from responses.models import Response
from responses.models.response import State
from routing.models import Case, CaseEvent
from routing.models.status import CLOSED, Stale
from scrm.web.params import number

_CLOSING = (CaseEvent.Kind.DONE, CaseEvent.Kind.NOISE)


def marker(case: Case) -> str:
    """Return what a form shows of the case: “id of the last closing event.id of the last response”.

    An id is 0 if there is none.
    """
    closed = case.events.filter(kind__in=_CLOSING).order_by("-pk").values_list("pk", flat=True)
    answered = Response.objects.filter(case=case).order_by("-pk").values_list("pk", flat=True)
    return f"{closed.first() or 0}.{answered.first() or 0}"


def check_shown(case: Case, shown: str, *, by: User) -> None:
    """Raise Stale if the case was closed, or answered by a colleague, after `shown`.

    shown: the marker of the form; "" if the form has none, then nothing is checked. The caller
    has locked the case.
    """
    first, _dot, second = shown.partition(".")
    event_seen, response_seen = number(first), number(second)
    if event_seen is None or response_seen is None:
        return
    events = case.events.filter(kind__in=_CLOSING, pk__gt=event_seen).select_related("by")
    closed = events.order_by("-pk").first()
    # Not case.is_closed: the row may have been read before the lock.
    if closed and Case.objects.filter(pk=case.pk, status__in=CLOSED).exists():
        raise Stale(_closed_by(closed, by))
    answers = Response.objects.filter(case=case, pk__gt=response_seen).exclude(author=by)
    answers = answers.filter(state__in=[State.RELEASED, State.HELD]).select_related("author")
    # In this order, what was released goes before what is held.
    if answer := answers.order_by("-state", "-pk").first():
        raise Stale(_answered_by(answer))


def _answered_by(answer: Response) -> str:
    if answer.state == State.HELD:
        told = _(
            "%(who)s has already written an answer, which waits for approval: “%(text)s”. "
            "Nothing was sent."
        )
    else:
        told = _("%(who)s has already answered this case: “%(text)s”. Nothing was sent.")
    return told % {"who": answer.author, "text": Truncator(answer.text).chars(200)}


def _closed_by(event: CaseEvent, by: User) -> str:
    if event.by_id == by.pk:
        return _("You closed this case in another window. Nothing was sent. An answer reopens it.")
    told = _("%(who)s closed this case. Nothing was sent. An answer reopens it.")
    return told % {"who": event.by or _("A rule")}
