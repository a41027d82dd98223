"""The response history for a supervisor: filters by outcome, saved filters, and the CSV export."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, User, Workspace
from responses import release
from responses.history import export
from responses.models import Feedback, HistoryView, Response
from routing.models import Case
from scrm.web import wsgi_bridge
from scrm.web.wsgi_bridge import Pages
from scrm.wsgi import application as pages

As = Callable[[User], Client]
HISTORY, EXPORT = "/responses/", "/responses/export/"


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def read(browser: Client, **filters: Any) -> list[dict[str, str]]:
    answer = browser.get(EXPORT, filters)
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text, newline="")))


# Filter by outcome


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        ("answered", True), ("angry", True), ("maybe-thanks", True), ("none", True),
        ("thanks", False), ("maybe-angry", False), ("silent", False),
    ],
)  # fmt: skip
def test_it_is_filtered_by_what_came_of_it(
    stated: Response, comment: Callable[..., Feedback], supervisor: User, as_: As,
    outcome: str, shown: bool,
) -> None:  # fmt: skip
    comment("Bad.", "angry")
    comment("Thank you.")
    page = as_(supervisor).get(HISTORY, {"outcome": outcome})
    assert (stated in page.context["responses"]) is shown


def test_an_answer_that_one_may_not_read_is_no_reason_to_be_found(
    stated: Response, comment: Callable[..., Feedback], outsider: User, supervisor: User,
    service: Department, as_: As,
) -> None:  # fmt: skip
    """The filter by outcome ignores the answers that the user may not read.

    Fails if the filter also searches such answers, because then the list of responses reveals that
    these answers exist.
    """
    secret = comment("Between us and our lawyers", "angry").interaction.conversation
    secret.restricted_to = service
    secret.save()
    assert as_(outsider).get(HISTORY, {"outcome": "angry"}).context["responses"] == []
    assert as_(supervisor).get(HISTORY, {"outcome": "angry"}).context["responses"] == [stated]


def test_a_row_leads_back_to_where_it_came_from_and_forth(
    held: Response, supervisor: User, as_: As
) -> None:
    page = html(as_(supervisor).get(HISTORY))
    assert f'href="{held.get_absolute_url()}#from"' in page
    assert f'href="{held.get_absolute_url()}#feedback"' in page
    assert "needs a second pair of eyes" in page  # the reason that the holding rule gives


# Saved filters


def test_filters_are_kept_under_a_name(agent: User, teammate: User, as_: As) -> None:
    browser = as_(agent)
    typed = {"query": "?state=held&before=2026-01-01,3&odd=1", "name": "Held ones"}
    answer = browser.post(reverse("responses:save_view"), typed)
    assert answer["Location"] == f"{HISTORY}?state=held"
    assert "Held ones" in html(browser.get(HISTORY))
    assert "Held ones" not in html(as_(teammate).get(HISTORY))


def test_a_shared_one_is_everybodys_to_open_and_its_owners_to_forget(
    agent: User, teammate: User, as_: As
) -> None:
    typed = {"query": "state=held", "name": "Held ones", "is_shared": "on"}
    as_(agent).post(reverse("responses:save_view"), typed)
    view = HistoryView.objects.get()
    drop = reverse("responses:drop_view", args=[view.pk])
    page = html(as_(teammate).get(view.get_absolute_url()))
    assert "Held ones" in page
    assert drop not in page
    assert as_(teammate).post(drop).status_code == 404
    assert as_(agent).post(drop).status_code == 302
    assert not HistoryView.objects.exists()


@pytest.mark.parametrize("name", ["", "Held ones"])
def test_a_name_is_needed_that_is_not_taken(agent: User, as_: As, name: str) -> None:
    HistoryView.objects.create(owner=agent, name="Held ones", query="state=held")
    browser, save = as_(agent), reverse("responses:save_view")
    answer = browser.post(save, {"query": "state=draft", "name": name}, follow=True)
    assert "Enter a view name that you have not used yet." in html(answer)
    assert answer.redirect_chain[0][0] == f"{HISTORY}?state=draft"
    assert HistoryView.objects.count() == 1


# Export


def test_each_row_of_the_file_says_all_that_the_page_says(
    stated: Response, comment: Callable[..., Feedback], supervisor: User, as_: As
) -> None:
    comment("Bad.", "angry")
    comment("Thank you.")
    (row,) = read(as_(supervisor))
    assert list(row) == [
        "when", "author", "approvers", "department", "case", "issue", "campaign", "audience",
        "visibility", "channels", "state", "rule verdicts", "deliveries", "feedback", "outcome",
        "text",
    ]  # fmt: skip
    told = (row["author"], row["department"], row["issue"], row["channels"], row["text"])
    assert told == (
        "Anna Agent", "Customer service", "Seat policy", "sandbox", "We change our policy.",
    )  # fmt: skip
    assert (row["audience"], row["visibility"], row["state"]) == ("Many", "public", "Released")
    assert row["feedback"] == "2"
    assert row["outcome"] == "1 angry, 1 not judged yet, 1 thanks? (proposed)"
    assert row["deliveries"].startswith("'@SkywardAir → everyone: Sent 2")


def test_the_file_names_who_approved_and_which_rule_held_it(
    held: Response, lead: User, as_: As
) -> None:
    release.approve(held, by=lead)
    (row,) = read(as_(lead))
    assert row["approvers"] == "approved by Lea Lead"
    assert row["rule verdicts"] == "hold: hold sorry (“sorry” needs a second pair of eyes.)"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(
    answer: Callable[..., Response], agent: User, as_: As, start: str
) -> None:
    """A cell of the export that looks like a formula begins with an apostrophe.

    Fails without `safe`, because then a spreadsheet program could execute the formula.
    """
    answer(f'{start}HYPERLINK("https://evil.example")')
    (row,) = read(as_(agent))
    assert row["text"].startswith(f"'{start}")


def test_the_file_keeps_to_the_filters_and_to_what_one_may_see(
    answer: Callable[..., Response], agent: User, outsider: User, as_: As
) -> None:
    answer("We are so sorry.")
    assert len(read(as_(agent), state="released")) == 1
    assert read(as_(agent), state="held") == []
    assert read(as_(outsider)) == []


def test_a_filter_that_makes_no_sense_exports_nothing(agent: User, as_: As) -> None:
    answer = as_(agent).get(EXPORT, {"since": "yesterday"}, follow=True)
    assert "Nothing was exported" in html(answer)
    assert answer.redirect_chain[0][0] == f"{HISTORY}?since=yesterday"


@pytest.mark.parametrize("same_moment", [True, False])
def test_the_file_has_every_row_once_however_many_are_read_at_a_time(
    complaint: Case, answer: Callable[..., Response], agent: User, as_: As,
    monkeypatch: pytest.MonkeyPatch, same_moment: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "AT_ONCE", 7)
    first, now = answer("number 0"), timezone.now()
    for number in range(1, 28):
        at = now if same_moment else now - timedelta(minutes=number)
        Response.objects.create(
            decision=first.decision, case=complaint, department=first.department, author=agent,
            audience="one", visibility="public", text=f"number {number}", created_at=at,
        )  # fmt: skip
    texts = [row["text"] for row in read(as_(agent))]
    assert sorted(texts) == sorted(f"number {number}" for number in range(28))


@pytest.mark.django_db(transaction=True)
def test_its_first_bytes_leave_before_its_last_rows_are_read(
    many: None, agent: User, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser receives the first bytes of an export before the last rows are read.

    Fails if the whole file is created before the first bytes are sent.
    """
    monkeypatch.setattr(export, "AT_ONCE", 2)
    monkeypatch.setattr(wsgi_bridge, "PIECE", 100)
    taken = threading.Event()
    read_before: list[bool] = []
    real = export.with_tallies

    def last_waits(rows: Any, user: User) -> Any:
        read_before.append(taken.is_set() or (len(read_before) > 20 and taken.wait(20)))
        return real(rows, user)

    monkeypatch.setattr(export, "with_tallies", last_waits)
    bridge = Pages(pages, threads=1)
    session = as_(agent).cookies["sessionid"].value
    body = asyncio.run(_served(bridge, EXPORT, session, taken))
    bridge.threads.submit(connections.close_all).result()
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert len(rows) == 60
    assert len(read_before) > 30
    assert read_before[-1]


async def _served(bridge: Any, path: str, session: str, taken: threading.Event) -> bytes:
    """Return the whole body of the response to a GET request.

    The event `taken` is set when the first bytes of the body arrive.
    """
    headers = [(b"host", b"localhost"), (b"cookie", f"sessionid={session}".encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "root_path": "",
             "query_string": b"", "headers": headers, "scheme": "http"}  # fmt: skip
    body = b""
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(asked, None) or await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        nonlocal body
        if message["type"] == "http.response.body":
            taken.set()
            body += message["body"]

    await bridge(scope, receive, send)
    return body


@pytest.fixture
def many(complaint: Case, answer: Callable[..., Response], agent: User) -> None:
    first = answer("number 0")
    for number in range(1, 60):
        Response.objects.create(
            decision=first.decision, case=complaint, department=first.department, author=agent,
            audience="one", visibility="public", text=f"number {number}",
        )  # fmt: skip


def test_its_times_are_those_of_the_workspace(
    answer: Callable[..., Response], agent: User, as_: As
) -> None:
    """The times in an export are in the time zone of the workspace.

    Fails if the time zone is looked up while the rows are written, because at that time the request
    has already ended.
    """
    Workspace.objects.create(organisation="Skyward", zone="Asia/Kolkata")
    answer()
    assert read(as_(agent))[0]["when"].endswith("+05:30")


def test_it_asks_as_little_for_many_rows_as_for_few(
    answer: Callable[..., Response], agent: User, as_: As
) -> None:
    costs = []
    for number in (1, 9):
        for _ in range(number):
            answer()
        with CaptureQueriesContext(connection) as asked:
            read(as_(agent))
        costs.append(len(asked))
    assert costs[0] == costs[1]
