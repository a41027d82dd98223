"""After an import of mentions, the page says how many cases were opened, and if none, why."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import User
from listening.csv_outcome import Outcome, outcome
from listening.models import Fetch, Topic
from routing.models import Case, RoutingRule
from scrm import pipeline
from tests.listening.test_csv_import import HEADING, As, asked_for, export, row, run

pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def browser(as_: As, admin: User) -> Client:
    return as_(admin)


def imported(browser: Client, raw: str, **changed: Any) -> str:
    """Import this file and return the URL of the result."""
    return str(run(asked_for(browser, raw, since="all", **changed)).result["url"])


def words(browser: Client, url: str) -> str:
    """Return the text of a page without tags, on one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", browser.get(url).content.decode()).split())


def test_an_import_that_no_topic_matches_says_that_it_opened_no_case_and_why(
    browser: Client, brand: Topic
) -> None:
    url = imported(browser, HEADING + row(1, text="Nice weather") + row(2, text="Lunch"))
    assert "2 mentions are not processed yet." in words(browser, url)
    assert "No case was opened." not in words(browser, url)
    pipeline.process()
    shown = words(browser, url)
    assert "No case was opened." in shown
    assert "No topic matched 2 mentions." in shown
    listed = f"/mentions/?only=unmatched&fetch={Fetch.objects.get().pk}"
    assert listed.replace("&", "&amp;") in browser.get(url).content.decode()
    assert len(browser.get(listed).context["items"]) == 2


def test_an_import_says_how_many_cases_it_opened(
    browser: Client, brand: Topic, brand_rule: RoutingRule
) -> None:
    url = imported(browser, export(range(3)) + row(60, text="Lunch"))
    pipeline.process()
    assert Case.objects.count() == 3
    shown = words(browser, url)
    assert "3 cases were opened." in shown
    assert "No topic matched 1 mention." in shown
    assert "No case was opened." not in shown


def test_a_mention_that_joins_an_open_case_opens_none(
    browser: Client, brand: Topic, brand_rule: RoutingRule
) -> None:
    yesterday = f"{timezone.now() - timedelta(days=1):%Y-%m-%d}"
    imported(browser, HEADING + row(0, day=yesterday))
    pipeline.process()
    url = imported(browser, HEADING + row(50, day=yesterday))  # by the same person
    pipeline.process()
    assert Case.objects.count() == 1
    assert "No case was opened." in words(browser, url)
    assert outcome(Fetch.objects.latest("pk").pk) == Outcome(0, 1, 0, 0, 0)


def test_old_mentions_are_named_as_the_reason(browser: Client, brand: Topic) -> None:
    url = str(run(asked_for(browser, export(range(2)))).result["url"])
    pipeline.process()
    assert "2 mentions are older than the date that you chose" in words(browser, url)


def test_while_mentions_are_processed_only_the_result_is_loaded_again(browser: Client) -> None:
    url = imported(browser, export(range(1)))
    assert 'hx-trigger="every 2s"' in browser.get(url).content.decode()
    part = browser.get(url, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<section class="card" id="result"')
    pipeline.process()
    assert "hx-trigger" not in browser.get(url, headers={"HX-Request": "true"}).content.decode()


def test_the_list_of_one_import_leaves_out_other_mentions(browser: Client) -> None:
    imported(browser, export(range(2)))
    first = Fetch.objects.latest("pk").pk
    imported(browser, export(range(2, 5)))
    pipeline.process()
    assert len(browser.get(f"/mentions/?fetch={first}").context["items"]) == 2
    assert len(browser.get("/mentions/").context["items"]) == 5
