"""A message is edited at its source while an answer is written, held, planned or sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Interaction, Notice, User
from listening.changes import keep_changes
from listening.fetch import fetch_source
from listening.models import Fetch, Mention, Source
from responses import check_sending, outbox
from responses.models import Draft, Response
from routing.case_page import timeline
from routing.models import Case
from routing.splitting import split_off_item
from scrm import pipeline
from scrm.channels.base import Change
from scrm.channels.sandbox import community

As = Callable[[User], Client]
NEW = "You threw me off a flight <b>and lost my bag</b>"


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None, settings: Any) -> Iterator[None]:
    settings.UNDO_SECONDS = 0
    yield
    community.reset()


@pytest.fixture
def complaint(microblog: Account, make_source: Callable[..., Source], service: Any) -> Case:
    """A case with a post that exists on the network, so that a reply to it can be sent."""
    source = make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")
    community.reset()
    community.post("sandbox.microblog", "roncalder", "@SkywardAir you threw me off a flight")
    assert fetch_source(source)
    pipeline.process()
    return Case.objects.get()


@pytest.fixture
def edit(make_source: Callable[..., Source]) -> Callable[..., None]:
    """Return a function that stores an edit of a message, as a network reports it."""
    fetch = Fetch.objects.create(source=make_source())

    def edit(
        message: Interaction, text: str = NEW, kind: Any = "edited", at: datetime | None = None
    ) -> None:
        assert message.profile
        place = {"scope": message.scope, "key": message.key}
        Mention.objects.get_or_create(**place, defaults={
            "fetch": fetch, "author_network": message.scope, "author_key": message.profile.key,
            "kind": "post", "visibility": "public", "interaction": message, "text": message.text,
        })  # fmt: skip
        text = text if kind == "edited" else ""
        change = Change(**place, kind=kind, text=text, occurred_at=at)
        keep_changes(fetch, [change], now=timezone.now())

    return edit


def states(response: Response) -> list[str]:
    return list(response.deliveries.order_by("pk").values_list("state", flat=True))


def test_a_reply_that_was_released_before_the_edit_waits_until_it_is_sent_again(
    answer: Callable[..., Response], edit: Callable[..., None], agent: User
) -> None:
    response = answer()
    edit(response.in_reply_to)
    delivery = response.deliveries.get()
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert "edited at the source after the reply was released" in delivery.error
    outbox.deliver(check_sending.send_again(delivery, by=agent))
    assert states(response) == ["failed", "sent"]


def test_an_edit_after_it_was_sent_again_stops_it_again(
    answer: Callable[..., Response], edit: Callable[..., None], agent: User
) -> None:
    response = answer()
    edit(response.in_reply_to)
    delivery = response.deliveries.get()
    outbox.deliver(delivery)
    again = check_sending.send_again(delivery, by=agent)
    edit(response.in_reply_to, "Another text")
    outbox.deliver(again)
    assert states(response) == ["failed", "failed"]


def test_a_reply_to_a_message_that_was_edited_before_is_sent(
    complaint: Case, answer: Callable[..., Response], edit: Callable[..., None]
) -> None:
    edit(complaint.last_inbound)
    response = answer()
    outbox.deliver(response.deliveries.get())
    assert states(response) == ["sent"]


def test_who_approves_is_warned_and_can_approve(
    held: Response, edit: Callable[..., None], lead: User, as_: As
) -> None:
    edit(held.in_reply_to)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "An edit of the message that this reply answers was noticed after this reply" in page
    assert "Edited at the source; noticed 0\xa0minutes ago" in page
    assert "Approve and send" in page
    url = reverse("responses:approve", args=[held.pk])
    assert as_(lead).post(url, {"shown": held.content_hash}).status_code == 302
    outbox.deliver(held.deliveries.get())
    assert states(held) == ["sent"]


def test_an_edit_before_the_reply_was_written_is_no_warning(
    complaint: Case, edit: Callable[..., None], answer: Callable[..., Response], lead: User,
    make_rule: Callable[..., Any], as_: As,
) -> None:  # fmt: skip
    edit(complaint.last_inbound)
    make_rule("sorry")
    answer()
    assert "edited at" not in as_(lead).get(reverse("responses:approvals")).content.decode()


def test_case_list_and_composer_say_so(
    complaint: Case, edit: Callable[..., None], agent: User, as_: As
) -> None:
    pages = [
        complaint.get_absolute_url(), reverse("responses:composer", args=[complaint.pk]),
        reverse("routing:inbox"),
    ]  # fmt: skip
    before = [as_(agent).get(page).content.decode() for page in pages]
    edit(complaint.last_inbound)
    case, composer, inbox = [as_(agent).get(page).content.decode() for page in pages]
    assert "Edited at the source; noticed 0\xa0minutes ago" in case
    assert "&lt;b&gt;and lost my bag&lt;/b&gt;" in case
    assert "A message of this case was edited." in composer
    assert "Edited at the source; noticed 0\xa0minutes ago" in composer
    assert "edited at the source" in inbox
    assert "at the source" not in "".join(before)


@pytest.mark.parametrize("kind", ["Edited", "Deleted"])
def test_the_time_that_the_source_states_is_shown(
    complaint: Case, edit: Callable[..., None], agent: User, as_: As, kind: str
) -> None:
    edit(complaint.last_inbound, kind=kind.lower(), at=timezone.now() - timedelta(hours=5))
    pages = (complaint.get_absolute_url(), reverse("responses:composer", args=[complaint.pk]))
    for page in pages:
        assert f"{kind} at the source 5\xa0hours ago" in as_(agent).get(page).content.decode()


def test_a_reply_that_was_begun_before_the_edit_is_refused_once(
    complaint: Case, edit: Callable[..., None], agent: User, as_: As
) -> None:
    browser = as_(agent)
    form = browser.get(reverse("responses:composer", args=[complaint.pk])).context["form"]
    sent = {name: form[name].value() or "" for name in ("form", "seen", "shown", "place")}
    sent["text"] = "Sorry."
    edit(complaint.last_inbound)
    url = reverse("responses:reply", args=[complaint.pk])
    refused = browser.post(url, sent)
    assert refused.status_code == 409
    assert "was edited at the source" in refused.content.decode()
    assert not Response.objects.exists()
    sent["shown"] = refused.context["form"]["shown"].value()
    assert browser.post(url, sent).status_code == 302


def test_only_who_has_an_unsent_text_is_notified_and_a_volatile_item_notifies_nobody(
    complaint: Case, edit: Callable[..., None], agent: User, teammate: User
) -> None:
    changed = Notice.objects.filter(kind=Notice.Kind.CHANGED)
    edit(complaint.last_inbound, "one")
    assert not changed.exists()
    Draft.keep(case=complaint, kind="reply", by=agent, text="Dear Ron", seen=0)
    for text in ("two", "three", "four", "five"):
        edit(complaint.last_inbound, text)
    assert [notice.user for notice in changed] == [agent, agent]


def test_a_version_is_shown_at_its_message_and_not_as_another_one(
    complaint: Case, edit: Callable[..., None], agent: User
) -> None:
    edit(complaint.last_inbound)
    entries = [entry for entry in timeline(complaint, agent).entries if entry.interaction]
    assert [len(entry.changes) for entry in entries] == [1]


def test_a_reply_answers_the_message_and_names_no_version(
    complaint: Case, edit: Callable[..., None], answer: Callable[..., Response]
) -> None:
    edit(complaint.last_inbound)
    response = answer()
    assert response.in_reply_to == complaint.last_inbound
    assert response.deliveries.get().parcel.references == (complaint.last_inbound.key,)


def test_a_split_moves_the_versions_with_the_message(
    complaint: Case, hear: Callable[..., Case], edit: Callable[..., None], agent: User
) -> None:
    first = complaint.last_inbound
    hear("And my bag?", handle="roncalder", conversation=first.conversation_id)
    edit(first)
    split_off_item(complaint, first, by=agent)
    first.refresh_from_db()
    assert first.revisions.get().conversation == first.conversation
