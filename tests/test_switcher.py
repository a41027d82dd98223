"""Looking as somebody else: in the sample, where it is switched on, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as in_force
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from crm.models import User
from scrm import run
from scrm.sample import marker
from scrm.sample.people import STAFF

As = Callable[[User], Client]


@pytest.fixture
def cast(db: None) -> dict[str, User]:
    """The sample's people, by their first name."""
    return {
        each.first_name: User.objects.create_user(each.email, name=each.name, role=each.role)
        for each in STAFF
    }


@pytest.fixture
def sample(cast: dict[str, User], settings: Any) -> None:
    settings.SAMPLE_SWITCHER = True
    marker.set_now(now=timezone.now())


def look(browser: Client, person: User) -> Any:
    return browser.post("/sample/as/", {"user": person.pk})


def who(browser: Client) -> str:
    return str(browser.get("/contacts/").context["user"])


def test_an_admin_looks_as_a_team_lead_and_comes_back(
    sample: None, cast: dict[str, User], as_: As
) -> None:
    browser = as_(cast["ada"])
    before = browser.session.session_key
    assert look(browser, cast["carla"]).url == "/"
    assert who(browser) == "Carla Mendes"
    assert browser.get("/people/").status_code == 403
    assert browser.session.session_key != before
    look(browser, cast["ada"])
    assert browser.get("/people/").status_code == 200


def test_there_is_no_such_page_where_there_is_no_sample(
    sample: None, cast: dict[str, User], as_: As
) -> None:
    """Seen to fail with the marker not asked for."""
    marker.rows().delete()
    browser = as_(cast["ben"])
    assert look(browser, cast["ada"]).status_code == 404
    assert who(browser) == "Ben Osei"


def test_nor_where_it_is_switched_off(
    sample: None, cast: dict[str, User], as_: As, settings: Any
) -> None:
    """Seen to fail with the setting not asked for."""
    settings.SAMPLE_SWITCHER = False
    browser = as_(cast["ben"])
    assert look(browser, cast["ada"]).status_code == 404
    assert who(browser) == "Ben Osei"


def test_it_is_off_unless_somebody_switches_it_on() -> None:
    assert in_force.SAMPLE_SWITCHER is False


def test_make_run_switches_it_on_for_the_sample_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for sample, switched in (("1", "1"), ("0", "0")):
        monkeypatch.setenv("SAMPLE", sample)
        monkeypatch.delenv("SCRM_SAMPLE_SWITCHER", raising=False)
        assert run.environment(run.plan(), "mark")["SCRM_SAMPLE_SWITCHER"] == switched


def test_nobody_is_looked_as_who_is_not_of_the_sample(
    sample: None, cast: dict[str, User], as_: As, agent: User
) -> None:
    assert look(as_(cast["ben"]), agent).status_code == 404


def test_a_stranger_logs_in_first(sample: None, cast: dict[str, User]) -> None:
    assert look(Client(), cast["ada"]).url.startswith("/account/login/")


def test_a_link_or_a_foreign_page_cannot_do_it(
    sample: None, cast: dict[str, User], as_: As
) -> None:
    browser = as_(cast["ben"])
    assert browser.get(f"/sample/as/?user={cast['ada'].pk}").status_code == 405
    wary = Client(enforce_csrf_checks=True)
    wary.force_login(cast["ben"])
    assert look(wary, cast["ada"]).status_code == 403
    assert who(browser) == "Ben Osei"


def offered(user: Any) -> str:
    request = HttpRequest()
    request.user = user
    return render_to_string("_switcher.html", request=request)


def test_every_page_can_offer_it_in_the_sample(sample: None, cast: dict[str, User]) -> None:
    words = offered(cast["ada"])
    assert "Carla Mendes (lead, Customer service)" in words
    assert words.count("<option") == len(STAFF)
    assert f'value="{cast["ada"].pk}" selected' in words


def test_and_offers_nothing_outside(sample: None, cast: dict[str, User]) -> None:
    marker.rows().delete()
    assert offered(cast["ada"]).strip() == ""
