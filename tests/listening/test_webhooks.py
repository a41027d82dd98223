"""Deliveries of tools that send their items to us: signed, stored once, committed before 200.

The tests check guarantee G15 (docs/guarantees.md).
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Interaction, User
from listening import webhooks
from listening.models import Fetch, Mention, Source, WebhookDelivery, WebhookSecret
from listening.models import webhook as table
from listening.views.webhook import MAX_DELIVERY
from responses.models import Gap
from routing.models import Case
from scrm import pipeline
from scrm.channels.base import Author
from scrm.channels.webhook.examples import KINDS, example
from scrm.channels.webhook.signature import sign
from scrm.web.request_limits import limit_of
from tests.killing import killed_at
from tests.together import at_once

pytestmark = pytest.mark.django_db
Post = Callable[..., Any]


@pytest.fixture
def source(make_source: Callable[..., Source], admin: User) -> Source:
    row = make_source(kind="webhook", address=str(uuid4()), name="Survey tool", stance="for us")
    webhooks.add_secret(row, by=admin)
    return row


def delivery(*ids: object, **facts: Any) -> bytes:
    items = [{"id": each, "kind": "message", "text": f"Hello {each}", **facts} for each in ids]
    return json.dumps({"items": items}).encode()


@pytest.fixture
def post(source: Source) -> Post:
    """Return a function that sends a signed delivery to the URL of the source."""

    def send(body: bytes, name: str = "", *, secret: str = "", **headers: str) -> Any:
        key = secret or source.webhook_secrets.latest("pk").secret
        moment = timezone.now()
        signed = sign(key, name or f"msg_{uuid4()}", body, now=moment) | headers
        return Client(enforce_csrf_checks=True).post(
            f"/webhooks/{source.address}/", body, content_type="application/json", headers=signed
        )

    return send


def fates(source: Source) -> list[tuple[str, int]]:
    rows = source.webhook_deliveries.order_by("pk")
    return [(row.fate, row.times) for row in rows]


# Accepted


def test_a_signed_delivery_is_stored_and_answered(source: Source, post: Post) -> None:
    answer = post(delivery(1, "b"))
    assert (answer.status_code, answer.json()["message"]) == (200, "Accepted: 2 new of 2.")
    assert set(Mention.objects.values_list("key", flat=True)) == {"1", "b"}
    fetch = Fetch.objects.get()
    assert (fetch.outcome, fetch.found, fetch.new, fetch.source) == ("ok", 2, 2, source)
    assert Mention.objects.filter(fetch=fetch, sightings__source=source).count() == 2
    assert source.webhook_deliveries.get().fetch == fetch
    source.refresh_from_db()
    assert source.last_ok_at
    assert not source.error


def test_an_item_becomes_a_case(source: Source, post: Post, service: object) -> None:
    """A delivered item is routed like every other item, also if it has no date.

    Fails if the first item without a date counts as older than its source.
    """
    assert post(delivery("7", author={"id": "c-1", "name": "Ann"})).status_code == 200
    assert pipeline.process() == 1
    row = Interaction.objects.get()
    assert (row.channel, row.kind, row.visibility) == ("webhook", "message", "private")
    assert row.profile.name == "Ann"
    assert Case.objects.get().last_inbound == row


def test_an_old_item_opens_no_case(source: Source, post: Post, service: object) -> None:
    assert post(delivery("7", occurred_at="2020-01-01T00:00:00Z")).status_code == 200
    pipeline.process()
    assert Mention.objects.get().backlog
    assert not Case.objects.exists()


def test_every_example_is_accepted(source: Source, post: Post, service: object) -> None:
    for kind in KINDS:
        assert post(example(kind).encode()).status_code == 200
    assert set(Mention.objects.values_list("kind", flat=True)) == set(KINDS)
    Mention.objects.all().bring_in()
    pipeline.process()
    assert Interaction.objects.count() == len(KINDS)


def test_an_id_that_changes_its_type_is_stored_once(source: Source, post: Post) -> None:
    assert post(delivery(7)).json()["message"] == "Accepted: 1 new of 1."
    assert post(delivery("7")).json()["message"] == "Accepted: 0 new of 1."
    assert Mention.objects.count() == 1


# Repeated


def test_a_repeated_delivery_changes_nothing(source: Source, post: Post) -> None:
    """A webhook-id is accepted once, whatever body comes with it.

    Fails if accepted webhook-ids are not looked up.
    """
    body = delivery("7")
    assert post(body, "msg_1").status_code == 200
    assert "accepted before" in post(body, "msg_1").json()["message"]
    assert "accepted before" in post(delivery("8"), "msg_1").json()["message"]
    assert Mention.objects.get().key == "7"
    assert Fetch.objects.count() == 1
    assert fates(source) == [("accepted", 1), ("duplicate", 1), ("duplicate", 1)]


def test_an_invalid_delivery_may_be_corrected_under_the_same_id(source: Source, post: Post) -> None:
    assert post(b"{}", "msg_1").status_code == 422
    assert post(delivery("7"), "msg_1").status_code == 200
    assert fates(source) == [("invalid", 1), ("accepted", 1)]
    source.refresh_from_db()
    assert (source.failures, source.error) == (0, "")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_stored_once(source: Source, post: Post) -> None:
    """Of equal deliveries at the same moment, one is accepted.

    Fails if the source is not locked, with an error of the unique constraint.
    """
    answers = at_once(*[lambda: post(delivery(*range(20)), "msg_1").status_code] * 4)
    assert answers == [200] * 4
    assert Mention.objects.count() == 20
    assert fates(source) == [("accepted", 1)] + [("duplicate", 1)] * 3


STEPS = [
    ("listening.webhooks:store", "before"),
    ("listening.webhooks:store", "after"),
    ("listening.models:Source.record_delivery", "after"),
    ("listening.webhooks:_take", "after"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("where", "when"), STEPS)
def test_a_killed_process_loses_nothing(source: Source, post: Post, where: str, when: str) -> None:
    """After a process was killed at any step, the repeated delivery leads to each item once.

    Fails if `_take` does not run in a transaction.
    """
    body = delivery(*range(5))
    assert killed_at(where, when, lambda: post(body, "msg_1")) == signal.SIGKILL
    stored = where == "listening.webhooks:_take"
    assert Mention.objects.count() == (5 if stored else 0)
    assert fates(source) == ([("accepted", 1)] if stored else [])
    assert post(body, "msg_1").status_code == 200
    assert Mention.objects.count() == 5


# Refused


def test_a_forged_delivery_is_refused_and_only_counted(source: Source, post: Post) -> None:
    """Deliveries without a valid signature do not make the table grow.

    Fails if each of them has a row.
    """
    body = delivery("7")
    other = "whsec_" + "A" * 43 + "="
    for _ in range(3):
        answer = post(body, secret=other)
        assert answer.status_code == 401
        assert "matches no secret" in answer.json()["message"]
    assert Client().post(f"/webhooks/{source.address}/", body, content_type="x").status_code == 401
    assert fates(source) == [("forged", 4)]
    assert not Mention.objects.exists()
    source.refresh_from_db()
    assert not source.failures


def test_a_replayed_delivery_is_too_old(source: Source, post: Post) -> None:
    body, early = delivery("7"), timezone.now() - timedelta(minutes=6)
    signed = sign(source.webhook_secrets.get().secret, "msg_1", body, now=early)
    answer = post(body, **signed)
    assert answer.status_code == 401
    assert "Check the clock of the sender" in answer.json()["message"]
    assert fates(source) == [("too old", 1)]


def test_an_unknown_address_is_not_found(source: Source, make_source: Post) -> None:
    answer = Client().post(f"/webhooks/{uuid4()}/", b"{}", content_type="application/json")
    assert answer.status_code == 404
    feed = make_source(kind="feed", address=str(uuid4()))
    assert Client().post(f"/webhooks/{feed.address}/").status_code == 404
    assert Client().get(f"/webhooks/{source.address}/").status_code == 405


@pytest.mark.parametrize(
    "body", [b"no json", b"[]", b"{}", b"[" * 200_000, b'{"items": [{"id": "\\ud800"}]}', b""]
)
def test_an_invalid_delivery_says_why_and_is_kept(source: Source, post: Post, body: bytes) -> None:
    answer = post(body)
    assert answer.status_code == 422
    row = source.webhook_deliveries.get()
    assert row.fate == "invalid"
    assert row.reasons == answer.json()["errors"]
    source.refresh_from_db()
    assert source.failures == 1
    assert row.reasons[0] in source.error


def test_a_long_webhook_id_is_invalid(source: Source, post: Post) -> None:
    assert post(delivery("7"), "x" * 201).json()["errors"] == [
        "webhook-id: expected at most 200 characters"
    ]


def test_200_000_characters_of_text_are_stored(source: Source, post: Post) -> None:
    assert post(delivery("7", text="<a href=" * 25_000)).status_code == 200
    assert len(Mention.objects.get().text) == 200_000


def test_a_paused_source_asks_for_a_later_attempt(source: Source, post: Post) -> None:
    Source.objects.update(is_active=False)
    answer = post(delivery("7"), "msg_1")
    assert (answer.status_code, answer["Retry-After"]) == (503, "300")
    assert not Mention.objects.exists()
    Source.objects.update(is_active=True)
    assert post(delivery("7"), "msg_1").status_code == 200
    assert fates(source) == [("paused", 1), ("accepted", 1)]


def test_too_many_deliveries_are_asked_to_wait(
    source: Source, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RATE", 3)
    assert [post(delivery(n)).status_code for n in range(5)] == [200, 200, 200, 429, 429]
    assert fates(source) == [("accepted", 1)] * 3 + [("too fast", 2)]
    later = timezone.now() - timedelta(seconds=11)
    WebhookDelivery.objects.update(at=later)
    assert post(delivery(9)).status_code == 200


def test_the_table_stays_small(source: Source, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old deliveries are removed, but none within twice the replay window."""
    monkeypatch.setattr(table, "MAX_KEPT", 3)
    for number in range(6):
        post(delivery(number))
    assert source.webhook_deliveries.count() == 6
    source.webhook_deliveries.update(at=timezone.now() - timedelta(minutes=11))
    post(delivery(7))
    assert source.webhook_deliveries.count() == 4
    assert Fetch.objects.count() == 7


def test_strangers_may_send_256_kilobytes(source: Source) -> None:
    assert limit_of(f"/webhooks/{source.address}/") == MAX_DELIVERY == 256 * 1024


def test_it_is_never_fetched(source: Source) -> None:
    """A source whose items are sent to us is never due. Fails without `fetched` in `due`."""
    assert not Source.objects.due(timezone.now() + timedelta(days=1)).exists()
    assert source.start_fetch(now=timezone.now()) is None


# Pages


def words(answer: Any) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def test_an_admin_adds_a_webhook_and_sees_the_secret_once(admin: User, as_: Any) -> None:
    browser = as_(admin)
    assert "Receive by webhook" in words(browser.get("/sources/new/"))
    form = browser.get("/sources/new/webhook/").context["form"]
    typed = {
        "name": "Survey", "stance": "for us", "owner": admin.pk, "address": form["address"].value(),
    }  # fmt: skip
    page = browser.post("/sources/new/webhook/", typed)
    source, secret = Source.objects.get(), WebhookSecret.objects.get().secret
    assert (source.kind, source.name, source.stance) == ("webhook", "Survey", "for us")
    assert secret in words(page)
    assert f"/webhooks/{source.address}/" in words(page)
    assert "no-store" in page["Cache-Control"]
    assert browser.post("/sources/new/webhook/", typed).url == source.get_absolute_url()
    assert WebhookSecret.objects.count() == 1
    assert secret not in words(browser.get(source.get_absolute_url()))


def test_a_form_with_errors_creates_nothing(admin: User, as_: Any) -> None:
    page = as_(admin).post("/sources/new/webhook/", {"name": "", "address": "x"})
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {"name", "stance", "owner", "address"}
    assert not Source.objects.exists()


def test_the_secret_is_stored_encrypted(source: Source) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM listening_webhooksecret")
        assert "whsec_" not in cursor.fetchone()[0]


def test_secrets_are_rotated_with_an_overlap(
    source: Source, post: Post, admin: User, as_: Any
) -> None:
    browser, old = as_(admin), source.webhook_secrets.get()
    here = f"/sources/{source.pk}/"
    page = browser.post(f"{here}secrets/new/")
    new = source.webhook_secrets.latest("pk")
    assert new.secret in words(page)
    assert browser.post(f"{here}secrets/new/").url == here
    assert "Remove the older secret first" in words(browser.get(here))
    assert [post(delivery(1), secret=each.secret).status_code for each in (old, new)] == [200, 200]
    browser.post(f"{here}secrets/remove/", {"secret": old.pk})
    assert [post(delivery(1), secret=each.secret).status_code for each in (old, new)] == [401, 200]
    browser.post(f"{here}secrets/remove/", {"secret": new.pk})
    assert source.webhook_secrets.get() == new


def test_the_test_button_sends_through_the_real_code(source: Source, admin: User, as_: Any) -> None:
    browser = as_(admin)
    page = browser.post(f"/sources/{source.pk}/test/", follow=True)
    assert "Test delivery answered with 200: Accepted: 1 new of 1." in words(page)
    assert Mention.objects.get().title == "Test of the webhook"
    assert fates(source) == [("accepted", 1)]


def test_the_page_shows_each_fate_in_a_line(
    source: Source, post: Post, admin: User, as_: Any
) -> None:
    post(delivery("7"), "msg_1")
    post(delivery("7"), "msg_1")
    post(delivery("8", kind="tweet"))
    post(delivery("9"), secret="whsec_" + "A" * 43 + "=")
    Source.objects.update(is_active=False)
    post(delivery("10"))
    page = words(as_(admin).get(source.get_absolute_url()))
    for line in (
        "Accepted", "1 new of 1", "msg_1", "Duplicate", "accepted before, nothing changed",
        "Invalid", "items[0].kind: expected one of: post, comment", "Signature refused",
        "The signature matches no secret of this source.", "Source was paused",
    ):  # fmt: skip
        assert line in page
    assert "Fetch now" not in page
    assert "Latest fetches" not in page
    assert "next fetch" not in page
    part = words(as_(admin).get(source.get_absolute_url(), headers={"HX-Request": "true"}))
    assert 'id="deliveries" hx-swap-oob="true"' in part


def test_settings_have_no_fetch_interval(source: Source, admin: User, as_: Any) -> None:
    typed = {"name": "Calls", "stance": "about us", "owner": admin.pk}
    assert as_(admin).post(f"/sources/{source.pk}/edit/", typed).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.stance, source.rhythm) == ("Calls", "about us", 300)
    assert as_(admin).post(f"/sources/{source.pk}/fetch/").status_code == 404
    assert as_(admin).post(f"/sources/{source.pk}/pause/", {"to": "paused"}).status_code == 302


def test_staff_read_the_schema(agent: User, as_: Any) -> None:
    answer = as_(agent).get("/webhooks/schema.json")
    assert answer["Content-Type"] == "application/schema+json"
    assert answer.json()["required"] == ["items"]
    assert Client().get("/webhooks/schema.json").status_code == 302


def test_the_curl_example_signs_as_we_verify(source: Source, admin: User, as_: Any) -> None:
    """The commands on the page make a signature that is accepted.

    Fails if the shown commands and `verify` disagree.
    """
    page = as_(admin).post(f"/sources/{source.pk}/secrets/new/").content.decode()
    script = unescape(page.partition("<code>")[2].partition("</code>")[0])
    printed = 'printf "%s\\n" "$id" "$at" "v1,$signature" "$body"'
    lines = script.partition("curl ")[0] + printed
    done = subprocess.run(["sh", "-c", lines], capture_output=True, text=True, check=True)
    name, at, signature, body = done.stdout.strip().split("\n")
    headers = {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}
    assert webhooks.receive(UUID(source.address), body.encode(), headers).status == 200


def test_the_record_check_covers_webhooks(source: Source, post: Post, service: object) -> None:
    """The record check reports a message of a webhook without a mention.

    Fails if `_listened_kinds` leaves out the kinds that are not fetched.
    """
    post(delivery("7"))
    pipeline.process()
    call_command("check_record")
    author = Author("webhook", f"{source.address}#1")
    entry = Entry("webhook:x", "1", author, "webhook", "message", "private", "Hi")
    record([entry], now=timezone.now())
    with pytest.raises(CommandError, match="Gaps found"):
        call_command("check_record")
    assert Gap.objects.filter(check_key="mention").exists()
