"""The inbox list: which cases a URL asks for, in which order, page by page.

Keyset pagination: each page is a row comparison that an index serves, never an offset.
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
from routing.models import Case, CaseConversation, CaseEvent
from routing.models.case import CaseQuerySet
from routing.models.status import ACTIVE, CLOSED, LIVING, Status
from scrm.web.params import midnight, number, place

PAGE = 50
MAX_FOUND = 500
"""Maximum number of search hits that are used: the newest."""
MAX_PARTS = 4
"""Departments. A user in more departments sees so many cases that one filter finds a page soon."""
MAX_HANDED = 20
"""Cases that a user transferred and that are still open elsewhere: the latest ones shown."""
STRETCH = 5_000
"""Interactions that a search reads first: the newest."""
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
SORTS = {"newest": _("Newest"), "oldest": _("Oldest"), "priority": _("Priority")}
_ORDER = {
    "newest": ("-last_inbound_at", "-pk"),
    "oldest": ("last_inbound_at", "pk"),
    "priority": ("rank", "last_inbound_at", "pk"),
}
SOON = timedelta(hours=1)
NOT_CLOSED = "living"
KNOWN = Q(Exists(ProfileLink.objects.filter(profile=OuterRef("profile"), ended_at=None)))
"""The case's profile is linked to a contact."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a URL asks for: a view, a sort order, and filters as cleaned by `InboxForm`."""

    view: str
    sort: str
    filters: dict[str, Any]


def default_view(cases: Any, user: User, filters: dict[str, Any]) -> str:
    """Return the view for a URL that names none.

    “all” with a search or a status; “open” with a filter such as a department or an assignee;
    else “mine”, or “unassigned” if the user has no active case.
    """
    if filters.get("status") or filters.get("q"):
        return "all"
    if any(filters.get(name) for name in ("department", "assignee", "issue", "tag", "topic")):
        return "open"
    return "mine" if cases.active().of(user).exists() else "unassigned"


def cases_asked_for(asked: Asked, user: User) -> CaseQuerySet:
    """All matching cases that the user may see, unordered.

    Cases that the user only transferred are in the view “all” alone: they are no longer the
    user's work. Its pages show the latest `MAX_HANDED` of them, or all with a filter or search.
    """
    cases = Case.objects.all()
    everything = asked.view == "all"
    seen = cases.visible_to(user) if everything else cases.in_departments_of(user)
    return seen.filter(_conditions(asked, user, _found(asked, user)))


def page(asked: Asked, user: User, mark: str = "") -> QuerySet[Case]:
    """Cases after the cursor `mark`, in order, and one more than fits on a page.

    The first rows of each visible part are read along an index of their own, so that the cases
    of a small department are not searched for among all cases.
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
    together = Case.objects.filter(pk__in=firsts[0].union(*firsts[1:], all=True))
    return in_order(together, asked.sort)[: PAGE + 1]


def in_order(cases: QuerySet[Case], sort: str) -> QuerySet[Case]:
    return cases.order_by(*_ORDER[sort])


def page_after(cases: QuerySet[Case], sort: str, mark: str) -> QuerySet[Case]:
    """Cases after the cursor `mark`, the last row of the previous page.

    An invalid cursor is ignored.
    """
    last = _place(sort, mark)
    if last is None:
        return cases
    if sort == "newest":
        return cases.filter(TupleLessThan(Tuple("last_inbound_at", "pk"), last))
    columns = ("rank", "last_inbound_at", "pk") if sort == "priority" else ("last_inbound_at", "pk")
    return cases.filter(TupleGreaterThan(Tuple(*columns), last))


def mark_of(case: Case, sort: str) -> str:
    """Return the cursor for the page that follows this row."""
    at = case.last_inbound_at.isoformat() if case.last_inbound_at else ""
    return f"{case.rank},{at},{case.pk}" if sort == "priority" else f"{at},{case.pk}"


def _place(sort: str, mark: str) -> tuple[Any, ...] | None:
    rank, rest = None, mark
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
    conditions = _in_view(asked.view, user)
    for name, value in asked.filters.items():
        if name in _FILTERS:
            conditions &= _FILTERS[name](value)
    return conditions if found is None else conditions & Q(pk__in=found)


def _in_view(view: str, user: User) -> Q:
    if view == "all":
        return Q()
    if view in Status.values and view != Status.OPEN:
        return Q(status=view)
    active = Q(status__in=ACTIVE)
    return {"mine": active & Q(assignee=user), "unassigned": active & Q(assignee=None)}.get(
        view, active
    )


def _due(value: str) -> Q:
    now = timezone.now()
    return Q(due_at__lt=now) if value == "over" else Q(due_at__gte=now, due_at__lt=now + SOON)


def _topic(topic: Topic) -> Q:
    # Literal ids, not a subquery: PostgreSQL then estimates how often each revision matches.
    revisions = list(topic.revisions.values_list("pk", flat=True))
    hit = Match.objects.filter(revision__in=revisions)
    return Q(Exists(hit.filter(interaction=OuterRef("last_inbound"))))


def _found(asked: Asked, user: User) -> set[int] | None:
    """Ids of cases found by number, by name, handle or address, or by text.

    Each kind of search uses its own index. Text that the user may not read does not match.
    None if there is no search.
    """
    words = asked.filters.get("q")
    if not words:
        return None
    pk = number(words.strip().lstrip("#"))
    found = {pk} if pk is not None else set()
    query = prefix_query(words)
    if query is not None:
        of_them = Case.objects.filter(profile__in=people_named(words, most=MAX_FOUND))
        found |= {*of_them.order_by("-pk").values_list("pk", flat=True)[:MAX_FOUND]}
        found |= _cases_about(_talks_with(query), user)
    return found


def _cases_about(talks: set[int], user: User) -> set[int]:
    """Ids of the current cases of these conversations.

    Restricted conversations count only in the user's departments: a search must not reveal text
    that the user may not read. No join: for a list of ids PostgreSQL walks an index once.
    """
    links = CaseConversation.objects.filter(ended_at=None)
    inside: set[int] = set()
    if not user.sees_everything:
        restricted = Conversation.objects.filter(pk__in=talks).exclude(restricted_to=None)
        inside = {*restricted.values_list("pk", flat=True)}
    theirs = links.filter(case__department__in=user.memberships.values("department"))
    parts = (links.filter(conversation__in=talks - inside), theirs.filter(conversation__in=inside))
    return {case for part in parts for case in part.values_list("case", flat=True)}


def _talks_with(query: Any) -> set[int]:
    """Conversations of the newest matching interactions, searched in chunks from the newest on.

    The hits of one chunk determine the size of the next, so that PostgreSQL reads only as many
    rows as are needed, and not every interaction that ever contained a word.
    """
    found: list[int] = []
    until = Interaction.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    stretch = STRETCH
    while until > 0 and (room := MAX_FOUND - len(found)) > 0:
        said = Interaction.objects.filter(words=query, pk__lte=until, pk__gt=until - stretch)
        hits = said.order_by("-pk").values_list("conversation", flat=True)[:room]
        found += hits
        # Twice the size that the hits of this chunk suggest; without a hit, all the rest.
        until, stretch = until - stretch, 2 * room * stretch // len(hits) if hits else until
    return set(found)


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
    "topic": _topic,
    "since": lambda day: Q(last_inbound_at__gte=midnight(day)),
    "until": lambda day: Q(last_inbound_at__lt=midnight(day, days=1)),
}


def _parts_visible_to(user: User, *, handed: int | Collection[int] | None) -> list[CaseQuerySet]:
    """The cases the user sees, in parts that do not overlap and use one index each.

    handed: how many of the cases that the user transferred away are included: the last so many,
    those among these ids, or all (None).
    """
    if user.sees_everything:
        return [Case.objects.all()]
    mine = list(user.memberships.values_list("department", flat=True))
    if len(mine) > MAX_PARTS:
        cases = Case.objects.all()
        return [cases.in_departments_of(user) if handed == 0 else cases.visible_to(user)]
    parts = [Case.objects.filter(department=department) for department in mine]
    if handed != 0:
        events = CaseEvent.transfers(by=user).values("case")
        elsewhere = Case.objects.exclude(status__in=CLOSED).exclude(department__in=mine)
        if isinstance(handed, int):
            events = events.filter(case__in=elsewhere).order_by("-pk")[:handed]
        elif handed is not None:
            events = events.filter(case__in=handed)
        parts.append(elsewhere.filter(pk__in=events))
    return parts
