"""The query of the inbox: which cases it finds, in which order, for each filter in the URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize

import pytest
import time_machine
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Contact, Department, Interaction, User, Workspace
from listening.models import Match, Topic
from routing.inbox import query as inbox_query
from routing.inbox import search_snippet
from routing.inbox.rows import due_words
from routing.models import Case, Issue, SavedView
from routing.models.status import Status

As = Callable[[User], Client]
Make = Callable[..., Case]
Say = Callable[..., Interaction]


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def shown(page: Any) -> list[int]:
    return [row.case.pk for row in page.context["listing"].rows]


def walk(client: Client, address: str) -> list[int]:
    """Follow the “Older” link to the last page, and return the ids of the cases on all pages."""
    page = client.get(address)
    found = shown(page)
    while older := page.context["listing"].older:
        page = client.get("/" + older)
        found += shown(page)
    return found


@pytest.mark.parametrize("sort", ["newest", "oldest", "priority", "due"])
def test_pages_of_every_order_follow_one_another_without_gap_or_overlap(
    as_: As, agent: User, make_case: Make, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr("routing.views.inbox.PAGE", 3)
    at = timezone.now() - timedelta(hours=3)
    ranks = ("low", "urgent", "normal", "high", "normal", "low", "urgent", "high", "normal", "low")
    made = [
        make_case(
            by=f"person{n}",
            at=at + timedelta(minutes=n % 4),
            priority=rank,
            due_at=at + timedelta(hours=n % 3) if n % 3 else None,
        )
        for n, rank in enumerate(ranks)
    ]
    found = walk(as_(agent), f"/?view=unassigned&sort={sort}")
    assert len(found) == len(set(found)) == len(made)
    cases = {case.pk: case for case in Case.objects.all()}
    key = {
        "newest": lambda case: (-case.last_inbound_at.timestamp(), -case.pk),
        "oldest": lambda case: (case.last_inbound_at, case.pk),
        "priority": lambda case: (case.rank, case.last_inbound_at, case.pk),
        "due": lambda case: (case.due_sort, case.pk),
    }[sort]
    assert [cases[pk] for pk in found] == sorted(cases.values(), key=key)


@pytest.mark.parametrize("mark", ["", "x", "1,2", "100,2026-01-01T00:00:00Z,1", "²,x,1", "1,,"])
def test_a_mark_that_is_none_begins_at_the_top(as_: As, agent: User, case: Case, mark: str) -> None:
    page = as_(agent).get("/", {"view": "unassigned", "sort": "priority", "before": mark})
    assert shown(page) == [case.pk]


@pytest.mark.parametrize("words", ["suitcase", "SUITC", "green suitcase", "Müller", "+49 170 5550"])
def test_it_finds_by_what_was_said(as_: As, agent: User, make_case: Make, words: str) -> None:
    wanted = make_case("My green suitcase, Müller, call +491705550 please")
    make_case("A seat by the window", by="zoe")
    assert shown(as_(agent).get("/", {"q": words})) == [wanted.pk]


@pytest.mark.parametrize(
    "words",
    ["renee", "NUNEZ rene", "Renée", "entschadigung", "Ｅｎｔ", "荷物", "届きません", "田中"],
)
def test_it_finds_words_without_marks_and_in_scripts_without_spaces(
    as_: As, agent: User, make_case: Make, words: str
) -> None:
    said = "Die Entschädigung fehlt. 預けた荷物が届きません。"
    wanted = make_case(normalize("NFD", said), by=normalize("NFD", "renée núñez 田中さくら"))
    make_case("A seat by the window", by="zoe")
    assert shown(as_(agent).get("/", {"q": words})) == [wanted.pk]


def test_the_snippet_marks_what_was_typed_without_marks() -> None:
    text = normalize("NFD", "Die Entschädigung fehlt, ") + "預けた荷物が届きません。"
    for words, marked in (
        ("entschadigung", normalize("NFD", "Entschädigung")),
        ("ENTSCH", normalize("NFD", "Entschädigung")),
        ("荷物", "荷物"),
        ("ません", "ません"),
    ):
        [[field, start, end]] = search_snippet.places(text, words)
        assert (field, text[int(start) : int(end)]) == ("text", marked)
    assert len(search_snippet.places(text, "fehlt 荷物 die")) == 3
    assert search_snippet.places(text, "が荷") == []
    assert search_snippet.places("荷物" * 10_000, "荷" * 200_000) == []


def test_it_finds_a_profile_by_its_contacts_name(
    as_: As, agent: User, admin: User, make_case: Make
) -> None:
    wanted = make_case(by="xq17")
    contact = Contact.objects.create(name="Wilhelmina Vandersloot")
    wanted.profile.link_to(contact, by=admin, evidence="said so")
    make_case(by="zoe")
    assert shown(as_(agent).get("/", {"q": "wilhel"})) == [wanted.pk]


def test_what_may_not_be_read_is_not_found_by_its_words(
    as_: As, agent: User, admin: User, sales: Department, make_case: Make
) -> None:
    case = make_case("The merger is called Nightingale")
    Department.objects.filter(pk=sales.pk).update(is_restricted=True)
    sales.refresh_from_db()
    case.transfer(to=sales, by=agent, why="A contract")
    assert case.pk in shown(as_(agent).get("/?view=all"))
    assert shown(as_(agent).get("/", {"q": "nightingale"})) == []
    assert shown(as_(admin).get("/", {"q": "nightingale"})) == [case.pk]


def test_of_what_was_handed_over_the_last_is_listed_and_all_is_found(
    as_: As, agent: User, sales: Department, make_case: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the cases that a user transferred, the inbox lists only the latest `MAX_HANDED`.

    The inbox neither lists nor counts transferred cases that are done. A filter or a search finds
    all transferred cases that are not done.
    """
    monkeypatch.setattr(inbox_query, "MAX_HANDED", 2)
    handed = [make_case("My bag is gone", by=f"p{n}", tags=["bags"]) for n in range(4)]
    for case in reversed(handed):
        case.transfer(to=sales, by=agent, why="Theirs")
    handed[0].finish(by=agent, seen=handed[0].last_inbound_id, reasons="No question")
    last = {handed[1].pk, handed[2].pk}
    assert set(shown(as_(agent).get("/?view=all"))) == last
    for narrowed in ("/?view=all&tag=bags", "/?view=all&q=bag"):
        assert set(shown(as_(agent).get(narrowed))) == last | {handed[3].pk}


def test_whom_cases_can_be_given_to_does_not_only_read(
    as_: As, agent: User, admin: User, reader: User, teammate: User
) -> None:
    """Read-only members are not offered as assignees of a case or of several cases."""
    for who in (agent, admin):
        page = html(as_(who).get("/"))
        offered = page[page.index('id="bulk-person"') :]
        offered = offered[: offered.index("</select>")]
        assert (str(teammate) in offered, str(reader) in offered) == (True, False)


def test_a_saved_view_stands_over_its_list(as_: As, agent: User, make_case: Make) -> None:
    make_case(tags=["bags"])
    query = {"query": "view=all&tag=bags", "name": "All bags", "is_shared": "on"}
    page = html(as_(agent).post("/views/", query, follow=True))
    assert "View “All bags” saved and shared with everyone." in page
    assert "<h1>All bags</h1>" in page


def test_filters_narrow_together_and_each_can_be_taken_away(
    as_: As, agent: User, make_case: Make
) -> None:
    wanted = make_case(by="ron", priority="high", tags=["luggage"])
    make_case(by="rita", priority="high")
    make_case(by="rob", tags=["luggage"])
    page = as_(agent).get("/?view=open&priority=high&tag=luggage")
    assert shown(page) == [wanted.pk]
    narrowed = {label: without for label, _said, without in page.context["listing"].narrowed}
    assert set(narrowed) == {"Priority", "Tag"}
    assert QueryDict(narrowed["Tag"].lstrip("?")).dict() == {"view": "open", "priority": "high"}
    assert len(shown(as_(agent).get("/" + narrowed["Tag"]))) == 2


def test_it_narrows_by_assignee_issue_channel_and_kind(
    as_: As, agent: User, teammate: User, make_case: Make
) -> None:
    issue = Issue.objects.create(name="Seats", owner=agent)
    theirs = make_case(by="ron", assignee=teammate, issue=issue)
    free = make_case(by="rita")
    client = as_(agent)
    assert shown(client.get(f"/?view=open&assignee={teammate.pk}")) == [theirs.pk]
    assert shown(client.get("/?view=open&assignee=nobody")) == [free.pk]
    assert shown(client.get(f"/?view=open&issue={issue.pk}")) == [theirs.pk]
    assert len(shown(client.get("/?view=open&channel=sandbox&kind=post"))) == 2
    assert shown(client.get("/?view=open&kind=call")) == []


def test_it_narrows_by_topic_and_shows_its_name(
    as_: As, agent: User, brand: Topic, make_case: Make, hit: Callable[..., Match]
) -> None:
    wanted = make_case("skyward is late", by="ron")
    make_case(by="rita")
    hit(wanted.last_inbound, brand, [["text", 0, 7]])
    page = as_(agent).get(f"/?view=open&topic={brand.pk}")
    assert shown(page) == [wanted.pk]
    assert "<mark>skyward</mark> is late" in page.content.decode()
    assert "Brand" in page.content.decode()


def test_it_narrows_by_how_soon_an_answer_is_due(as_: As, agent: User, make_case: Make) -> None:
    now = timezone.now()
    late = make_case(by="ron", due_at=now - timedelta(minutes=5))
    soon = make_case(by="rita", due_at=now + timedelta(minutes=5))
    make_case(by="rob", due_at=now + timedelta(hours=5))
    client = as_(agent)
    assert shown(client.get("/?view=open&due=over")) == [late.pk]
    assert shown(client.get("/?view=open&due=soon")) == [soon.pk]


def test_each_filter_of_due_times_ends_exactly_at_its_time(
    as_: As, agent: User, make_case: Make
) -> None:
    """It is 12:00 in the zone of the workspace. Each case is one minute before or after a limit.

    Fails if a limit is another one, or if a day ends at midnight UTC.
    """
    Workspace.objects.create(organisation="Skyward", zone="Asia/Tokyo")
    noon = datetime(2026, 3, 4, 3, tzinfo=UTC)
    hours = {"soon": 1, "four": 4, "today": 12, "tomorrow": 36}
    minute = timedelta(minutes=1)
    with time_machine.travel(noon, tick=False):
        cases = {
            (name, side): make_case(
                by=f"{name}{side}", due_at=noon + timedelta(hours=number) + side * minute
            ).pk
            for name, number in hours.items()
            for side in (-1, 1)
        }
        overdue = make_case(by="late", due_at=noon - minute).pk
        make_case(by="never")
        browser, before = as_(agent), []
        assert shown(browser.get("/?view=open&due=over")) == [overdue]
        for name in hours:
            before.append(cases[name, -1])
            assert shown(browser.get(f"/?view=open&due={name}")) == before
            before.append(cases[name, 1])


def test_lists_of_cases_that_can_be_due_begin_with_what_is_due_first(
    as_: As, agent: User, make_case: Make
) -> None:
    now = timezone.now()
    # The one that is due first is the oldest, so that the order of arrival would be another one.
    late = make_case(by="ron", due_at=now - timedelta(days=1), at=now - timedelta(hours=3))
    later = make_case(by="rita", due_at=now + timedelta(hours=2), at=now - timedelta(hours=1))
    never = make_case(by="rob", at=now - timedelta(hours=2))
    client = as_(agent)
    assert shown(client.get("/?view=unassigned")) == [late.pk, later.pk, never.pk]
    assert shown(client.get("/?view=open&sort=newest")) == [later.pk, never.pk, late.pk]
    assert shown(client.get("/?view=open&sort=oldest")) == [late.pk, never.pk, later.pk]
    assert inbox_query.default_sort("done", {}) == "newest"


def test_what_is_snoozed_and_overdue_is_found_by_a_filter(
    as_: As, agent: User, make_case: Make
) -> None:
    now = timezone.now()
    asleep = make_case(by="ron", due_at=now - timedelta(minutes=5), status=Status.SNOOZED)
    make_case(by="rita", due_at=now - timedelta(minutes=5))
    make_case(by="rob", due_at=now + timedelta(minutes=5), status=Status.SNOOZED)
    assert shown(as_(agent).get("/?due=snoozed")) == [asleep.pk]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(6540, "due in 1 h 49 min"), (-720, "12 min overdue"), (183_600, "due in 2 d 3 h"),
     (7200, "due in 2 h"), (42, "due in 42 s")],
)  # fmt: skip
def test_a_due_time_is_said_exactly(seconds: int, words: str) -> None:
    now = timezone.now()
    assert due_words(now + timedelta(seconds=seconds), now)[0] == words


def test_a_filter_that_is_none_is_said_at_the_list(as_: As, agent: User, case: Case) -> None:
    """Each sentence names its filter: two dates can be wrong at once."""
    page = as_(agent).get("/?view=open&late=late&since=x&until=y")
    assert page.status_code == 422
    said = page.content.decode().split('<ul class="errorlist">')[1].split("</ul>")[0]
    assert re.findall("<li>(.*?)</li>", said) == [
        "Received: “late” is not a choice. The filter was left out.",
        "Last message since: “x” is not a date. The filter was left out.",
        "Last message until: “y” is not a date. The filter was left out.",
    ]


def test_a_view_is_saved_under_a_name_and_shared_by_its_address(
    as_: As, agent: User, teammate: User, make_case: Make
) -> None:
    wanted = make_case(by="ron", priority="high")
    make_case(by="rita")
    typed = {"name": "Hot", "query": "?view=open&priority=high", "is_shared": "on"}
    done = as_(agent).post("/views/", typed)
    assert done["Location"] == "/?view=open&priority=high"
    page = as_(teammate).get(done["Location"])
    assert shown(page) == [wanted.pk]
    assert "Hot" in page.content.decode()
    view = SavedView.objects.get()
    assert as_(teammate).post(f"/views/{view.pk}/drop/").status_code == 404
    as_(agent).post(f"/views/{view.pk}/drop/")
    assert not SavedView.objects.exists()


def test_a_view_of_ones_own_is_not_shown_to_others(as_: As, agent: User, teammate: User) -> None:
    as_(agent).post("/views/", {"name": "My secret order", "query": "?view=all"})
    assert "My secret order" in as_(agent).get("/").content.decode()
    assert "My secret order" not in as_(teammate).get("/").content.decode()


def test_a_second_view_of_one_name_is_refused_in_words(as_: As, agent: User) -> None:
    client = as_(agent)
    for query in ("?view=all", "?view=done"):
        page = client.post("/views/", {"name": "Hot", "query": query}, follow=True)
    assert "a view name that you have not used yet" in page.content.decode()
    assert SavedView.objects.count() == 1


def test_news_counts_what_came_and_refreshes_what_is_on_screen(
    as_: As, agent: User, make_case: Make
) -> None:
    client, now = as_(agent), timezone.now()
    on_screen = make_case(by="ron", at=now - timedelta(hours=1))
    heard = client.get("/?view=unassigned").context["listing"].heard
    came = make_case(by="rita", at=now)
    on_screen.claim(by=agent)
    asked = {"view": "unassigned", "heard": heard, "shown": on_screen.pk}
    page = client.get("/inbox/news/", asked | {"ids": on_screen.pk}).content.decode()
    assert "1 new case" in page
    assert f'id="row-{on_screen.pk}"' in page
    assert 'hx-swap-oob="true"' in page
    assert "assigned to you" in page  # the case no longer matches “Unassigned”
    assert f'id="row-{came.pk}"' not in page


def test_a_case_is_new_by_when_it_was_heard_not_by_when_it_was_written(
    as_: As, agent: User, make_case: Make
) -> None:
    """A mail that was written ten minutes ago arrives now. Before, the bar did not count it.

    And what was heard before the list was built is not new, even if it was written in the future.
    """
    client, now = as_(agent), timezone.now()
    make_case(by="early", at=now + timedelta(hours=1))
    heard = client.get("/?view=unassigned").context["listing"].heard
    asked = {"view": "unassigned", "heard": heard}
    assert "new case" not in html(client.get("/inbox/news/", asked))
    make_case(by="late", at=now - timedelta(minutes=10))
    assert "Show 1 new case" in html(client.get("/inbox/news/", asked))


def test_a_filter_by_date_stays_in_the_links_of_the_list(as_: As, agent: User, case: Case) -> None:
    """Before, the parameter of the news had the name of the filter, and the filter was dropped."""
    listing = as_(agent).get("/?view=open&since=2026-01-02").context["listing"]
    assert listing.query == "?view=open&since=2026-01-02"


def test_news_of_others_departments_are_none(as_: As, outsider: User, case: Case) -> None:
    asked = {"view": "all", "heard": 0, "ids": case.pk}
    page = as_(outsider).get("/inbox/news/", asked).content.decode()
    assert "new case" not in page
    assert f"row-{case.pk}" not in page


def test_a_row_says_when_it_was_taken_over_meanwhile(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    case.claim(by=teammate)
    page = as_(agent).get("/inbox/news/", {"view": "unassigned", "ids": case.pk})
    assert "assigned to Theo Teammate" in page.content.decode()


def test_the_default_view_depends_on_what_is_asked(agent: User, case: Case) -> None:
    visible = Case.objects.visible_to(agent)
    assert inbox_query.default_view(visible, agent, {}) == "unassigned"
    assert inbox_query.default_view(visible, agent, {"tag": "x"}) == "open"
    assert inbox_query.default_view(visible, agent, {"q": "x"}) == "all"


def test_a_found_case_shows_the_message_that_has_the_words(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    """The newest message with the words, with the words marked, as in the list of a case's topics.

    Before, the row showed the last message, which had neither of the two words.
    """
    say("My suitcase is Lost in Malmö, the red one. <b>")
    say("Hello? Anyone?")
    found = html(as_(agent).get("/?view=all&q=lost+malm%C3%B6"))
    row = found[found.index(f'id="row-{case.pk}"') :]
    assert (
        "Earlier: My suitcase is <mark>Lost</mark> in <mark>Malmö</mark>, the red one. &lt;b&gt;"
        in row
    )
    assert "Hello? Anyone?" in html(as_(agent).get("/?view=all&q=roncalder"))


def test_the_snippet_begins_where_most_of_the_words_stand() -> None:
    text = "My seat was wet. " + "We waited. " * 20 + "Then I paid for a second seat."
    spans = search_snippet.places(text, "second seat")
    assert [text[start:end] for _field, start, end in spans] == ["second", "seat"]
    assert search_snippet.places(text, "bag") == []


def test_a_search_needs_two_more_statements_for_any_number_of_cases(
    as_: As, agent: User, make_case: Make
) -> None:
    client = as_(agent)
    counts = []
    for number in (1, 9):
        for each in range(number):
            make_case(by=f"p{number}-{each}", text="A lost bag")
        client.get("/?view=all&q=bag")
        with CaptureQueriesContext(connection) as made:
            client.get("/?view=all&q=bag")
        counts.append(len(made))
    assert counts[0] == counts[1]


def test_the_palette_finds_cases_people_and_issues(
    as_: As, agent: User, outsider: User, make_case: Make
) -> None:
    case = make_case("My bag", by="roncalder")
    Contact.objects.create(name="Ronda Calm")
    Issue.objects.create(name="Ronnie's seats", owner=agent)
    page = as_(agent).get("/palette/?q=ron").content.decode()
    for words in (f"/cases/{case.pk}/", "Ronda Calm", "Ronnie&#x27;s seats"):
        assert words in page
    assert f"/cases/{case.pk}/" not in as_(outsider).get("/palette/?q=ron").content.decode()
    assert as_(agent).get("/palette/?q=").content == b""
    # The person first: a name finds all cases of the person too.
    assert page.index("Ronda Calm") < page.index(f"/cases/{case.pk}/")
