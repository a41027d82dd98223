"""The planned send time of a response, and a different text for each channel."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, User
from responses import release
from responses.compose import Words, state_publicly
from responses.models import Delivery, Draft, Response, ResponseRule
from responses.outbox import deliver
from responses.views import calendar as calendar_view
from routing.models import Case, Issue
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post

As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None) -> Iterator[None]:
    """Empty the sandbox after each test.

    The sandbox has its own database connection, which is not rolled back with the test.
    """
    yield
    community.reset()


@pytest.fixture
def blog(service: Department, admin: User) -> Account:
    account = Account.objects.create(
        kind="sandbox", network="sandbox.blog", self_key="our-blog", name="Our blog", owner=admin
    )
    service.accounts.add(account)
    return account


def statement(case: Case, account: Account, **more: str) -> dict[str, str]:
    return {
        "form": str(uuid.uuid4()),
        "seen": str(case.last_inbound_id),
        "accounts": str(account.pk),
        "subject": "",
        "text": "We were wrong.",
        "corrects": "",
    } | more


def typed(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}"


def test_it_leaves_at_the_time_that_was_chosen(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    url = reverse("responses:statement", args=[complaint.pk])
    page = as_(agent).post(url, statement(complaint, microblog, send_at=typed(tomorrow)))
    assert page.status_code == 302
    delivery = Delivery.objects.get()
    assert delivery.send_after == tomorrow.replace(second=0, microsecond=0)
    assert not Delivery.objects.due(tomorrow - timedelta(minutes=2)).exists()
    assert Delivery.objects.due(tomorrow).get() == delivery


@pytest.mark.parametrize(
    ("days", "says"), [(-1, "This time is in the past."), (400, "Schedule at most one year ahead.")]
)
def test_a_time_that_makes_no_sense_is_an_error_at_its_field(
    complaint: Case, microblog: Account, agent: User, as_: As, days: int, says: str
) -> None:
    moment = typed(timezone.now() + timedelta(days=days))
    url = reverse("responses:statement", args=[complaint.pk])
    page = as_(agent).post(url, statement(complaint, microblog, send_at=moment))
    assert page.status_code == 422
    assert says in page.content.decode()
    assert "We were wrong." in page.content.decode()
    assert not Response.objects.exists()


def test_what_is_planned_can_be_cancelled_and_its_time_is_kept(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    tomorrow, browser = timezone.now() + timedelta(days=1), as_(agent)
    url = reverse("responses:statement", args=[complaint.pk])
    browser.post(url, statement(complaint, microblog, send_at=typed(tomorrow)))
    response = Response.objects.get()
    browser.post(reverse("responses:cancel", args=[response.pk]))
    assert not Delivery.objects.due(tomorrow + timedelta(minutes=1)).exists()
    assert Draft.objects.get(author=agent).fields["send_at"] == typed(tomorrow)


def test_rules_go_by_the_hour_at_which_it_leaves(
    complaint: Case, microblog: Account, agent: User, admin: User, as_: As
) -> None:
    night = {"all": [{"field": "hour", "op": "at most", "value": 5}]}
    ResponseRule.objects.create(
        name="Night", owner=admin, conditions=night, verdict="move", reason="Not at night."
    )
    at_three = timezone.localtime(timezone.now() + timedelta(days=1)).replace(hour=3)
    url = reverse("responses:statement", args=[complaint.pk])
    browser = as_(agent)
    night_page = browser.post(url, statement(complaint, microblog, send_at=typed(at_three)))
    assert "Not at night." in night_page.content.decode()
    noon = at_three.replace(hour=12)
    assert (
        browser.post(url, statement(complaint, microblog, send_at=typed(noon))).status_code == 302
    )


# Different text per channel


def test_each_place_gets_its_own_words(
    complaint: Case, microblog: Account, blog: Account, agent: User, lead: User, as_: As
) -> None:
    more = {
        "accounts": [str(microblog.pk), str(blog.pk)],
        f"version_{microblog.pk}": "We were wrong, in short.",
        f"version_{blog.pk}": "",
    }
    url = reverse("responses:statement", args=[complaint.pk])
    as_(agent).post(url, statement(complaint, microblog) | more)
    response = Response.objects.get()
    Delivery.objects.update(send_after=timezone.now())
    for delivery in response.deliveries.select_related("account"):
        deliver(delivery)
    posts = dict(Post.objects.filter(author_key__in=["skywardair", "our-blog"]).values_list(
        "network", "text"
    ))  # fmt: skip
    assert posts == {
        "sandbox.microblog": "We were wrong, in short.",
        "sandbox.blog": "We were wrong.",
    }
    ledger = {each.interaction.text for each in response.deliveries.all() if each.interaction}
    assert ledger == set(posts.values())


def test_a_version_of_its_own_is_judged_and_measured_too(
    complaint: Case, microblog: Account, blog: Account, agent: User, admin: User, as_: As
) -> None:
    """The text for a single channel is also checked by the rules and by the length limit.

    Fails if the rules check only the main text, because then a text for one channel may promise a
    refund.
    """
    refund = {"all": [{"field": "text", "op": "contains", "value": "refund"}]}
    ResponseRule.objects.create(
        name="Money", owner=admin, conditions=refund, verdict="refuse", reason="No money."
    )
    microblog.config["max_length"] = 100
    microblog.save()
    url, browser = reverse("responses:statement", args=[complaint.pk]), as_(agent)
    places = {"accounts": [str(microblog.pk), str(blog.pk)]}
    money = places | {f"version_{microblog.pk}": "A refund for all."}
    assert "No money." in browser.post(url, statement(complaint, blog) | money).content.decode()
    short = places | {f"version_{microblog.pk}": "Short.", "text": "x" * 200}
    assert browser.post(url, statement(complaint, blog) | short).status_code == 302
    long = places | {f"version_{microblog.pk}": "y" * 101, "text": "z"}
    page = browser.post(url, statement(complaint, blog) | long)
    assert "1 character is too many" in page.context["form"].errors[
        f"version_{microblog.pk}"
    ][0]  # fmt: skip


def test_a_signature_covers_every_version_and_the_database_keeps_them(
    complaint: Case, microblog: Account, agent: User, lead: User, admin: User
) -> None:
    """An approval covers the texts for single channels; these texts cannot be changed afterwards.

    Fails if the database trigger does not protect the column `versions`.
    """
    ResponseRule.objects.create(
        name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Read it."
    )
    words = Words(uuid.uuid4(), "Long.", "public", versions={microblog.pk: "Short."})
    response = state_publicly(
        words, accounts=[microblog], by=agent, department=complaint.department, case=complaint
    )
    before = response.content_hash
    response.edit(text="Long.", versions={str(microblog.pk): "Other."}, by=agent)
    assert response.content_hash != before
    release.send(response, by=agent)
    release.approve(response, by=lead)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE responses_response SET versions = '{}'")


def test_the_editor_shows_and_keeps_each_version(
    complaint: Case, microblog: Account, agent: User, lead: User, admin: User, as_: As
) -> None:
    ResponseRule.objects.create(
        name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Read it."
    )
    words = Words(uuid.uuid4(), "Long.", "public", versions={microblog.pk: "Short."})
    response = state_publicly(
        words, accounts=[microblog], by=agent, department=complaint.department, case=complaint
    )
    browser, url = as_(lead), reverse("responses:edit", args=[response.pk])
    assert "Short." in browser.get(url).content.decode()
    assert "Short." in browser.get(reverse("responses:approvals")).content.decode()
    browser.post(
        url,
        {
            "shown": response.content_hash, "seen": complaint.last_inbound_id, "text": "Long.",
            f"version_{microblog.pk}": "Shorter.", "then": "send", "accounts": [microblog.pk],
        },
    )  # fmt: skip
    response.refresh_from_db()
    assert (response.state, response.versions) == ("released", {str(microblog.pk): "Shorter."})


def test_a_draft_keeps_time_and_versions_as_one_types(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    browser = as_(agent)
    kept = {
        "form": str(uuid.uuid4()), "draft_version": "0", "text": "Soon.", "send_at":
        "2031-05-05T12:00", f"version_{microblog.pk}": "Short.", "accounts": [str(microblog.pk)],
    }  # fmt: skip
    browser.post(reverse("responses:issue_draft", args=[seats.pk]), kept)
    page = browser.get(reverse("responses:issue_statement", args=[seats.pk])).content.decode()
    assert "2031-05-05T12:00" in page


# Calendar


def test_a_calendar_that_shows_only_the_first_says_so(
    complaint: Case, microblog: Account, agent: User, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a month has too many responses for the calendar, the page says how many are left out."""
    browser, later = as_(agent), timezone.now() + timedelta(days=70)
    url = reverse("responses:statement", args=[complaint.pk])
    for text in ("One.", "Two.", "Three."):
        browser.post(url, statement(complaint, microblog, text=text, send_at=typed(later)))
        complaint.refresh_from_db()
    page = f"{reverse('responses:calendar')}?month={later:%Y-%m}"
    assert "not on this page" not in browser.get(page).content.decode()
    monkeypatch.setattr(calendar_view, "MAX_RESPONSES", 2)
    shown = browser.get(page).content.decode()
    assert "The first 2 are shown" in shown
    assert "1 more is later and not on this page." in shown
    assert shown.count('class="entry is-planned') == 2


def test_the_calendar_shows_a_month_of_what_went_out_and_what_is_planned(
    complaint: Case, microblog: Account, agent: User, outsider: User, as_: As
) -> None:
    browser, url = as_(agent), reverse("responses:statement", args=[complaint.pk])
    later = timezone.now() + timedelta(days=70)
    browser.post(url, statement(complaint, microblog, text="Out now."))
    browser.post(url, statement(complaint, microblog, text="For later.", send_at=typed(later)))
    complaint.refresh_from_db()
    calendar = reverse("responses:calendar")
    this, then = browser.get(calendar), browser.get(f"{calendar}?month={later:%Y-%m}")
    assert "Out now." in this.content.decode()
    assert "For later." not in this.content.decode()
    assert "For later." in then.content.decode()
    assert "scheduled" in then.content.decode()


@pytest.mark.parametrize("month", ["", "2026-13", "x", "9999-01", "0001-01"])
def test_a_month_that_does_not_exist_is_this_one(agent: User, as_: As, month: str) -> None:
    page = as_(agent).get(reverse("responses:calendar"), {"month": month})
    assert page.context["first"] == timezone.localdate().replace(day=1)


def test_what_is_planned_is_nobody_elses_until_it_is_out(
    complaint: Case, microblog: Account, agent: User, outsider: User, as_: As
) -> None:
    """Users of other departments cannot read a planned response before it is published.

    Fails if a planned response counts as published, because then all users can read it before its
    planned time.
    """
    tomorrow = timezone.now() + timedelta(days=1)
    url = reverse("responses:statement", args=[complaint.pk])
    as_(agent).post(url, statement(complaint, microblog, send_at=typed(tomorrow)))
    response = Response.objects.get()
    assert as_(agent).get(response.get_absolute_url()).status_code == 200
    assert as_(outsider).get(response.get_absolute_url()).status_code == 404
    assert response in Response.objects.visible_to(agent)
    assert response not in Response.objects.visible_to(outsider)


def test_what_is_held_elsewhere_is_not_in_it(
    complaint: Case, microblog: Account, agent: User, outsider: User, admin: User, as_: As
) -> None:
    ResponseRule.objects.create(
        name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Read it."
    )
    url = reverse("responses:statement", args=[complaint.pk])
    as_(agent).post(url, statement(complaint, microblog, text="Secret so far."))
    assert "Secret so far." in as_(agent).get("/calendar/").content.decode()
    assert "Secret so far." not in as_(outsider).get("/calendar/").content.decode()
