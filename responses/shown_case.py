"""Refuse an answer once if the case has changed since its form was shown.

The case may have been closed or answered, or a message may have been changed at its source.

`Case.check_seen` does the same for new messages of the party.
"""

from __future__ import annotations

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from crm.models import User
from listening.models import MentionChange
from responses import changed_items
from responses.models import Response
from responses.models.response import State
from routing.models import Case, CaseEvent
from routing.models.status import CLOSED, Stale
from scrm.web.params import number

_CLOSING = (CaseEvent.Kind.DONE, CaseEvent.Kind.NOISE)


def marker(case: Case) -> str:
    """Return what a form shows of the case, as three ids that are separated by dots.

    They are the ids of the last closing event, of the last response, and of the last change of a
    message at its source. An id is 0 if there is none.
    """
    closed = case.events.filter(kind__in=_CLOSING).order_by("-pk").values_list("pk", flat=True)
    answered = Response.objects.filter(case=case).order_by("-pk").values_list("pk", flat=True)
    changed = changed_items.newest_change(case)
    return f"{closed.first() or 0}.{answered.first() or 0}.{changed.pk if changed else 0}"


def check_shown(case: Case, shown: str, *, by: User) -> None:
    """Raise Stale if the case was closed or changed, or answered by a colleague, after `shown`.

    shown: the marker of the form; "" if the form has none, then nothing is checked. The caller
    has locked the case.
    """
    ids = [number(part) for part in shown.split(".", 2)]
    event_seen, response_seen, change_seen = [*ids, None, None, None][:3]
    if event_seen is None or response_seen is None:
        return
    changed = changed_items.newest_change(case) if change_seen is not None else None
    if changed and changed.pk > (change_seen or 0):
        raise Stale(_changed(changed))
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


def _changed(change: MentionChange) -> str:
    if change.kind == MentionChange.Kind.DELETED:
        return _("A message of this case was deleted at the source. Nothing was sent.")
    told = _("A message of this case was edited at the source: “%(text)s”. Nothing was sent.")
    return told % {"text": Truncator(change.text).chars(200)}


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
