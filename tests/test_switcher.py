"""“View as another user” works only in the sample, and only on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as in_force
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import timezone

from crm.models import User
from scrm.launcher import run
from scrm.sample import marker
from scrm.sample.people import STAFF

As = Callable[[User], Client]


@pytest.fixture
def cast(db: None) -> dict[str, User]:
    """The users of the sample, by first name."""
    return {
        each.first_name: User.objects.create_user(each.email, name=each.name, role=each.role)
        for each in STAFF
    }


@pytest.fixture
def sample(cast: dict[str, User], settings: Any) -> None:
    settings.SAMPLE_SWITCHER = True
    settings.ALLOWED_HOSTS = ["*"]
    marker.set_now(now=timezone.now())


def look(browser: Client, person: User, **headers: str) -> Any:
    """Request to switch to another user.

    Unless the headers say otherwise, the request comes from this machine.
    """
    here = {"HTTP_HOST": "localhost:8000", "REMOTE_ADDR": "127.0.0.1"}
    return browser.post("/sample/as/", {"user": person.pk}, **here | headers)


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
    """Without the sample, a request to switch to another user gets 404.

    Fails if the marker of the sample is not checked.
    """
    marker.rows().delete()
    browser = as_(cast["ben"])
    assert look(browser, cast["ada"]).status_code == 404
    assert who(browser) == "Ben Osei"


def test_nor_where_it_is_switched_off(
    sample: None, cast: dict[str, User], as_: As, settings: Any
) -> None:
    """If SAMPLE_SWITCHER is off, a request to switch to another user gets 404.

    Fails if this setting is not checked.
    """
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


def test_nobody_is_viewed_as_who_is_not_of_the_sample(
    sample: None, cast: dict[str, User], as_: As, agent: User
) -> None:
    assert look(as_(cast["ben"]), agent).status_code == 404


def test_who_is_not_of_the_sample_views_it_as_nobody(
    sample: None, cast: dict[str, User], as_: As
) -> None:
    """A user who does not belong to the sample cannot switch to a user of the sample.

    Fails if the code checks only the user to switch to, and not the user who made the request.
    """
    real = User.objects.create_user("nina@acme.example", name="Nina", role="admin")
    assert look(as_(real), cast["ben"]).status_code == 404
    assert offered(real).strip() == ""


def test_an_address_of_the_sample_given_to_somebody_real_does_not_help(
    sample: None, cast: dict[str, User], as_: As
) -> None:
    """Nobody can switch to a real user, even if this user has the email address of a sample user.

    If the address of a user of the sample was changed, this user counts as a real user. Others
    cannot switch to this user, and this user cannot switch. Fails if the id of the user is not
    compared with the highest id that the marker of the sample stores.
    """
    User.objects.filter(pk=cast["dev"].pk).update(email="dev@acme.example")
    real = User.objects.create_user("dev@skyward.example", name="Dev Real", role="admin")
    assert look(as_(cast["ben"]), real).status_code == 404
    assert look(as_(cast["ben"]), cast["dev"]).status_code == 404
    assert look(as_(cast["dev"]), cast["ben"]).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"REMOTE_ADDR": "192.168.0.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "localhost"},
        {"HTTP_HOST": "crm.example.org"},
        {"HTTP_HOST": "localhost.example.org"},
        {"HTTP_HOST": "192.168.0.7:8000"},
        {"HTTP_X_FORWARDED_FOR": "203.0.113.9"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_REAL_IP": "203.0.113.9"},
        {"HTTP_FORWARDED": "for=203.0.113.9"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_it_works_at_this_machine_alone(
    sample: None, cast: dict[str, User], as_: As, headers: dict[str, str]
) -> None:
    """A request from another machine, to another host name, or through a proxy gets 404.

    Fails if the address of the client, the host or the headers of proxies are not checked.
    """
    browser = as_(cast["ben"])
    assert look(browser, cast["ada"], **headers).status_code == 404
    assert who(browser) == "Ben Osei"


@pytest.mark.parametrize(
    "headers",
    [{}, {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, {"HTTP_HOST": "127.0.0.1:8000"}],
)
def test_by_each_name_of_this_machine(
    sample: None, cast: dict[str, User], as_: As, headers: dict[str, str]
) -> None:
    assert look(as_(cast["ben"]), cast["ada"], **headers).status_code == 302


def test_not_where_the_pages_have_a_public_address(
    sample: None, cast: dict[str, User], as_: As, settings: Any
) -> None:
    """If the settings contain a public URL, nobody can switch to another user.

    Such a URL means that there is a proxy, even if the headers do not show it.
    """
    settings.PUBLIC_URL = "https://crm.example.org"
    assert look(as_(cast["ben"]), cast["ada"]).status_code == 404


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
    request = RequestFactory().get("/", headers={"host": "localhost:8000"})
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
