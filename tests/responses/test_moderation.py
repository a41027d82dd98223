"""Messages of others are moderated on their network, and each action is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Instance, Interaction, Pause, User
from responses import moderation
from responses.models import Moderation
from responses.moderation import INTERRUPTED
from responses.moderation_actions import ACTIONS
from responses.moderation_panels import panels
from routing.models import Case, CaseEvent
from routing.models.case_conversation import restrict
from scrm.channels.base import ChannelError, Credentials
from scrm.channels.connector import Renewed
from scrm.channels.registry import channel
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Mark, Post
from tests.responses.conftest import NETWORK
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def case(hear: Callable[..., Case]) -> Case:
    """A case with a public reply, which exists on the sandbox network."""
    community.reset()
    root = community.post(NETWORK, "rita", "Nice flight today")
    key = community.post(NETWORK, "roncalder", "You liars", in_reply_to=root)
    return hear("You liars", key=key, thread_key=root, in_reply_to=root)


@pytest.fixture
def said(case: Case) -> Interaction:
    return Interaction.objects.select_related("conversation").get(pk=case.last_inbound_id)


def url(case: Case, action: str, said: int | None = None) -> str:
    return reverse("responses:moderate", args=[case.pk, said or case.last_inbound_id, action])


def offered(case: Case, user: User, said: Interaction) -> list[str]:
    found = panels(case, user, [said])
    return [offer.action.name for offer in found[said.pk].offers] if found else []


def act(case: Case, said: Interaction, name: str, by: User, reason: str = "Rude") -> Moderation:
    account = moderation.account_for(said, moderation.moderating_accounts(case))
    assert account
    return moderation.moderate(
        said, ACTIONS[name], case=case, account=account, by=by, reason=reason
    )


def marks() -> set[str]:
    return set(Mark.objects.values_list("action", flat=True))


def html(page: Any) -> str:
    text: str = page.content.decode()
    return re.sub(r"\s+", " ", text)


# Who may do what


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("reader", []),
        ("outsider", []),
        ("agent", ["like"]),
        ("lead", ["like", "hide", "block", "report"]),
        ("supervisor", ["like", "hide", "block", "report"]),
        ("admin", ["like", "hide", "block", "report"]),
    ],
)
def test_the_role_decides_what_is_offered(
    who: str, may: list[str], case: Case, said: Interaction, request: pytest.FixtureRequest
) -> None:
    assert offered(case, request.getfixturevalue(who), said) == may


def test_who_may_only_draft_may_not_like(case: Case, said: Interaction, agent: User) -> None:
    """A like is public at once, so it needs the right to send without approval."""
    agent.memberships.update(role="drafter")
    assert offered(case, agent, said) == []


@pytest.mark.parametrize(
    ("who", "action", "status"),
    [
        ("outsider", "like", 404),
        ("reader", "like", 403),
        ("agent", "like", 302),
        ("agent", "hide", 403),
        ("agent", "block", 403),
        ("lead", "hide", 302),
        ("supervisor", "report", 302),
        ("lead", "delete", 404),
        ("lead", "praise", 404),
    ],
)
def test_the_server_checks_role_and_action(
    who: str, action: str, status: int, case: Case, as_: As, request: pytest.FixtureRequest
) -> None:
    """Fails if the view does not check the role. The sandbox microblog has no “delete”."""
    client = as_(request.getfixturevalue(who))
    assert client.post(url(case, action), {"reason": "Rude"}).status_code == status
    assert bool(marks()) == (status == 302)


def test_a_message_that_one_may_not_read_offers_nothing(
    case: Case, lead: User, service: Department, sales: Department, as_: As
) -> None:
    """A message that is restricted to another department cannot be moderated.

    Fails if the view looks the message up without `readable_by`.
    """
    sales.is_restricted = True
    sales.save()
    case.conversations.update(restricted_to=sales)
    page = html(as_(lead).get(case.get_absolute_url()))
    assert "Its text is restricted" in page
    assert "Moderate this message" not in page
    assert as_(lead).post(url(case, "like")).status_code == 404
    assert marks() == set()


def test_its_own_department_moderates_a_restricted_case(
    case: Case, said: Interaction, lead: User, service: Department
) -> None:
    service.is_restricted = True
    service.save()
    restrict(case.conversations)
    said.refresh_from_db()
    assert "hide" in offered(Case.objects.get(pk=case.pk), lead, said)


def test_a_message_of_another_case_is_not_found(
    case: Case, hear: Callable[..., Case], lead: User, as_: As
) -> None:
    other = hear("Something else", handle="@rita")
    answer = as_(lead).post(url(case, "like", other.last_inbound_id))
    assert answer.status_code == 404


def test_an_offline_contact_offers_nothing(case: Case, admin: User, service: Department) -> None:
    by_hand = Account.objects.create(kind="manual", network="offline", name="Hand", owner=admin)
    service.accounts.add(by_hand)
    letter = Interaction.objects.get(pk=case.last_inbound_id)
    letter.scope, letter.channel = "offline", "manual"
    assert panels(case, admin, [letter]) == {}


def test_a_post_that_answers_nothing_cannot_be_hidden(
    hear: Callable[..., Case], lead: User, microblog: Account
) -> None:
    other = hear("A post of my own")
    assert "hide" not in offered(other, lead, Interaction.objects.get(pk=other.last_inbound_id))


# Acting and undoing


def test_a_like_acts_at_once_and_can_be_undone(
    case: Case, said: Interaction, agent: User, as_: As
) -> None:
    client = as_(agent)
    client.post(url(case, "like"))
    assert marks() == {"like"}
    page = html(client.get(case.get_absolute_url()))
    assert "Liked by Anna Agent" in page
    assert "Unlike" in page
    client.post(url(case, "unlike"))
    assert marks() == set()
    assert Moderation.objects.get(action="like").state == "undone"
    assert "Liked by" not in html(client.get(case.get_absolute_url()))
    client.post(url(case, "like"))
    assert marks() == {"like"}, "it can be liked again"


def test_hiding_asks_for_a_reason_and_can_be_undone(case: Case, lead: User, as_: As) -> None:
    client = as_(lead)
    page = client.get(url(case, "hide"))
    assert "Hide reply?" in html(page)
    assert "You liars" in html(page)
    client.post(url(case, "hide"), {"reason": "An insult"})
    page = html(client.get(case.get_absolute_url()))
    assert re.search(r"Hidden by Lea Lead · \d+ \w+ \d\d:\d\d · An insult", page)
    assert "You liars" in page, "the case keeps the text"
    client.post(url(case, "unhide"))
    assert marks() == set()
    assert "Hidden by" not in html(client.get(case.get_absolute_url()))
    events = CaseEvent.objects.filter(case=case, kind="moderated").values_list("why", flat=True)
    assert list(events) == ["Hidden (Ron Calder)", "Shown again (Ron Calder)"]


@pytest.mark.parametrize("action", ["hide", "block", "report"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_without_a_reason_nothing_is_done(
    action: str, headers: dict[str, str], case: Case, lead: User, as_: As
) -> None:
    page = as_(lead).post(url(case, action), {"reason": " "}, headers=headers)
    assert page.status_code == 422
    assert "Enter a reason." in html(page)
    assert not Moderation.objects.exists()
    assert marks() == set()


def test_the_event_does_not_contain_the_reason(case: Case, said: Interaction, lead: User) -> None:
    """The reason may quote the message, and more people see the event than the message.

    Fails if the event contains the reason.
    """
    act(case, said, "hide", lead, "He wrote: you liars")
    assert "liars" not in CaseEvent.objects.get(kind="moderated").why


def test_htmx_gets_the_panel_and_the_emptied_form(case: Case, lead: User, as_: As) -> None:
    said = case.last_inbound_id
    form = as_(lead).get(url(case, "hide"), headers=HTMX)
    assert "<html" not in html(form)
    answer = as_(lead).post(url(case, "hide"), {"reason": "Rude"}, headers=HTMX)
    assert answer["HX-Retarget"] == f"#moderation-{said}"
    assert f'<div id="moderate-{said}" hx-swap-oob="innerHTML"></div>' in html(answer)
    assert "case-changed" in answer["HX-Trigger"]
    cancelled = as_(lead).get(url(case, "hide") + "?cancel=1", headers=HTMX)
    assert cancelled["HX-Retarget"] == f"#moderation-{said}"


# Errors


def test_an_error_stands_at_the_message_and_it_can_be_tried_again(
    case: Case, said: Interaction, lead: User, as_: As
) -> None:
    community.fail(NETWORK, "refused", call="moderate")
    client = as_(lead)
    answer = html(client.post(url(case, "hide"), {"reason": "Rude"}, headers=HTMX))
    assert "The network rejected the message." in answer
    assert "Try again" in answer
    assert 'name="reason" value="Rude"' in answer
    assert marks() == set()
    client.post(url(case, "hide"), {"reason": "Rude"})
    assert marks() == {"hide"}
    page = html(client.get(case.get_absolute_url()))
    assert "rejected" not in page
    assert "Hidden by" in page
    assert [row.state for row in Moderation.objects.order_by("pk")] == ["failed", "done"]


def test_a_lost_answer_is_repeated_without_harm(case: Case, said: Interaction, lead: User) -> None:
    community.fail(NETWORK, "answer lost", call="moderate")
    assert act(case, said, "like", lead).state == "failed"
    assert act(case, said, "like", lead).state == "done"
    assert Mark.objects.count() == 1


def test_an_unexpected_error_is_recorded(
    case: Case, said: Interaction, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(type(channel("sandbox").moderator), "act", broken)
    row = act(case, said, "like", lead)
    assert (row.state, "odd" in row.error) == ("failed", True)


def test_an_interrupted_action_can_be_tried_again(
    case: Case, said: Interaction, lead: User, microblog: Account
) -> None:
    """If the process dies during the call, the row stays in progress, and counts as failed later.

    Fails if `_begin` does not end interrupted rows: the action could then never be repeated.
    """
    facts = {"interaction": said, "account": microblog, "case": case, "by": lead}
    fresh = Moderation.objects.create(**facts, action="like")
    assert act(case, said, "like", lead) == fresh, "it is still in progress"
    old = timezone.now() - timedelta(minutes=6)
    stuck = Moderation.objects.create(**facts, action="report", at=old)
    records = panels(case, lead, [said])[said.pk].records
    assert [(record.is_failed, bool(record.offer)) for record in records] == [
        (False, False), (True, True),
    ]  # fmt: skip
    assert act(case, said, "report", lead).state == "done"
    stuck.refresh_from_db()
    assert (stuck.state, stuck.error) == ("failed", INTERRUPTED)


def test_an_expired_login_is_renewed_first(
    case: Case, said: Interaction, lead: User, microblog: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if `_act` uses the stored secrets: the network then refuses them."""
    microblog.secrets = {"ticket": "old"}
    microblog.secrets_expire_at = timezone.now() - timedelta(seconds=1)
    microblog.save()
    renewed = Renewed({"ticket": "new"}, timezone.now() + timedelta(hours=2))
    monkeypatch.setattr(Account, "renew", property(lambda _self: lambda _old: renewed))
    used: list[Any] = []

    def look(_self: object, credentials: Credentials, *_: object, **__: object) -> None:
        used.append(credentials.secrets)

    monkeypatch.setattr(type(channel("sandbox").moderator), "act", look)
    assert act(case, said, "like", lead).state == "done"
    assert used == [{"ticket": "new"}]


def test_a_login_that_cannot_be_renewed_is_an_error_at_the_message(
    case: Case, said: Interaction, lead: User, microblog: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    microblog.secrets_expire_at = timezone.now() - timedelta(seconds=1)
    microblog.save()

    def refuse(_old: Credentials) -> Renewed:
        raise ChannelError("No.", permanent=True)

    monkeypatch.setattr(Account, "renew", property(lambda _self: refuse))
    row = act(case, said, "like", lead)
    assert (row.state, "Reconnect the account" in row.error) == ("failed", True)
    assert marks() == set()


# Nothing may be sent


def stop_by_pause(admin: User) -> None:
    Pause.objects.begin(by=admin, why="A storm of anger")


def stop_account(_admin: User) -> None:
    Account.objects.update(paused_at=timezone.now())


def stop_copy(_admin: User) -> None:
    """Let the database look like a copy on another machine, before any task has noticed it."""
    Instance.objects.update(fingerprint="another/place")


def stop_held(_admin: User) -> None:
    Pause.objects.begin_restored(why=Pause.Evidence.MOVED, now=timezone.now())


def stop_set_back(_admin: User) -> None:
    """Let the database look as if an older copy replaced it."""
    Instance.objects.count_attempt()
    Instance.objects.update(attempts=0)


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        (stop_by_pause, "All sending is paused: A storm of anger"),
        (stop_account, "Sending from SkywardAir is paused."),
        (stop_copy, "This database was restored from a copy"),
        (stop_held, "This database was restored from a copy"),
        (stop_set_back, "This database was set back to an earlier state"),
    ],
)
@pytest.mark.parametrize("action", ["like", "hide"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_nothing_is_done_while_sending_is_stopped(
    action: str, headers: dict[str, str], stop: Callable[[User], None], why: str, case: Case,
    lead: User, admin: User, as_: As, settings: Any, tmp_path: Path, microblog: Account,
) -> None:  # fmt: skip
    """Guarantee G18 holds for moderation too: a copy of a database acts on no network.

    Fails if `moderate` does not look for pauses and restored databases.
    """
    settings.WITNESS_DIR = tmp_path / "witness"
    microblog.name = "SkywardAir"
    microblog.save()
    stop(admin)
    page = as_(lead).post(url(case, action), {"reason": "Rude"}, headers=headers)
    assert page.status_code == 422
    assert why in html(page)
    assert not Moderation.objects.exists()
    assert marks() == set()
    if headers:
        assert page["HX-Retarget"] == f"#moderate-{case.last_inbound_id}"


# Twice


def test_a_double_click_acts_once(case: Case, said: Interaction, lead: User) -> None:
    """Two clicks at the same moment leave one record, and the network is asked once.

    Fails without the constraint `moderation_once`.
    """
    community.fail(NETWORK, "slow", call="moderate", seconds=0.5)
    at_once(*[lambda: act(case, said, "hide", lead)] * 2)
    assert [row.state for row in Moderation.objects.all()] == ["done"]
    assert CaseEvent.objects.filter(kind="moderated").count() == 1


def test_an_old_window_repeats_nothing(
    case: Case, said: Interaction, lead: User, supervisor: User
) -> None:
    first = act(case, said, "hide", lead)
    assert act(case, said, "hide", supervisor, "I too") == first
    act(case, said, "unhide", lead)
    assert act(case, said, "unhide", supervisor).by == lead
    assert marks() == set()


def test_a_click_after_an_attempt_that_failed_meanwhile_acts(
    case: Case, said: Interaction, lead: User, microblog: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier attempt is in progress at the insert and has failed at the look-up.

    Fails if `_begin` only looks for the earlier row, which no longer exists.
    """
    facts = {"interaction": said, "account": microblog, "case": case, "by": lead}
    first = Moderation.objects.create(**facts, action="like")
    save = Moderation.save

    def save_late(row: Moderation, **options: Any) -> None:
        try:
            save(row, **options)
        finally:  # in another process, the first attempt fails now
            at_once(lambda: Moderation.objects.filter(pk=first.pk).update(state="failed"))

    monkeypatch.setattr(Moderation, "save", save_late)
    assert act(case, said, "like", lead).state == "done"
    assert marks() == {"like"}


# The record


def test_the_record_cannot_be_changed(case: Case, said: Interaction, lead: User) -> None:
    row = act(case, said, "hide", lead)
    for values in ({"reason": "x"}, {"by": None}, {"action": "like"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Moderation.objects.filter(pk=row.pk).update(**values)
    with pytest.raises(DatabaseError), transaction.atomic():
        row.delete()


def test_the_network_is_asked_outside_of_transactions(
    case: Case, lead: User, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if `moderate` calls the moderator in a transaction."""
    seen = []

    def look(*_: object, **__: object) -> None:
        seen.append(transaction.get_connection().in_atomic_block)
        raise ChannelError("Enough.")

    monkeypatch.setattr(type(channel("sandbox").moderator), "act", look)
    as_(lead).post(url(case, "like"))
    assert seen == [False]


def test_after_a_deletion_nothing_is_offered(
    hear: Callable[..., Case], lead: User, admin: User, service: Department
) -> None:
    blog = Account.objects.create(
        kind="sandbox", network="sandbox.blog", self_key="us", name="Blog", owner=admin
    )
    service.accounts.add(blog)
    community.reset()
    post = community.post("sandbox.blog", "us", "Our news", nonce="n")
    comment = community.post("sandbox.blog", "rita", "Buy pills", in_reply_to=post)
    other = hear("Buy pills", in_reply_to=post, thread_key=post)
    said = Interaction.objects.get(pk=other.last_inbound_id)
    said.scope, said.key, said.kind = "sandbox.blog", comment, "comment"
    assert offered(other, lead, said) == ["hide", "delete"]
    act(other, said, "hide", lead)
    act(other, said, "delete", lead)
    assert not Post.objects.filter(key=comment).exists()
    panel = panels(other, lead, [said])[said.pk]
    assert panel.offers == []
    assert [(record.words, record.offer) for record in panel.records] == [
        ("Hidden", None), ("Deleted", None),
    ]  # fmt: skip
