from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Contact, Department, User
from routing.models import Case

As = Callable[[User], Client]
Make = Callable[..., Case]


def shown(page: Any) -> list[int]:
    return [row.case.pk for row in page.context["listing"].rows]


def test_it_begins_with_mine_where_there_are_any(as_: As, agent: User, make_case: Make) -> None:
    mine = make_case(by="ron", assignee=agent)
    free = make_case(by="rita")
    page = as_(agent).get("/")
    assert shown(page) == [mine.pk]
    assert shown(as_(agent).get("/?view=unassigned")) == [free.pk]


def test_it_begins_with_what_nobody_has_where_nothing_is_mine(
    as_: As, agent: User, case: Case
) -> None:
    page = as_(agent).get("/")
    assert page.context["listing"].asked.view == "unassigned"
    assert shown(page) == [case.pk]


@pytest.mark.parametrize("view", ["waiting", "snoozed", "done", "noise"])
def test_each_view_shows_its_status_only(as_: As, agent: User, make_case: Make, view: str) -> None:
    wanted = make_case(by="ron", status=view, done_at=timezone.now())
    make_case(by="rita")
    assert shown(as_(agent).get(f"/?view={view}")) == [wanted.pk]


def test_all_shows_every_status(as_: As, agent: User, make_case: Make) -> None:
    make_case(by="ron", status="done", done_at=timezone.now())
    make_case(by="rita")
    assert len(shown(as_(agent).get("/?view=all"))) == 2


def test_a_department_opens_on_what_is_open_there(
    as_: As, agent: User, admin: User, sales: Department, make_case: Make
) -> None:
    here = make_case(by="ron", department=sales, assignee=agent)
    make_case(by="rita")
    make_case(by="rob", department=sales, status="waiting")
    assert shown(as_(admin).get(f"/?department={sales.pk}")) == [here.pk]


def test_a_department_that_is_not_theirs_cannot_be_asked_for(
    as_: As, outsider: User, case: Case
) -> None:
    page = as_(outsider).get(f"/?view=all&department={case.department_id}")
    assert page.status_code == 422
    assert shown(page) == []


def test_others_cases_are_not_listed(as_: As, outsider: User, case: Case) -> None:
    page = as_(outsider).get("/?view=all")
    assert shown(page) == []
    assert "My bag is gone" not in page.content.decode()


@pytest.mark.parametrize("words", ["Ronc", "@RONCAL", "roncalder", "#{pk}", "{pk}"])
def test_it_finds_by_name_handle_or_number(
    as_: As, agent: User, make_case: Make, words: str
) -> None:
    wanted = make_case()
    make_case(by="zoe")
    page = as_(agent).get("/", {"view": "all", "q": words.format(pk=wanted.pk)})
    assert wanted.pk in shown(page)
    assert len(shown(page)) == 1


@pytest.mark.parametrize("words", ["²", "99999999999999999999999", "%", "'", "#"])
def test_odd_searches_find_nothing_and_break_nothing(
    as_: As, agent: User, case: Case, words: str
) -> None:
    assert as_(agent).get("/", {"view": "all", "q": words}).status_code == 200


def test_a_filter_by_status_holds_within_all(as_: As, agent: User, make_case: Make) -> None:
    wanted = make_case(by="ron", status="waiting")
    make_case(by="rita")
    assert shown(as_(agent).get("/?status=waiting")) == [wanted.pk]


def test_pages_follow_one_another_without_gap_or_overlap(
    as_: As, agent: User, make_case: Make
) -> None:
    at = timezone.now() - timedelta(hours=2)
    everyone = {make_case(by=f"person{n}", at=at).pk for n in range(53)}  # all at the same time
    client = as_(agent)
    first = client.get("/?view=unassigned")
    second = client.get("/" + first.context["listing"].older)
    assert len(shown(first)) == 50
    assert set(shown(first)) | set(shown(second)) == everyone
    assert len(shown(second)) == 3
    assert second.context["listing"].older == ""


@pytest.mark.parametrize("mark", ["x", "2026-01-01,1", "2026-13-01T00:00:00Z,1", ",", "now,²"])
def test_a_page_mark_that_is_none_is_ignored(as_: As, agent: User, case: Case, mark: str) -> None:
    assert shown(as_(agent).get("/", {"before": mark})) == [case.pk]


def test_statements_do_not_grow_with_the_rows(as_: As, agent: User, make_case: Make) -> None:
    client = as_(agent)

    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/?view=unassigned")
        return len(queries)

    make_case(by="first")
    client.get("/")
    one = statements()
    for n in range(10):
        make_case(by=f"person{n}")
    assert statements() == one


def test_a_row_says_who_what_and_how_late(
    as_: As, agent: User, admin: User, make_case: Make
) -> None:
    case = make_case("Where is my <b>bag</b>?", priority="high", tags=["luggage"])
    Case.objects.update(due_at=timezone.now() - timedelta(minutes=5))
    case.profile.link_to(
        Contact.objects.create(name="Ron Calder", kind="press"), by=admin, evidence="said so"
    )
    page = as_(agent).get("/").content.decode()
    for words in (
        "Ron Calder",
        "@roncalder",
        "press",
        "luggage",
        "high",
        "due late",
        "5 min overdue",
    ):
        assert words in page
    assert "Where is my &lt;b&gt;bag&lt;/b&gt;?" in page


def test_the_text_of_a_restricted_case_stays_with_its_department(
    as_: As, agent: User, sales: Department, case: Case
) -> None:
    """A user who transferred a case to a restricted department sees the case but not its text.

    The case is still in the user's list.
    """
    Department.objects.filter(pk=sales.pk).update(is_restricted=True)
    sales.refresh_from_db()
    case.transfer(to=sales, by=agent, why="A contract")
    page = as_(agent).get("/?view=all")
    assert shown(page) == [case.pk]
    assert "My bag is gone" not in page.content.decode()
    assert "A conversation of Sales" in page.content.decode()


def test_an_empty_view_says_so_in_words(as_: As, agent: User) -> None:
    assert "No cases waiting for reply" in as_(agent).get("/?view=waiting").content.decode()


def test_the_live_refresh_gets_the_list_alone(as_: As, agent: User, case: Case) -> None:
    headers = {"HX-Request": "true", "HX-Target": "cases"}
    page = as_(agent).get("/?view=unassigned", headers=headers).content.decode()
    assert "<html" not in page
    assert f'id="case-{case.pk}"' in page
    assert 'data-query="?view=unassigned" data-view="unassigned"' in page
