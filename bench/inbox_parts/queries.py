"""The queries of the inbox pages; the functions of scrm itself create them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Count, QuerySet

from crm.models import Contact, Department, Profile, User
from crm.search import some_contacts_named
from crm.timeline import timeline
from listening.models import Topic
from routing import case_page as case_timeline
from routing.inbox import query, rows
from routing.inbox.people import participant_of
from routing.inbox.query import Asked
from routing.models import Case, Issue
from scrm.pages import navigation

Call = Callable[[], object]


def queries() -> Iterator[tuple[str, Call]]:
    """Yield the name of each query, and a function that runs the query.

    Most queries run for an admin, who sees all cases, and for an agent. The agent belongs to one of
    the eight departments; this department has about an eighth of all cases.
    """
    admin = User.objects.get(email="admin@bench.example")
    agent = User.objects.get(email="anna.sales@bench.example")
    small = User.objects.get(email="anna.press@bench.example")
    for who, user in (("admin", admin), ("agent", agent)):
        for view in ("unassigned", "open", "waiting", "snoozed", "done", "noise", "all"):
            yield f"list_{view}_{who}", _listed(user, view)
        yield from _due_lists(who, user)
        for sort in ("oldest", "priority", "due"):
            yield f"list_open_{sort}_{who}", _listed(user, "open", sort)
            yield f"list_all_{sort}_{who}", _listed(user, "all", sort)
        yield f"list_deep_{who}", _deep(user)
        for name, filters in _filters().items():
            yield f"{name}_{who}", _listed(user, "open", **filters)
        for name, value in (("loud", "profile-1"), ("words", "Ba")):
            yield f"participant_{name}_{who}", _with_participant(user, value)
        for name, words in _searches():
            yield f"search_{name}_{who}", _listed(user, "all", q=words)
        yield f"badges_{who}", lambda user=user: navigation.Frame(user).views
        yield f"badges_departments_{who}", lambda user=user: navigation.Frame(user).departments
    yield "badges_issues", lambda: navigation.Frame(admin).issues
    yield "list_mine_agent", _listed(agent, "mine")
    yield "list_mine_due_agent", _listed(agent, "mine", "due")
    yield (
        "list_department_admin",
        _listed(admin, "open", department=Department.objects.get(name="Sales")),
    )
    for view in ("unassigned", "done", "all"):
        yield f"list_{view}_small_department", _listed(small, view)
    yield "rows_of_a_page", lambda: rows.rows(query.page(Asked("open", "newest", {}), admin), admin)
    loud = Profile.objects.of_contact(Contact.objects.get(pk=1))
    quiet = Profile.objects.of_contact(
        _one_with(Contact.objects.all(), "links__profile__interactions")
    )
    yield "timeline_loud_contact", lambda: timeline(loud, user=agent)
    middle = _middle(loud)
    yield "timeline_loud_contact_deep", lambda: timeline(loud, user=agent, before=middle)
    yield "timeline_contact", lambda: timeline(quiet, user=agent)
    case = _one_with(Case.objects.visible_to(agent), "profile__cases")
    yield "timeline_case", lambda: case_timeline.timeline(case, agent)
    yield "cases_of_a_party", lambda: case_timeline.other_cases(case, agent)
    yield "people_by_name", lambda: list(some_contacts_named("ba")[:6])


def _due_lists(who: str, user: User) -> Iterator[tuple[str, Call]]:
    for view in ("unassigned", "snoozed"):
        yield f"list_{view}_due_{who}", _listed(user, view, "due")
    yield f"list_snoozed_overdue_{who}", _listed(user, "snoozed", "due", due="snoozed")
    for value in ("over", "soon", "today"):
        yield f"list_due_{value}_{who}", _listed(user, "open", "due", due=value)


def _filters() -> dict[str, dict[str, Any]]:
    return {
        "tag_common": {"tag": "tag0"},
        "tag_rare": {"tag": "recall"},
        "topic_common": {"topic": Topic.objects.get(name="Topic 1")},
        "topic_rare": {"topic": Topic.objects.get(name="Topic 41")},
        "issue": {"issue": Issue.objects.get(name="Issue 1")},
        "channel": {"channel": "sandbox"},
        "late": {"late": "yes"},
        "followed": {"followed": str(User.objects.get(email="otto.sales@bench.example").pk)},
        "assignee": {"assignee": str(User.objects.get(email="otto.sales@bench.example").pk)},
    }


def _searches() -> Iterator[tuple[str, str]]:
    profile = Profile.objects.get(pk=77)
    case = Case.objects.get(pk=1000)
    yield "number", f"#{case.pk}"
    yield "reference", f"ref{case.last_inbound.key[1:]}"  # type: ignore[union-attr]
    yield "name", str(profile)
    yield "handle", profile.handle
    yield "word", "refund"
    yield "common_word", "flight"
    yield "two_words", "flight lost"
    yield "beginning", "ba"


def _listed(user: User, view: str, sort: str = "newest", **filters: Any) -> Call:
    return lambda: list(query.page(Asked(view, sort, filters), user))


def _with_participant(user: User, value: str) -> Call:
    """Find the people in the measured call: every request finds them anew."""

    def call() -> object:
        filters = {"participant": participant_of(value)}
        return list(query.page(Asked("open", "newest", filters), user))

    return call


def _deep(user: User) -> Call:
    """Return a function that loads a page of the inbox from the middle of all cases."""
    middle = Case.objects.order_by("pk")[Case.objects.count() // 2]
    mark = query.mark_of(middle, "newest")
    return lambda: list(query.page(Asked("all", "newest", {}), user, mark))


def _one_with(rows: QuerySet[Any], what: str, number: int = 10) -> Any:
    """Return the first row that has exactly `number` related rows in the relation `what`.

    The result of the measured query then has the same size in every database.
    """
    counted = rows.annotate(number=Count(what)).filter(number=number)
    return counted.order_by("pk")[0]


def _middle(profiles: QuerySet[Profile]) -> str:
    said = profiles.model.objects.get(pk=1).interactions.order_by("sort_at")
    return str(said[said.count() // 2].pk)
