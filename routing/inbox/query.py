"""Queries of the inbox: they select the cases of a view, filter and sort them, and return pages.

The pages use keyset pagination: an index finds the last row of the previous page, and the next
page starts after that row. With OFFSET, PostgreSQL would read and skip all earlier rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Conversation, Interaction, ProfileLink, User
from crm.search import people_named, prefix_query
from listening.models import Match, Topic
from routing.inbox.people import followed_by, takes_part
from routing.models import (
    CallBack,
    Case,
    CaseClock,
    CaseConversation,
    CaseEvent,
)
from routing.models.case import CaseQuerySet
from routing.models.case_indexes import NEVER
from routing.models.status import ACTIVE, CLOSED, LIVING, Status
from scrm.web.params import midnight, number, place

PAGE = 50
MAX_FOUND = 500
"""Maximum number of search hits that are used. If there are more, the newest are used."""
MAX_PARTS = 4
"""Maximum number of departments of a user for which each department is queried on its own.

A user in more departments sees so many cases that a single query finds a page of them quickly.
"""
MAX_HANDED = 20
"""Number of cases that the user transferred and that are listed in the view “all” of the inbox.

They are those of the latest transfers whose cases are not closed.
"""
FIRST_CHUNK = 5_000
"""Number of interactions in the first chunk of a text search, which has the newest ones."""
LABELS = {
    "mine": _("Mine"),
    "unassigned": _("Unassigned"),
    "open": _("Open"),
    "waiting": _("Waiting for reply"),
    "snoozed": _("Snoozed"),
    "done": _("Done"),
    "noise": _("Noise"),
    "all": _("All"),
}
SORTS = {
    "due": _("Due soonest"), "newest": _("Newest"), "oldest": _("Oldest"),
    "priority": _("Priority"),
}  # fmt: skip
_DUE_VIEWS = ("mine", "unassigned", "open", "snoozed")
_ORDER = {
    "due": ("due_sort", "pk"),
    "newest": ("-last_inbound_at", "-pk"),
    "oldest": ("last_inbound_at", "pk"),
    "priority": ("rank", "last_inbound_at", "pk"),
}
NOT_CLOSED = "living"
SNOOZED_LATE = "snoozed"
DUE = {
    "over": _("overdue"), SNOOZED_LATE: _("snoozed and overdue"), "warned": _("warning sent"),
    "soon": _("within an hour"), "four": _("within four hours"), "today": _("today"),
    "tomorrow": _("by the end of tomorrow"),
}  # fmt: skip
_NOT_DUE = "never"
"""Stands in a cursor for the sort key of cases that are not due."""
KNOWN = Q(Exists(ProfileLink.objects.filter(profile=OuterRef("profile"), ended_at=None)))
"""Query condition that is true for a case whose profile is linked to a contact."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The list of cases that a URL asks for: a view of the inbox, a sort order, and filters.

    filters: the values as `InboxForm` cleaned them.
    """

    view: str
    sort: str
    filters: dict[str, Any]


def default_view(cases: Any, user: User, filters: dict[str, Any]) -> str:
    """Return the view of the inbox for a URL that names no view.

    If the URL has search words, a status, a call-back, followed cases or a participant, the view is
    “all”. If it has a filter such as a department or an assignee, the view is “open”. Otherwise the
    view is “mine”. But if no active case is assigned to the user, the view is “unassigned” instead
    of “mine”. A case is active if its status is “new” or “open”.

    cases: the cases among which the user's active cases are searched for.
    """
    if filters.get("due") == SNOOZED_LATE:
        return "snoozed"
    if any(filters.get(name) for name in ("status", "q", "call_back", "followed", "participant")):
        return "all"
    if any(
        filters.get(name) for name in ("department", "assignee", "issue", "tag", "topic", "due")
    ):
        return "open"
    return "mine" if cases.active().of(user).exists() else "unassigned"


def default_sort(view: str, filters: dict[str, Any]) -> str:
    """Return the order of a list whose URL names none: by due time, where cases can be due."""
    return "due" if view in _DUE_VIEWS and not filters.get("q") else "newest"


def cases_asked_for(asked: Asked, user: User) -> CaseQuerySet:
    """Return all matching cases that the user may see, unordered.

    If the user may see a case only because the user transferred it, the case appears only in the
    view “all”, because the user no longer works on the case. This function returns all such cases.
    The function `page` can leave out some of them if the user has made many transfers.
    """
    cases = Case.objects.all()
    everything = asked.view == "all"
    seen = cases.visible_to(user) if everything else cases.in_departments_of(user)
    return seen.filter(_conditions(asked, user, _found(asked, user)))


def page(asked: Asked, user: User, mark: str = "") -> QuerySet[Case]:
    """Return one page of cases after the cursor `mark`.

    If another page follows, one more case is returned.

    The view “all” includes cases that the user transferred to other departments. Without a filter
    or a search, these are only the cases of the user's `MAX_HANDED` latest transfers. With a filter
    or a search, the cases of all the user's transfers are included. See also `_parts_visible_to`.

    Each department has its own subquery, which reads an index. Otherwise PostgreSQL might search
    for the few cases of a small department among all cases.
    """
    found = _found(asked, user)
    conditions = _conditions(asked, user, found)
    handed: int | set[int] | None = 0
    if asked.view == "all":
        handed = found if found is not None else None if asked.filters else MAX_HANDED
    parts = _parts_visible_to(user, handed=handed)
    wanted = [page_after(part.filter(conditions), asked.sort, mark) for part in parts]
    if len(wanted) < 2:
        return in_order(wanted[0], asked.sort)[: PAGE + 1] if wanted else Case.objects.none()
    firsts = [in_order(part, asked.sort).values("pk")[: PAGE + 1] for part in wanted]
    merged = Case.objects.filter(pk__in=firsts[0].union(*firsts[1:], all=True))
    return in_order(merged, asked.sort)[: PAGE + 1]


def in_order(cases: QuerySet[Case], sort: str) -> QuerySet[Case]:
    return cases.order_by(*_ORDER[sort])


def page_after(cases: QuerySet[Case], sort: str, mark: str) -> QuerySet[Case]:
    """Return the cases after the cursor `mark`, which identifies the last row of the previous page.

    If the cursor is invalid, all cases are returned.
    """
    last = _place(sort, mark)
    if last is None:
        return cases
    if sort == "newest":
        return cases.filter(TupleLessThan(Tuple("last_inbound_at", "pk"), last))
    return cases.filter(TupleGreaterThan(Tuple(*_ORDER[sort]), last))


def mark_of(case: Case, sort: str) -> str:
    """Return the cursor of the page that starts after this case."""
    if sort == "due":
        return f"{case.due_at.isoformat() if case.due_at else _NOT_DUE},{case.pk}"
    at = case.last_inbound_at.isoformat() if case.last_inbound_at else ""
    return f"{case.rank},{at},{case.pk}" if sort == "priority" else f"{at},{case.pk}"


def _place(sort: str, mark: str) -> tuple[Any, ...] | None:
    """Convert a cursor that `mark_of` returned into the values of the sort columns.

    Returns None if the cursor is invalid.
    """
    rank, rest = None, mark
    at, _comma, key = mark.partition(",")
    if sort == "due" and at == _NOT_DUE:
        pk = number(key)
        return None if pk is None else (NEVER, pk)
    if sort == "priority":
        first, _comma, rest = mark.partition(",")
        rank = number(first)
        # A forged cursor must not overflow the small integer column.
        if rank is None or rank > 99:
            return None
    last = place(rest)
    if last is None:
        return None
    return last if rank is None else (rank, *last)


def _conditions(asked: Asked, user: User, found: set[int] | None) -> Q:
    conditions = _in_view(asked.view, user) & Q(merged_into=None)
    if followed := asked.filters.get("followed"):
        conditions &= followed_by(followed, user)
    if participant := asked.filters.get("participant"):
        conditions &= takes_part(participant, user)
    for name, value in asked.filters.items():
        if name in _FILTERS:
            conditions &= _FILTERS[name](value)
    return conditions if found is None else conditions & Q(pk__in=found)


def _in_view(view: str, user: User) -> Q:
    """Return the condition of a view of the inbox. An unknown view has the condition of “open”."""
    if view == "all":
        return Q()
    if view in Status.values and view != Status.OPEN:
        return Q(status=view)
    active = Q(status__in=ACTIVE)
    return {"mine": active & Q(assignee=user), "unassigned": active & Q(assignee=None)}.get(
        view, active
    )


def _due(value: str) -> Q:
    """Return the condition of a value of `DUE`, on the column that has the indexes."""
    now = timezone.now()
    late = Q(due_sort__lt=now)
    if value == SNOOZED_LATE:
        return late & Q(status=Status.SNOOZED)
    if value == "over":
        return late
    if value == "warned":
        clocks = CaseClock.objects.current().filter(case=OuterRef("pk"), due_at__gt=now)
        return Q(Exists(clocks.exclude(warned_at=None)), due_sort__lt=NEVER)
    today = timezone.localdate(now)
    until = {
        "soon": now + timedelta(hours=1),
        "four": now + timedelta(hours=4),
        "today": midnight(today, days=1),
        "tomorrow": midnight(today, days=2),
    }.get(value, NEVER)
    return Q(due_sort__gte=now, due_sort__lt=until)


def _topic(topic: Topic) -> Q:
    # Pass ids instead of a subquery: then PostgreSQL can estimate how often each revision matches.
    revisions = list(topic.revisions.values_list("pk", flat=True))
    hit = Match.objects.filter(revision__in=revisions)
    return Q(Exists(hit.filter(interaction=OuterRef("last_inbound"))))


def _found(asked: Asked, user: User) -> set[int] | None:
    """Return the ids of the cases that match the search words; None if no search words are given.

    The words may be a case number, a name, a handle, an address, or words of a message. Each of
    these has its own index. Messages that the user may not read are ignored.
    """
    words = asked.filters.get("q")
    if not words:
        return None
    pk = number(words.strip().lstrip("#"))
    found = {pk} if pk is not None else set()
    query = prefix_query(words)
    if query is not None:
        of_people = Case.objects.filter(profile__in=people_named(words, most=MAX_FOUND))
        found |= {*of_people.order_by("-pk").values_list("pk", flat=True)[:MAX_FOUND]}
        found |= _cases_of(_conversations_with(query), user)
    return found


def _cases_of(conversations: set[int], user: User) -> set[int]:
    """Return the ids of the current cases of these conversations.

    A restricted conversation is left out if its case is in none of the user's departments,
    because a search must not reveal text that the user may not read.
    """
    # Use two lists of ids instead of a join: PostgreSQL then reads an index once for each list.
    links = CaseConversation.objects.filter(ended_at=None)
    closed: set[int] = set()
    if not user.sees_everything:
        restricted = Conversation.objects.filter(pk__in=conversations).exclude(restricted_to=None)
        closed = {*restricted.values_list("pk", flat=True)}
    own = links.filter(case__department__in=user.memberships.values("department"))
    parts = (
        links.filter(conversation__in=conversations - closed),
        own.filter(conversation__in=closed),
    )
    return {case for part in parts for case in part.values_list("case", flat=True)}


def _conversations_with(query: Any) -> set[int]:
    """Return the ids of the conversations that contain the newest matching interactions.

    The ledger is searched in chunks, and the chunk with the newest interactions is searched
    first. So PostgreSQL need not read every interaction that ever contained the words. The number
    of hits in a chunk determines the size of the next chunk.
    """
    found: list[int] = []
    until = Interaction.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    size = FIRST_CHUNK
    while until > 0 and (room := MAX_FOUND - len(found)) > 0:
        chunk = Interaction.objects.filter(words=query, pk__lte=until, pk__gt=until - size)
        hits = chunk.order_by("-pk").values_list("conversation", flat=True)[:room]
        found += hits
        # Estimate from the hits how many rows are needed, and double that; without hits, take all.
        until, size = until - size, 2 * room * size // len(hits) if hits else until
    return set(found)


def _call_back(value: str) -> Q:
    planned = CallBack.objects.filter(case=OuterRef("pk"), closed_at=None)
    if value == "due":
        planned = planned.filter(at__lte=timezone.now())
    return Q(Exists(planned), status__in=LIVING)


_FILTERS: dict[str, Callable[[Any], Q]] = {
    "department": lambda value: Q(department=value),
    "status": lambda value: Q(status__in=LIVING if value == NOT_CLOSED else [value]),
    "who": lambda value: KNOWN if value == "known" else ~KNOWN,
    "priority": lambda value: Q(priority=value),
    "issue": lambda value: Q(issue=value),
    "tag": lambda value: Q(tags__contains=[value]),
    "channel": lambda value: Q(last_inbound__channel=value),
    "kind": lambda value: Q(last_inbound__kind=value),
    "assignee": lambda value: Q(assignee=None if value == "nobody" else number(value)),
    "due": _due,
    "late": lambda value: Q(received_late=value == "yes"),
    "call_back": _call_back,
    "topic": _topic,
    "since": lambda day: Q(last_inbound_at__gte=midnight(day)),
    "until": lambda day: Q(last_inbound_at__lt=midnight(day, days=1)),
}


def _parts_visible_to(user: User, *, handed: int | Collection[int] | None) -> list[CaseQuerySet]:
    """Return the cases that the user may see, as several querysets.

    No case is in two of the querysets, and each queryset uses one index. If the user is in more
    than `MAX_PARTS` departments, only one queryset is returned.

    handed: which of the cases that the user transferred to other departments are included. If it is
      a number n, the cases of the user's n latest transfers are included. If it is a collection of
      ids, the cases with these ids are included. If it is None, all these cases are included.
      Closed cases are always left out. If only one queryset is returned because of `MAX_PARTS`,
      every value except 0 has the same effect as None.
    """
    if user.sees_everything:
        return [Case.objects.all()]
    mine = [row.department_id for row in user.memberships.all()]
    # With many departments, use one query with a filter instead of a union of many querysets.
    if len(mine) > MAX_PARTS:
        cases = Case.objects.all()
        return [cases.in_departments_of(user) if handed == 0 else cases.visible_to(user)]
    parts = [Case.objects.filter(department=department) for department in mine]
    if handed != 0:
        events = CaseEvent.transfers(by=user).values("case")
        # Leave out the user's departments: a case in two querysets would be listed twice.
        elsewhere = Case.objects.exclude(status__in=CLOSED).exclude(department__in=mine)
        if isinstance(handed, int):
            events = events.filter(case__in=elsewhere).order_by("-pk")[:handed]
        elif handed is not None:
            events = events.filter(case__in=handed)
        parts.append(elsewhere.filter(pk__in=events))
    return parts
