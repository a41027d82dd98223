from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, Interaction, User
from routing.models import Case, Issue

As = Callable[[User], Client]
Make = Callable[..., Case]


@pytest.fixture
def seats(agent: User) -> Issue:
    return Issue.objects.create(name="Seat policy", owner=agent)


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_an_issue_is_opened_by_hand(as_: As, agent: User) -> None:
    as_(agent).post("/issues/new/", {"name": "Seat policy", "about": "", "owner": agent.pk})
    assert Issue.objects.get().owner == agent


def test_an_issue_needs_a_name_and_keeps_the_rest(as_: As, agent: User) -> None:
    page = as_(agent).post("/issues/new/", {"name": "", "about": "Seats", "owner": agent.pk})
    assert page.status_code == 422
    assert "Seats</textarea>" in html(page)


def test_cases_are_added_by_their_numbers_and_people_counted(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    first, second = make_case(by="ron"), make_case(by="rita")
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/add/", {"numbers": f"#{first.pk}, {second.pk}"})
    assert set(seats.cases.all()) == {first, second}
    assert "2 people" in html(client.get("/issues/"))


def test_cases_that_are_not_theirs_are_refused_by_number_and_none_is_added(
    as_: As, agent: User, sales: Department, seats: Issue, make_case: Make
) -> None:
    mine, other = make_case(by="ron"), make_case(by="rita", department=sales)
    numbers = f"{mine.pk} {other.pk}"
    page = as_(agent).post(f"/issues/{seats.pk}/add/", {"numbers": numbers})
    assert page.status_code == 422
    assert f"Not found in your departments: #{other.pk}." in html(page)
    assert f'value="{numbers}"' in html(page)
    assert not seats.cases.exists()


@pytest.mark.parametrize("numbers", ["", "twelve", "1;²", "9" * 30])
def test_odd_numbers_are_refused_in_words(as_: As, agent: User, seats: Issue, numbers: str) -> None:
    page = as_(agent).post(f"/issues/{seats.pk}/add/", {"numbers": numbers})
    assert page.status_code == 422


def test_a_case_is_taken_out(as_: As, agent: User, seats: Issue, case: Case) -> None:
    case.group(seats, by=agent)
    as_(agent).post(f"/issues/{seats.pk}/remove/", {"case": case.pk})
    assert not seats.cases.exists()


def test_a_reader_takes_no_case_out(
    as_: As, agent: User, reader: User, seats: Issue, case: Case
) -> None:
    case.group(seats, by=agent)
    page = as_(reader).post(f"/issues/{seats.pk}/remove/", {"case": case.pk})
    assert page.status_code == 404
    assert seats.cases.exists()


def test_cases_of_other_departments_are_counted_but_not_named(
    as_: As, agent: User, outsider: User, seats: Issue, case: Case
) -> None:
    case.group(seats, by=agent)
    page = html(as_(outsider).get(f"/issues/{seats.pk}/"))
    assert "Roncalder" not in page
    assert "1 more case is in a department that you cannot see." in page


def test_the_counts_of_an_issue_are_those_of_its_list(
    as_: As,
    agent: User,
    outsider: User,
    admin: User,
    sales: Department,
    seats: Issue,
    make_case: Callable[..., Case],
) -> None:
    """Of three cases, an agent of Sales can read one: page, list of issues and menu all say one.

    Before, the head of the page and the list of issues counted the cases of all departments.
    """
    for number in range(3):
        make_case(by=f"person{number}", at=timezone.now()).group(seats, by=agent)
    readable = seats.cases.order_by("pk")[0]
    readable.transfer(to=sales, by=admin, why="Yours")
    page = as_(outsider).get(f"/issues/{seats.pk}/")
    issue = page.context["issue"]
    assert (issue.people, issue.cases_n, issue.living_n, issue.grown_n) == (1, 1, 1, 1)
    assert (issue.hidden_n, len(page.context["rows"])) == (2, 1)
    assert "2 more cases in departments that you cannot see" in html(page)
    listed = html(as_(outsider).get("/issues/"))
    assert "2 more that you cannot see" in listed
    assert "<b>1</b> of 1 case open" in " ".join(listed.split())
    menu = page.context["nav"].issues[0]
    assert (menu.label, menu.count) == (seats.name, 1)
    everything = as_(admin).get(f"/issues/{seats.pk}/").context["issue"]
    assert (everything.cases_n, everything.hidden_n) == (3, 0)


def test_its_owner_closes_and_opens_it(as_: As, agent: User, seats: Issue) -> None:
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    assert seats.closed_at
    assert 'name="open"' in html(client.get(f"/issues/{seats.pk}/"))
    client.post(f"/issues/{seats.pk}/close/", {"open": "1"})
    seats.refresh_from_db()
    assert seats.closed_at is None
    assert 'name="close"' in html(client.get(f"/issues/{seats.pk}/"))


def test_a_second_click_on_close_changes_nothing(as_: As, agent: User, seats: Issue) -> None:
    """A second click on “Close” does not reopen the issue.

    Fails if the button switches between open and closed.
    """
    client = as_(agent)
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    first = seats.closed_at
    client.post(f"/issues/{seats.pk}/close/", {"close": "1"})
    seats.refresh_from_db()
    assert seats.closed_at == first is not None


def test_others_cannot_close_it(as_: As, teammate: User, seats: Issue) -> None:
    assert as_(teammate).post(f"/issues/{seats.pk}/close/").status_code == 404


def test_its_owner_edits_it_and_nobody_below(
    as_: As, agent: User, teammate: User, lead: User, seats: Issue
) -> None:
    page = f"/issues/{seats.pk}/edit/"
    typed = {"name": "Seats", "about": "Who pays for two", "owner": lead.pk}
    assert as_(teammate).post(page, typed).status_code == 404
    assert as_(agent).post(page, typed).status_code == 302
    seats.refresh_from_db()
    assert (seats.name, seats.owner) == ("Seats", lead)
    assert as_(agent).get(page).status_code == 404


def test_an_edit_without_a_name_keeps_what_was_typed(as_: As, agent: User, seats: Issue) -> None:
    typed = {"name": " ", "about": "Who pays for two", "owner": agent.pk}
    page = as_(agent).post(f"/issues/{seats.pk}/edit/", typed)
    assert page.status_code == 422
    assert "Who pays for two</textarea>" in html(page)


def test_its_page_says_who_and_where_each_case_stands(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    case = make_case("@SkywardAir I had a seat", by="ron", status="waiting", assignee=agent)
    case.group(seats, by=agent)
    page = html(as_(agent).get(f"/issues/{seats.pk}/"))
    for words in ("Ron", "I had a seat", "Waiting for reply", "Anna Agent", "Customer service"):
        assert words in page
    assert f"/issues/{seats.pk}/said/" in page


def test_open_cases_stand_first_and_can_be_shown_alone(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    now = timezone.now()
    done = make_case(by="ron", status="done", done_at=now, at=now)
    waits = make_case(by="rita", at=now - timedelta(days=2))
    for case in (done, waits):
        case.group(seats, by=agent)
    browser = as_(agent)
    page = browser.get(f"/issues/{seats.pk}/")
    assert [row.case for row in page.context["rows"]] == [waits, done]
    assert "of 2 cases open" in html(page)
    page = browser.get(f"/issues/{seats.pk}/", {"show": "open"})
    assert [row.case for row in page.context["rows"]] == [waits]


def test_its_open_cases_are_done_together_unless_somebody_wrote_meanwhile(
    as_: As, agent: User, reader: User, sales: Department, seats: Issue,
    make_case: Callable[..., Case], say: Callable[..., Interaction],
) -> None:  # fmt: skip
    """All open cases of an issue are finished together.

    If a case got a message after the page was loaded, this case stays open. Closed cases and the
    cases of other departments are not changed.
    """
    mine, late = (make_case(by=name, issue=seats) for name in ("one", "two"))
    make_case(by="three", issue=seats, department=sales)
    make_case(by="four", issue=seats, status="noise")
    page = html(as_(agent).get(seats.get_absolute_url()))
    assert "Mark 2 open cases done" in page
    form = page[page.index('class="line all-done"') :]
    form = form[: form.index("</form>")]
    say("One more thing", by="two")
    typed = {
        "verb": "done",
        "reason": re.findall(r"<option>([^<]+)", form)[0],
        "form": re.findall(r'name="form" value="([^"]+)"', form)[0],
        "case": re.findall(r'name="case" value="([^"]+)"', form),
    }
    said = html(as_(agent).post("/bulk/", typed, headers={"HX-Request": "true"}))
    assert "Done: 1 case. 1 was left unchanged." in said
    again = f'hx-get="{seats.get_absolute_url()}" hx-trigger="list-changed'
    assert again in html(as_(agent).get(f"{seats.get_absolute_url()}?q=bag"))
    open_only = f"{seats.get_absolute_url()}?show=open"
    assert f'hx-get="{open_only}" hx-trigger="list-changed' in html(as_(agent).get(open_only))
    assert [Case.objects.get(pk=each.pk).status for each in (mine, late)] == ["done", "new"]
    assert "all-done" not in html(as_(reader).get(seats.get_absolute_url()))


def test_the_text_of_a_restricted_case_is_not_on_the_page(
    as_: As, agent: User, seats: Issue, make_case: Make, service: Department
) -> None:
    make_case("Between us and our lawyers").group(seats, by=agent)
    service.is_restricted = True
    service.save()
    case = seats.cases.get()
    case.transfer(to=service, by=agent, why="Theirs")
    supervisor_less = User.objects.create_user("x@scrm.example", name="Xenia")
    assert "our lawyers" not in html(as_(supervisor_less).get(f"/issues/{seats.pk}/"))
    assert "our lawyers" in html(as_(agent).get(f"/issues/{seats.pk}/"))


def test_a_search_finds_cases_that_are_not_in_it_and_ticks_add_them(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    inside, outside = make_case("My seat broke", by="ron"), make_case("A seat, please", by="rita")
    inside.group(seats, by=agent)
    browser, page = as_(agent), f"/issues/{seats.pk}/"
    part = browser.get(page, {"q": "seat"}, headers={"HX-Request": "true"})
    assert [row.case for row in part.context["found"]] == [outside]
    assert "<html" not in html(part)
    whole = browser.get(page, {"q": "seat"})
    assert f'name="case" value="{outside.pk}"' in html(whole)
    browser.post(f"{page}add/", {"case": [outside.pk]})
    assert set(seats.cases.all()) == {inside, outside}


def test_a_search_offers_nothing_that_is_anothers_to_work_on(
    as_: As, outsider: User, seats: Issue, make_case: Make
) -> None:
    make_case("A seat, please")
    part = as_(outsider).get(f"/issues/{seats.pk}/", {"q": "seat"}, headers={"HX-Request": "true"})
    assert part.context["found"] == []
    assert "No cases in your departments match" in html(part)


def test_a_case_of_another_issue_is_named_as_such_before_it_moves(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    make_case("A seat").group(Issue.objects.create(name="Baggage", owner=agent), by=agent)
    page = as_(agent).get(f"/issues/{seats.pk}/", {"q": "seat"})
    assert "now in “Baggage”" in html(page)


def test_a_reader_sees_no_form_to_change_it(as_: As, reader: User, seats: Issue) -> None:
    page = html(as_(reader).get(f"/issues/{seats.pk}/"))
    assert "Write a statement" not in page
    assert f"/issues/{seats.pk}/add/" not in page


def test_an_issue_made_of_a_selection_in_the_inbox_has_its_cases(
    as_: As, agent: User, make_case: Make
) -> None:
    cases = [make_case(by=name) for name in ("ron", "rita", "rob")]
    browser = as_(agent)
    shown = [f"{case.pk}:{case.last_inbound_id}:0" for case in cases]
    asked = {"verb": "group", "issue": "Seat policy", "case": shown}
    browser.post("/bulk/", asked)
    page = browser.get(Issue.objects.get().get_absolute_url())
    assert {row.case for row in page.context["rows"]} == set(cases)
    assert "of 3 cases open" in html(page)


def test_the_list_says_by_how_much_each_grew_today_and_open_ones_come_first(
    as_: As, agent: User, seats: Issue, make_case: Make
) -> None:
    closed = Issue.objects.create(name="Old matter", owner=agent, closed_at=timezone.now())
    make_case(by="ron", opened_at=timezone.now()).group(seats, by=agent)
    make_case(by="rita", opened_at=timezone.now() - timedelta(days=3)).group(seats, by=agent)
    page = html(as_(agent).get("/issues/"))
    assert "+1 today" in page
    assert "no statement yet" in page
    assert page.index("Seat policy</bdi>") < page.index("Closed</h2>") < page.index(str(closed))


def test_an_empty_list_says_how_to_begin(as_: As, agent: User) -> None:
    assert "No issues yet." in html(as_(agent).get("/issues/"))


@pytest.mark.parametrize("page", ["/issues/", "/issues/{}/"])
def test_its_pages_ask_as_little_for_nine_cases_as_for_one(
    as_: As, agent: User, seats: Issue, make_case: Make, page: str
) -> None:
    asked = []
    browser = as_(agent)
    for several in (["one"], [f"person{n}" for n in range(8)]):
        for name in several:
            make_case(by=name, assignee=agent).group(seats, by=agent)
        with CaptureQueriesContext(connection) as queries:
            browser.get(page.format(seats.pk))
        asked.append(len(queries))
    assert asked[0] == asked[1]
