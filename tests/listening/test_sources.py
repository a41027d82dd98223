from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, User
from listening.fetch import store
from listening.models import Mention, Quarantined, Source, Topic
from listening.models.source import EVERYTHING
from listening.views import discovery
from scrm.channels.base import Author, ChannelError, Found, Item
from scrm.channels.channel import Channel

FEED = "https://blog.example/feed"
NEW = "/sources/new/"


class FakeListener:
    """A fake channel, which finds one feed with two posts, or raises an error."""

    error: ChannelError | None = None

    def discover(self, address: str, credentials: object = None) -> list[Found]:
        if self.error:
            raise self.error
        return [
            Found(
                FEED,
                "Traveller's blog",
                "rss",
                (_post("1", "Skyward lost my bag"), _post("2", "Cake")),
            )
        ]

    def listen(self, visit: object) -> Any:
        raise AssertionError("nobody visits in a request")


def _post(key: str, text: str) -> Item:
    return Item(
        "feed:x", key, Author("feed:x", "Ron"), text, occurred_at=datetime(2026, 3, 4, tzinfo=UTC)
    )


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> FakeListener:
    fake = FakeListener()
    monkeypatch.setattr(discovery, "channel", lambda kind: Channel(kind, kind, listener=fake))
    return fake


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    for module in ("discovery", "source"):
        monkeypatch.setattr(f"listening.views.{module}.nudge", lambda *args: calls.append(args))
    return calls


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    return make_source(name="Traveller's blog", address=FEED)


@pytest.fixture
def find(source: Source) -> Callable[..., Mention]:
    def found(key: str, **facts: Any) -> Mention:
        fetch = source.fetches.create()
        facts = {"kind": "post", "visibility": "public", "text": f"Text {key}"} | facts
        row = Mention.objects.create(
            scope="feed:x", key=key, fetch=fetch, author_network="feed:x", author_key="Ron", **facts
        )
        row.sightings.create(source=source, fetch=fetch)
        return row

    return found


def chosen(owner: User, **facts: Any) -> dict[str, Any]:
    return {
        "address": "blog.example", "found": FEED, "name": "Blog", "stance": "about us",
        "rhythm": "60", "since": "day", "owner": owner.pk,
    } | facts  # fmt: skip


def verb(name: str, pk: int) -> str:
    return reverse(f"listening:{name}", args=[pk])


def test_an_address_leads_to_what_is_there_and_which_topics_it_would_hit(
    admin: User, as_: Any, brand: Topic, listener: FakeListener
) -> None:
    response = as_(admin).post(NEW, {"address": "blog.example"})
    assert response.status_code == 200
    body = response.content.decode()
    assert "<mark>Skyward</mark> lost my bag" in body
    assert "matches: Brand" in body
    assert "no match" in body
    assert 'value="blog.example"' in body
    assert not Source.objects.exists()


def test_an_address_that_cannot_be_heard_says_why_at_the_field(
    admin: User, as_: Any, listener: FakeListener
) -> None:
    listener.error = ChannelError("10.0.0.1 is a private address.", permanent=True)
    response = as_(admin).post(NEW, {"address": "http://10.0.0.1/"})
    assert response.status_code == 422
    assert response.context["where"].errors["address"] == ["10.0.0.1 is a private address."]
    assert 'value="http://10.0.0.1/"' in response.content.decode()


def test_no_address_at_all_is_an_error_at_the_field(admin: User, as_: Any) -> None:
    response = as_(admin).post(NEW, {"address": ""})
    assert response.status_code == 422
    assert response.context["where"].errors["address"] == ["Enter an address."]


def test_choosing_saves_the_source_and_sends_the_first_visit(
    admin: User, as_: Any, listener: FakeListener, nudged: list[Any]
) -> None:
    before = timezone.now()
    response = as_(admin).post(NEW, chosen(admin, stance="for us", since="3 days"))
    source = Source.objects.get()
    assert response.url == source.get_absolute_url()
    assert (source.kind, source.address, source.stance) == ("feed", FEED, "for us")
    assert abs(source.cases_since - (before - timedelta(days=3))) < timedelta(minutes=1)
    assert Source.objects.due(timezone.now()).exists()
    assert nudged == [("scrm.pipeline.poll", source.pk)]


@pytest.mark.parametrize(("since", "days"), [("day", 1), ("none", 0), ("3 days", 3)])
def test_the_newcomer_says_what_of_it_may_become_a_case(
    since: str, days: int, admin: User, as_: Any, listener: FakeListener, nudged: list[Any]
) -> None:
    as_(admin).post(NEW, chosen(admin, since=since))
    age = timezone.now() - Source.objects.get().cases_since
    assert abs(age - timedelta(days=days)) < timedelta(minutes=1)


def test_all_that_is_shown_means_down_to_the_oldest_of_it(
    admin: User, as_: Any, listener: FakeListener, nudged: list[Any]
) -> None:
    as_(admin).post(NEW, chosen(admin, since="all"))
    assert Source.objects.get().cases_since == datetime(2026, 3, 4, tzinfo=UTC)


def test_all_means_the_undated_too(
    admin: User, as_: Any, listener: FakeListener, nudged: list[Any], monkeypatch: Any
) -> None:
    """If a user chooses that all items of a source open cases, this includes items without a date.

    Fails if the date of the oldest item is used as the limit, because items without a date then
    open no case.
    """
    undated = Item("feed:x", "3", Author("feed:x", "Ron"), "No date")
    found = [Found(FEED, "Blog", "rss", (_post("1", "Dated"), undated))]
    monkeypatch.setattr(listener, "discover", lambda *_: found, raising=False)
    as_(admin).post(NEW, chosen(admin, since="all"))
    source = Source.objects.get()
    assert source.cases_since == EVERYTHING
    fetch = source.start_fetch(now=timezone.now())
    assert fetch
    store(fetch, source, [undated], now=timezone.now())
    assert not Mention.objects.get().backlog


def test_the_default_is_what_is_younger_than_a_day(
    admin: User, as_: Any, brand: Topic, listener: FakeListener
) -> None:
    form = as_(admin).post(NEW, {"address": "blog.example"}).context["form"]
    assert (form["since"].value(), form["stance"].value()) == ("day", "about us")


def test_without_a_topic_every_item_is_proposed_as_work(
    admin: User, as_: Any, listener: FakeListener
) -> None:
    """In a workspace without topics, the form for a source proposes that every item opens a case.

    Otherwise the first source of a new workspace would open no cases.
    """
    page = as_(admin).post(NEW, {"address": "blog.example"})
    assert page.context["form"]["stance"].value() == "for us"
    assert "There are no topics yet" in page.content.decode()


def test_each_item_shown_carries_what_decides_its_fate(
    admin: User, as_: Any, brand: Topic, listener: FakeListener
) -> None:
    body = as_(admin).post(NEW, {"address": "blog.example"}).content.decode()
    hit, other = re.findall(r'class="sample" data-age="(\d+)"( data-matched)?', body)
    assert hit[1]
    assert not other[1]
    assert "1 of 2 items match" in body


def test_an_awaited_first_visit_shows_up_by_itself(
    agent: User, as_: Any, source: Source, find: Any
) -> None:
    browser, part = as_(agent), {"HX-Request": "true"}
    page = browser.get(source.get_absolute_url()).content.decode()
    assert "The first fetch is in progress" in page
    assert 'hx-trigger="every 2s"' in page
    find("1", text="It came")
    now = timezone.now()
    Source.objects.update(last_ok_at=now, next_fetch_at=now + timedelta(minutes=5))
    body = browser.get(source.get_absolute_url(), headers=part).content.decode()
    assert "It came" in body
    assert 'hx-trigger="every 10s"' in body
    assert 'hx-swap-oob="true"' in body
    assert "<html" not in body


def test_an_older_page_does_not_move_under_the_reader(
    agent: User, as_: Any, source: Source, find: Any
) -> None:
    find("1")
    page = as_(agent).get(source.get_absolute_url(), {"before": 10**9})
    assert page.context["refresh"] == 0


def test_the_list_shows_those_with_trouble_when_asked(
    agent: User, as_: Any, source: Source, make_source: Callable[..., Source]
) -> None:
    bad = make_source(name="Bad", address="https://bad.example", failures=1)
    odd = make_source(name="Odd", address="https://odd.example")
    quarantined = Quarantined.objects.create(fetch=odd.fetches.create(), raw=b"", reason="Odd.")
    browser = as_(agent)
    assert list(browser.get("/sources/?only=failing").context["sources"]) == [bad]
    assert list(browser.get("/sources/?only=quarantined").context["sources"]) == [odd]
    assert len(browser.get("/sources/?only=nonsense").context["sources"]) == 3
    Quarantined.objects.filter(pk=quarantined.pk).update(replayed_at=timezone.now())
    assert not browser.get("/sources/?only=quarantined").context["sources"]


def test_a_wrong_setting_keeps_all_that_was_typed(
    admin: User, as_: Any, listener: FakeListener
) -> None:
    response = as_(admin).post(NEW, chosen(admin, rhythm="5", name="My very own name"))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"rhythm"}
    body = response.content.decode()
    assert "My very own name" in body
    assert 'value="blog.example"' in body


def test_the_same_feed_twice_is_refused_by_its_name(
    admin: User, as_: Any, listener: FakeListener, source: Source
) -> None:
    response = as_(admin).post(NEW, chosen(admin))
    assert response.status_code == 422
    assert "“Traveller's blog” already listens to" in unescape(response.content.decode())
    assert Source.objects.count() == 1


def test_a_sandbox_account_offers_what_it_can_hear(
    admin: User, as_: Any, microblog: Account
) -> None:
    where = {"address": "", "account": microblog.pk}
    body = as_(admin).post(NEW, where).content.decode()
    assert 'value="mentions"' in body
    as_(admin).post(NEW, chosen(admin, stance="for us") | where | {"found": "mentions"})
    source = Source.objects.get()
    assert (source.kind, source.account) == ("sandbox", microblog)


def test_agents_may_look_but_not_touch(agent: User, as_: Any, source: Source) -> None:
    browser: Client = as_(agent)
    assert browser.get("/sources/").status_code == 200
    assert "Settings" not in browser.get(source.get_absolute_url()).content.decode()
    assert browser.get(NEW).status_code == 403
    for name in ("source_edit", "source_pause", "source_fetch", "source_bring_in"):
        assert browser.post(verb(name, source.pk)).status_code == 403


def test_the_list_says_how_each_source_is(agent: User, as_: Any, source: Source) -> None:
    source.fetches.create(new=4)
    source.fetches.create(new=9, started_at=timezone.now() - timedelta(days=8))
    Source.objects.filter(pk=source.pk).update(failures=2, error="blog.example did not answer.")
    response = as_(agent).get("/sources/")
    (row,) = response.context["sources"]
    assert row.lately == 4
    assert "blog.example did not answer." in response.content.decode()


def test_settings_are_saved_or_refused_with_what_was_typed(
    admin: User, as_: Any, source: Source
) -> None:
    typed = {"name": "Renamed", "stance": "for us", "rhythm": "2", "owner": admin.pk}
    response = as_(admin).post(verb("source_edit", source.pk), typed)
    assert response.status_code == 422
    assert 'value="Renamed"' in response.content.decode()
    as_(admin).post(verb("source_edit", source.pk), typed | {"rhythm": "20"})
    source.refresh_from_db()
    assert (source.name, source.stance, source.rhythm) == ("Renamed", "for us", 20)


def test_a_paused_source_is_not_due_and_a_second_click_is_no_toggle(
    admin: User, as_: Any, source: Source
) -> None:
    browser, pause = as_(admin), verb("source_pause", source.pk)
    browser.post(pause, {"to": "paused"})
    browser.post(pause, {"to": "paused"})
    assert not Source.objects.due(timezone.now()).exists()
    browser.post(pause, {"to": "active"})
    assert Source.objects.due(timezone.now()).exists()


def test_visit_now_makes_it_due(admin: User, as_: Any, source: Source, nudged: list[Any]) -> None:
    Source.objects.update(next_fetch_at=timezone.now() + timedelta(hours=6))
    as_(admin).post(verb("source_fetch", source.pk))
    assert Source.objects.due(timezone.now()).exists()
    assert nudged == [("scrm.pipeline.poll", source.pk)]


def test_the_backlog_becomes_work_only_when_asked(
    admin: User, as_: Any, source: Source, find: Any, nudged: list[Any]
) -> None:
    old = find("old", backlog=True, processed_at=timezone.now())
    fresh = find("fresh", processed_at=timezone.now())
    body = as_(admin).get(source.get_absolute_url()).content.decode()
    assert "before this source was added" in body
    assert "Open a case for this item" in body
    as_(admin).post(verb("source_bring_in", source.pk))
    assert list(Mention.objects.unprocessed()) == [old]
    assert nudged == [("scrm.pipeline.process",)]
    fresh.refresh_from_db()
    assert fresh.processed_at


def test_what_was_quarantined_is_tried_again(
    admin: User, as_: Any, source: Source, find: Any, nudged: list[Any]
) -> None:
    mention = find("poison", processed_at=timezone.now(), attempt=5)
    quarantined = Quarantined.objects.create(
        fetch=mention.fetch, mention=mention, raw=b"", reason="Absurd."
    )
    assert "Absurd." in as_(admin).get(source.get_absolute_url()).content.decode()
    as_(admin).post(verb("replay", quarantined.pk))
    mention.refresh_from_db()
    quarantined.refresh_from_db()
    assert (mention.processed_at, mention.attempt) == (None, 0)
    assert quarantined.replayed_at


def test_what_was_never_stored_cannot_be_tried_again_and_says_so(
    admin: User, as_: Any, source: Source, nudged: list[Any]
) -> None:
    quarantined = Quarantined.objects.create(
        fetch=source.fetches.create(), raw=b"x", reason="Not an entry."
    )
    response = as_(admin).post(verb("replay", quarantined.pk), follow=True)
    assert "never stored" in response.content.decode()
    assert nudged == []


def test_items_come_in_pages_without_loss_or_double(
    agent: User, as_: Any, source: Source, find: Any
) -> None:
    for number in range(65):
        find(str(number))
    browser, address, seen = as_(agent), source.get_absolute_url(), []
    older = 0
    while True:
        context = browser.get(address, {"before": older} if older else {}).context
        seen += [item.mention.key for item in context["items"]]
        if not (older := context["older"]):
            break
    assert sorted(seen, key=int) == [str(number) for number in range(65)]


def test_private_items_without_a_department_are_for_those_who_see_everything(
    agent: User, supervisor: User, as_: Any, source: Source, find: Any
) -> None:
    find("secret", visibility="private", text="For your eyes only")
    address = source.get_absolute_url()
    assert "For your eyes only" not in as_(agent).get(address).content.decode()
    assert "For your eyes only" in as_(supervisor).get(address).content.decode()


def test_a_page_of_items_costs_as_many_statements_for_one_as_for_thirty(
    agent: User, as_: Any, source: Source, find: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        find(str(number))
    browser = as_(agent)
    with django_assert_max_num_queries(22):
        browser.get(source.get_absolute_url())


def test_a_fetch_that_was_asked_for_shows_up_by_itself(
    admin: User, as_: Any, source: Source
) -> None:
    """While it is awaited, the page asks every two seconds, also for the list of fetches.

    Before, the message said to reload the page.
    """
    later = timezone.now() + timedelta(minutes=5)
    Source.objects.update(last_ok_at=timezone.now(), next_fetch_at=later)
    browser, part = as_(admin), {"HX-Request": "true"}
    page = browser.get(source.get_absolute_url(), headers=part).content.decode()
    assert 'hx-trigger="every 10s"' in page
    asked = browser.post(f"{source.get_absolute_url()}fetch/", follow=True).content.decode()
    assert "The fetch has started. Its items appear here." in asked
    assert 'hx-trigger="every 2s"' in asked
    page = browser.get(source.get_absolute_url(), headers=part).content.decode()
    assert '<div id="fetches" hx-swap-oob="true">' in page
