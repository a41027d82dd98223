"""The inbox as a list: which cases an address asks for, in which order, page by page.

Every page is a keyset: the row comparison of an index that exists, never an offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Interaction, Profile, ProfileLink, User
from crm.models.interaction import WORDS
from crm.search import contacts_named, prefix_query, profiles_named
from listening.models import Match
from routing.models import Case
from routing.models.status import LIVING, Status
from scrm.numbers import midnight, number, place

PAGE = 50
MOST_FOUND = 500
"""Of what a search finds, the newest that are looked through."""
LABELS = {
    "mine": _("Mine"),
    "unassigned": _("Unassigned"),
    "open": _("Open"),
    "waiting": _("Waiting for them"),
    "snoozed": _("Snoozed"),
    "done": _("Done"),
    "noise": _("Noise"),
    "all": _("All"),
}
SORTS = {"newest": _("Newest first"), "oldest": _("Oldest first"), "priority": _("Priority")}
_ORDER = {
    "newest": ("-last_inbound_at", "-pk"),
    "oldest": ("last_inbound_at", "pk"),
    "priority": ("rank", "last_inbound_at", "pk"),
}
SOON = timedelta(hours=1)
NOT_CLOSED = "living"
KNOWN = Q(Exists(ProfileLink.objects.filter(profile=OuterRef("profile"), ended_at=None)))
"""Of somebody who is a contact."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: a view, an order, filters as `InboxForm` cleaned them."""

    view: str
    sort: str
    filters: dict[str, Any]


def default_view(cases: Any, user: User, filters: dict[str, Any]) -> str:
    """A department's or a colleague's open cases; else mine, or what nobody has."""
    if filters.get("status") or filters.get("q"):
        return "all"
    if any(filters.get(name) for name in ("department", "assignee", "issue", "tag", "topic")):
        return "open"
    return "mine" if cases.active().of(user).exists() else "unassigned"


def cases_asked_for(asked: Asked, user: User) -> QuerySet[Case]:
    """All of them that the user may see, in no order."""
    cases: QuerySet[Case] = _in_view(Case.objects.visible_to(user), asked.view, user)
    for name, value in asked.filters.items():
        if name in _FILTERS:
            cases = _FILTERS[name](cases, value)
    if words := asked.filters.get("q"):
        cases = _found(cases, words, user)
    return cases


def in_order(cases: QuerySet[Case], sort: str) -> QuerySet[Case]:
    return cases.order_by(*_ORDER[sort])


def page_after(cases: QuerySet[Case], sort: str, mark: str) -> QuerySet[Case]:
    """What comes after the last row of the page before; a mark that is none is ignored."""
    last = _place(sort, mark)
    if last is None:
        return cases
    if sort == "newest":
        return cases.filter(TupleLessThan(Tuple("last_inbound_at", "pk"), last))
    columns = ("rank", "last_inbound_at", "pk") if sort == "priority" else ("last_inbound_at", "pk")
    return cases.filter(TupleGreaterThan(Tuple(*columns), last))


def mark_of(case: Case, sort: str) -> str:
    """Where the page that ends with this row goes on."""
    at = case.last_inbound_at.isoformat() if case.last_inbound_at else ""
    return f"{case.rank},{at},{case.pk}" if sort == "priority" else f"{at},{case.pk}"


def _place(sort: str, mark: str) -> tuple[Any, ...] | None:
    rank, rest = None, mark
    if sort == "priority":
        first, _comma, rest = mark.partition(",")
        rank = number(first)
        if rank is None or rank > 99:
            return None
    last = place(rest)
    if last is None:
        return None
    return last if rank is None else (rank, *last)


def _in_view(cases: Any, view: str, user: User) -> Any:
    if view == "all":
        return cases
    if view in Status.values and view != Status.OPEN:
        return cases.filter(status=view)
    active = cases.active()
    return {"mine": active.of(user), "unassigned": active.unclaimed(), "open": active}[view]


def _assignee(cases: QuerySet[Case], value: str) -> QuerySet[Case]:
    return cases.filter(assignee=None if value == "nobody" else number(value))


def _due(cases: QuerySet[Case], value: str) -> QuerySet[Case]:
    now = timezone.now()
    if value == "over":
        return cases.filter(due_at__lt=now)
    return cases.filter(due_at__gte=now, due_at__lt=now + SOON)


def _status(cases: QuerySet[Case], value: str) -> QuerySet[Case]:
    return cases.filter(status__in=LIVING if value == NOT_CLOSED else [value])


def _topic(cases: QuerySet[Case], value: Any) -> QuerySet[Case]:
    hit = Match.objects.filter(revision__topic=value).values("mention__interaction")
    return cases.filter(last_inbound__in=hit)


def _since(cases: QuerySet[Case], value: Any) -> QuerySet[Case]:
    return cases.filter(last_inbound_at__gte=midnight(value))


def _until(cases: QuerySet[Case], value: Any) -> QuerySet[Case]:
    return cases.filter(last_inbound_at__lt=midnight(value, days=1))


def _found(cases: QuerySet[Case], words: str, user: User) -> QuerySet[Case]:
    """By number, by name, handle or address, or by what was said: each through its index.

    What the user may not read is not found by its words either.
    """
    pk = number(words.strip().lstrip("#"))
    query = prefix_query(words)
    found = Q(pk=pk) if pk is not None else Q(pk__in=[])
    if query is not None:
        people = profiles_named(words).order_by("-pk").values_list("pk", flat=True)[:MOST_FOUND]
        known = Profile.objects.filter(
            links__contact__in=contacts_named(words).values("pk")[:MOST_FOUND], links__ended_at=None
        )
        readable = Interaction.objects.readable_by(user)
        said = readable.alias(words=WORDS).filter(words=query).order_by("-pk")
        talks = set(said.values_list("conversation", flat=True)[:MOST_FOUND])
        found |= Q(profile__in=[*people, *known.values_list("pk", flat=True)])
        found |= Q(conversation_links__conversation__in=talks, conversation_links__ended_at=None)
    return cases.filter(pk__in=Case.objects.filter(found).values("pk"))


_FILTERS: dict[str, Any] = {
    "department": lambda cases, value: cases.filter(department=value),
    "status": _status,
    "who": lambda cases, value: cases.filter(KNOWN if value == "known" else ~KNOWN),
    "priority": lambda cases, value: cases.filter(priority=value),
    "issue": lambda cases, value: cases.filter(issue=value),
    "tag": lambda cases, value: cases.filter(tags__contains=[value]),
    "channel": lambda cases, value: cases.filter(last_inbound__channel=value),
    "kind": lambda cases, value: cases.filter(last_inbound__kind=value),
    "assignee": _assignee,
    "due": _due,
    "topic": _topic,
    "since": _since,
    "until": _until,
}
