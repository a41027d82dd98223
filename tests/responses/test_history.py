from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, User
from listening.models import Mention, Sighting, Source, Topic
from listening.topic_hits import find_matches
from responses import outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Feedback, Response
from responses.trace import trace
from routing.models import Case, Issue, RoutingRule
from scrm.batch import process_batch
from scrm.channels.base import Receipt

As = Callable[[User], Client]
NETWORK = "sandbox.microblog"
PAGE = "/responses/"


@pytest.fixture
def found(
    make_source: Callable[..., Source], brand_rule: RoutingRule, microblog: Account
) -> Callable[..., Mention]:
    """Return a function that stores an item as a fetch does and processes it.

    The function returns the mention.
    """
    source = make_source(kind="sandbox", address="search")
    fetch = source.start_fetch(now=timezone.now())
    assert fetch

    def find(text: str, key: str = "tweet", **facts: Any) -> Mention:
        mention = Mention.objects.create(
            scope=NETWORK, key=key, fetch=fetch, text=text, kind="post", visibility="public",
            author_network=NETWORK, author_key="ron", author_handle="@roncalder", **facts,
        )  # fmt: skip
        Sighting.objects.create(mention=mention, source=source, fetch=fetch)
        process_batch([mention], find_matches([mention]), now=timezone.now())
        mention.refresh_from_db()
        return mention

    return find


@pytest.fixture
def answered(found: Callable[..., Mention], agent: User) -> Response:
    """Return a reply to a post that was found by a fetch.

    After the reply, the author of the post thanked us.
    """
    found("Skyward threw me off a flight")
    case = Case.objects.get()
    words = Words(uuid.uuid4(), "We are so sorry.", "public", seen=case.last_inbound_id)
    response = reply(case, words, place=places_for(case)[0], by=agent)
    outbox.mark_sent(response.deliveries.get(), Receipt(NETWORK, "ours"), now=timezone.now())
    found("Skyward, thank you", key="thanks", in_reply_to="ours")
    return response


def test_every_link_is_walked_back_and_forth(
    answered: Response, brand: Topic, brand_rule: RoutingRule, django_assert_max_num_queries: Any
) -> None:
    response = Response.objects.select_related("decision", "issue").get(pk=answered.pk)
    with django_assert_max_num_queries(12):
        way = trace(response)
    (echo,) = way.feedback
    assert echo.feedback.interaction.text == "Skyward, thank you"
    assert echo.feedback.delivery in way.deliveries
    assert echo.case == way.case == response.case
    assert way.decision.outcome == "micro"
    assert way.rule_revision == brand_rule.current
    assert way.mentions[0].text == "Skyward threw me off a flight"
    assert way.matches[0].revision == brand.current
    assert way.fetches[0] == way.mentions[0].fetch
    assert way.sources[0] == way.fetches[0].source


def test_the_page_shows_the_whole_way(answered: Response, agent: User, as_: As) -> None:
    page = as_(agent).get(answered.get_absolute_url()).content.decode()
    for part in ("Skyward, thank you", "Reply to one (micro)", "Brand (revision 1)", "fetch"):
        assert part in page


def test_the_walk_leaves_out_what_one_may_not_see(
    answered: Response, sales: Department, agent: User, outsider: User
) -> None:
    """The trace of a response leaves out what the user may not read.

    Fails without `visible_to`, because then the trace shows a text from a restricted case of
    another department.
    """
    sales.is_restricted = True
    sales.save()
    answered.case.transfer(to=sales, by=outsider, why="A matter for them")
    way = trace(answered, by=agent)
    assert (way.case, way.routed, list(way.mentions), list(way.feedback)) == (None, None, [], [])
    assert trace(answered, by=outsider).mentions


def test_a_statement_on_an_issue_shows_its_cases(
    found: Callable[..., Mention], service: Department, microblog: Account, agent: User, as_: As
) -> None:
    found("Skyward has seats for dolls")
    case, issue = Case.objects.get(), Issue.objects.create(name="Seat policy", owner=agent)
    case.group(issue, by=agent)
    words = Words(uuid.uuid4(), "We change our seats.", "public")
    said = state_publicly(words, accounts=[microblog], by=agent, department=service, issue=issue)
    page = as_(agent).get(said.get_absolute_url()).content.decode()
    assert f"#{case.pk}" in page
    assert trace(said).case is None


def test_whoever_works_on_the_case_says_what_an_answer_amounts_to(
    answered: Response, agent: User, as_: As
) -> None:
    feedback = Feedback.objects.get()
    judge = reverse("responses:judge", args=[feedback.pk])
    browser = as_(agent)
    assert browser.post(judge, {"outcome": "enchanted"}).status_code == 422
    assert browser.post(judge, {"outcome": "thanks"}).status_code == 302
    feedback.refresh_from_db()
    assert (feedback.outcome, feedback.judged_by) == ("thanks", agent)
    assert "1 thanks" in browser.get(PAGE).content.decode()


def test_readers_look_at_feedback_but_do_not_judge_it(
    answered: Response, reader: User, outsider: User, as_: As
) -> None:
    judge = reverse("responses:judge", args=[Feedback.objects.get().pk])
    assert as_(reader).get(answered.get_absolute_url()).status_code == 200
    assert as_(reader).post(judge, {"outcome": "thanks"}).status_code == 403
    assert as_(outsider).post(judge, {"outcome": "thanks"}).status_code == 404
    assert as_(outsider).get(answered.get_absolute_url()).status_code == 404


FILTERS = [
    ({"state": "released"}, True),
    ({"state": "held"}, False),
    ({"audience": "one"}, True),
    ({"audience": "many"}, False),
    ({"q": "so SORRY"}, True),
    ({"q": "refund"}, False),
    ({"since": "2000-01-01"}, True),
    ({"until": "2000-01-01"}, False),
]


@pytest.mark.parametrize(("filters", "shown"), FILTERS)
def test_the_history_is_filtered_by_its_address(
    answer: Callable[..., Response], agent: User, as_: As, filters: dict[str, str], shown: bool
) -> None:
    answer()
    assert ("We are so sorry." in as_(agent).get(PAGE, filters).content.decode()) is shown


def test_the_history_of_one_author_and_one_department(
    answer: Callable[..., Response], agent: User, teammate: User, sales: Department, as_: As
) -> None:
    said, browser = answer(), as_(agent)
    for filters, shown in (
        ({"author": agent.pk}, True),
        ({"author": teammate.pk}, False),
        ({"department": said.department_id}, True),
        ({"department": sales.pk}, False),
    ):
        assert (said.text in browser.get(PAGE, filters).content.decode()) is shown


def test_a_filter_that_makes_no_sense_is_an_error_at_its_field(agent: User, as_: As) -> None:
    page = as_(agent).get(PAGE, {"since": "yesterday"})
    assert page.status_code == 422
    assert "since" in page.context["form"].errors


def test_other_departments_do_not_see_it(
    answer: Callable[..., Response], outsider: User, as_: As
) -> None:
    answer()
    assert "We are so sorry." not in as_(outsider).get(PAGE).content.decode()


@pytest.mark.parametrize("same_moment", [True, False])
def test_pages_follow_each_other_without_gap_or_repetition(
    complaint: Case, answer: Callable[..., Response], agent: User, as_: As, same_moment: bool
) -> None:
    first, now = answer("number 0"), timezone.now()
    for number in range(1, 120):
        at = now if same_moment else now - timedelta(minutes=number)
        Response.objects.create(
            decision=first.decision, case=complaint, department=first.department, author=agent,
            audience="one", visibility="public", text=f"number {number}", created_at=at,
        )  # fmt: skip
    seen, address, browser = [], PAGE, as_(agent)
    while address:
        context = browser.get(address).context
        seen += [response.pk for response in context["responses"]]
        address = context["next"] and PAGE + context["next"]
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("mark", ["nonsense", "2026-13-45,3", "2026-01-01T00:00,1", ",", "\0,1"])
def test_a_page_mark_that_is_not_ours_shows_the_first_page(
    answer: Callable[..., Response], agent: User, as_: As, mark: str
) -> None:
    answer()
    page = as_(agent).get(PAGE, {"before": mark})
    assert "We are so sorry." in page.content.decode()


def test_the_history_costs_the_same_for_one_row_and_for_many(
    answer: Callable[..., Response], agent: User, as_: As
) -> None:
    costs = []
    for number in (1, 9):
        for _ in range(number):
            answer()
        with CaptureQueriesContext(connection) as asked:
            as_(agent).get(PAGE)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_the_issues_of_other_departments_are_not_offered(
    as_: As, agent: User, admin: User, supervisor: User, sales: Department
) -> None:
    """Fails if the filter offers all issues. A link to the history of one issue still works."""
    fares = Issue.objects.create(name="Fares", owner=admin)
    fares.departments.add(sales)
    Issue.objects.create(name="Seats", owner=admin)
    option = f'<option value="{fares.pk}"'
    page = as_(agent).get(PAGE).content.decode()
    assert ">Seats</option>" in page
    assert option not in page
    assert option in as_(supervisor).get(PAGE).content.decode()
    assert f"{option} selected" in as_(agent).get(PAGE, {"issue": fares.pk}).content.decode()
    assert as_(agent).get(PAGE, {"issue": "x"}).status_code == 422
