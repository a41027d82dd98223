"""The figures of the map: numbers, each with a link to the page that lists the counted rows.

All figures together need nine SQL queries, whatever the number of rows. The figures of today use
indexed columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import User
from listening import filters as listening
from listening.models import Mention, Source
from responses.history.filters import MICRO, NOT_CANCELLED
from responses.models import Delivery, Response, Trouble
from routing.inbox.query import KNOWN, SNOOZED_LATE
from routing.models import Case
from routing.models.status import ACTIVE, Status
from scrm.web.params import midnight

Tone = Literal["today", "now", "bad"]
"""today: since midnight. now: the present state. bad: a problem at present."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number on the map, with its label and its link.

    label: the word for the counted rows, in the singular if the number is 1.
    age: the age of the oldest counted row as text; "" if there is none.
    """

    key: str
    n: int
    label: str
    url: str
    tone: Tone = "today"
    age: str = ""

    @property
    def is_shown(self) -> bool:
        """Return whether the figure is shown.

        A figure of today is always shown. Other figures are shown only if the number is not 0.
        """
        return self.tone == "today" or self.n > 0


Edges = dict[str, list[Figure]]


def edges(user: User, *, now: datetime) -> Edges:
    """Return the figures of each edge (arrow of the map). The figures of today come first."""
    heard, sources = _heard(now), _sources()
    cases, active = _cases_today(user, now), _active_cases(user, now)
    responses, held, check = _responses_today(user, now), _held(user), _to_check(user, now)
    found = {
        "online": [_items("heard", heard["all"]), *_source_troubles(sources, now)],
        "match": [_items("kept", heard["kept"]), _items("unmatched", heard["unmatched"], "now")],
        "offline": [_cases("offline", cases["offline"], now)],
        "who": [
            _cases("heard_cases", cases["all"], now),
            _cases("known", cases["known"], now, "now"),
            _cases("strangers", cases["strangers"], now, "now"),
        ],
        "person": _unassigned_and_late(active, now),
        "apart": _overdue_apart(active, now),
        "micro": [_responses("micro", responses["micro"], now)],
        "macro": [_responses("macro", responses["macro"], now)],
        "rules": [_responses("released", responses["released"], now), _to_approve(held, now)],
        "publish": [_delivery_problems(check, now), _troubles(now)],
        "feedback": [_items("answers", heard["answers"])],
    }
    found["match"].append(_unrouted(now))
    return {edge: [figure for figure in row if figure.is_shown] for edge, row in found.items()}


def ago(moment: datetime | None, now: datetime) -> str:
    """Return the time from `moment` to `now` in one unit, for example "3 h"."""
    if moment is None:
        return ""
    seconds = max(int((now - moment).total_seconds()), 0)
    for size, words in ((86_400, _("%d d")), (3_600, _("%d h")), (60, _("%d m"))):
        if seconds >= size:
            return words % (seconds // size)
    return _("%d s") % seconds


# Counts: each function makes one SQL query


def _heard(now: datetime) -> dict[str, int]:
    words = ("kept", "unmatched", "answers")
    counts = {key: Count("pk", filter=listening.items(key, now=now)) for key in words}
    today = Mention.objects.by_others().filter(listening.items("today", now=now))
    return today.aggregate(all=Count("pk"), **counts)


def _sources() -> dict[str, Any]:
    failing, quarantined = listening.sources("failing"), listening.sources("quarantined")
    return Source.objects.aggregate(
        failing=Count("pk", filter=failing),
        waiting=Count("pk", filter=listening.sources("waiting")),
        silent_since=Min("last_ok_at", filter=failing),
        quarantined=Count("pk", filter=quarantined),
    )


def _cases_today(user: User, now: datetime) -> dict[str, int]:
    today = Case.objects.visible_to(user).filter(
        last_inbound_at__gte=midnight(timezone.localdate(now))
    )
    return today.aggregate(
        all=Count("pk"),
        offline=Count("pk", filter=Q(last_inbound__channel="manual")),
        known=Count("pk", filter=KNOWN),
        strangers=Count("pk", filter=~KNOWN),
    )


def _active_cases(user: User, now: datetime) -> dict[str, Any]:
    """Return the counts of active cases, and of snoozed cases that are overdue."""
    active, overdue = Q(status__in=ACTIVE), Q(due_at__lt=now)
    unassigned, late = active & Q(assignee=None), active & overdue & Q(received_late=False)
    snoozed = Q(due_sort__lt=now, status=Status.SNOOZED)  # the column with the index
    cases = Case.objects.in_departments_of(user).filter(active | snoozed)
    return cases.aggregate(
        unassigned=Count("pk", filter=unassigned),
        unassigned_since=Min("last_inbound_at", filter=unassigned),
        late=Count("pk", filter=late),
        late_since=Min("due_at", filter=late),
        heard_late=Count("pk", filter=active & overdue & Q(received_late=True)),
        snoozed=Count("pk", filter=snoozed),
        snoozed_since=Min("due_at", filter=snoozed),
    )


def _responses_today(user: User, now: datetime) -> dict[str, int]:
    today = (
        Response.objects.visible_to(user)
        .not_cancelled()
        .filter(created_at__gte=midnight(timezone.localdate(now)))
    )
    return today.aggregate(
        micro=Count("pk", filter=~Q(audience="many")),
        macro=Count("pk", filter=Q(audience="many")),
        released=Count("pk", filter=Q(state="released")),
    )


def _held(user: User) -> dict[str, Any]:
    parts = [
        rows.aggregate(n=Count("pk"), since=Min("created_at"))
        for rows in Response.objects.on_approval_page_of(user)
    ]
    since = min((part["since"] for part in parts if part["since"]), default=None)
    return {"n": sum(part["n"] for part in parts), "since": since}


def _to_check(user: User, now: datetime) -> dict[str, Any]:
    troubled = Delivery.objects.at_hand_of(user).to_check(now)
    return troubled.aggregate(n=Count("pk"), since=Min("send_after"))


# Labels and links


def _items(key: str, n: int, tone: Tone = "today") -> Figure:
    labels = {
        "heard": _("found"),
        "kept": _("recorded"),
        "unmatched": _("no topic matched"),
        "answers": ngettext("answer to us", "answers to us", n),
    }
    only = ["today", *([key] if key in listening.ITEMS else [])]
    return Figure(key, n, labels[key], _page("listening:mentions", only=only), tone)


def _unrouted(now: datetime) -> Figure:
    """Return the figure of the mentions that wait to be routed.

    It has its own SQL query, because mentions of earlier days count as well.
    """
    waiting = Mention.objects.by_others().filter(listening.items("waiting", now=now))
    facts = waiting.aggregate(n=Count("pk"), since=Min("recorded_at"))
    age = ago(facts["since"], now)
    page = _page("listening:mentions", only=["waiting"])
    return Figure("waiting", facts["n"], _("waiting to be routed"), page, "now", age)


def _source_troubles(counts: dict[str, Any], now: datetime) -> list[Figure]:
    failing, quarantined = counts["failing"], counts["quarantined"]
    waiting = counts["waiting"]
    failing_label = ngettext("source failing", "sources failing", failing)
    quarantined_label = ngettext("has quarantined items", "have quarantined items", quarantined)
    age = ago(counts["silent_since"], now)
    # Short, because the drawing has little room here.
    waiting_label = ngettext("source over budget", "sources over budget", waiting)
    return [
        Figure("failing", failing, failing_label, _sources_page("failing"), "bad", age),
        Figure("no_budget", waiting, waiting_label, _sources_page("waiting"), "bad"),
        Figure("quarantined", quarantined, quarantined_label, _sources_page("quarantined"), "bad"),
    ]


def _sources_page(only: str) -> str:
    return _page("listening:sources", only=only)


def _cases(key: str, n: int, now: datetime, tone: Tone = "today") -> Figure:
    labels = {
        "heard_cases": ngettext("case with messages", "cases with messages", n),
        "offline": ngettext("offline case", "offline cases", n),
        "known": ngettext("known contact", "known contacts", n),
        "strangers": _("no contact yet"),
    }
    asked = {
        "offline": {"channel": "manual"},
        "known": {"who": "known"},
        "strangers": {"who": "strangers"},
    }
    page = _page("routing:inbox", view="all", since=_today(now), **asked.get(key, {}))
    return Figure(key, n, labels[key], page, tone)


def _unassigned_and_late(counts: dict[str, Any], now: datetime) -> list[Figure]:
    unassigned = Figure(
        "unassigned",
        counts["unassigned"],
        _("unassigned"),
        _page("routing:inbox", view="unassigned"),
        "now",
        ago(counts["unassigned_since"], now),
    )
    page = _page("routing:inbox", view="open", due="over", late="no")
    late = Figure("late", counts["late"], _("overdue"), page, "bad", ago(counts["late_since"], now))
    return [unassigned, late]


def _overdue_apart(counts: dict[str, Any], now: datetime) -> list[Figure]:
    """Return the figures of overdue cases that are reported apart from the others."""
    # Nobody could have answered these in time.
    page = _page("routing:inbox", view="open", due="over", late="yes")
    heard = Figure("heard_late", counts["heard_late"], _("overdue, received late"), page, "bad")
    # A snooze stops no response clock.
    age, page = ago(counts["snoozed_since"], now), _page("routing:inbox", due=SNOOZED_LATE)
    snoozed = Figure("snoozed", counts["snoozed"], _("overdue, snoozed"), page, "bad", age)
    return [heard, snoozed]


def _responses(key: str, n: int, now: datetime) -> Figure:
    labels = {
        "micro": ngettext("reply", "replies", n),
        "macro": ngettext("post", "posts", n),
        "released": _("released"),
    }
    audiences = {"micro": MICRO, "macro": "many"}
    query = {"state": "released"}
    if key in audiences:
        query = {"state": NOT_CANCELLED, "audience": audiences[key]}
    page = _page("responses:history", since=_today(now), **query)
    return Figure(key, n, labels[key], page)


def _to_approve(counts: dict[str, Any], now: datetime) -> Figure:
    age = ago(counts["since"], now)
    return Figure("held", counts["n"], _("to approve"), _page("responses:approvals"), "now", age)


def _delivery_problems(counts: dict[str, Any], now: datetime) -> Figure:
    age, page = ago(counts["since"], now), _page("responses:delivery_problems")
    label = ngettext("delivery problem", "delivery problems", counts["n"])
    return Figure("check", counts["n"], label, page, "bad", age)


def _troubles(now: datetime) -> Figure:
    """Return the figure of the accounts whose deliveries fail repeatedly.

    It has its own SQL query.
    """
    counts = Trouble.objects.open().aggregate(n=Count("pk"), since=Min("began_at"))
    label = ngettext("account fails to send", "accounts fail to send", counts["n"])
    page = _page("responses:delivery_problems")
    return Figure("trouble", counts["n"], label, page, "bad", ago(counts["since"], now))


def _today(now: datetime) -> str:
    return timezone.localdate(now).isoformat()


def _page(name: str, **query: str | list[str]) -> str:
    asked = f"?{urlencode(query, doseq=True)}" if query else ""
    return f"{reverse(name)}{asked}"
