"""The files, the recipients and the send time of a response, on each page that can send it.

The tests check what the channel finally receives.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Attachment, Department, Notice, User
from responses import corrections, outbox, release
from responses.compose import Words, state_publicly
from responses.models import Campaign, Delivery, Draft, Response, ResponseRule
from responses.models.delivery_state import DeliveryState
from responses.record_check import checks
from routing.models import Case, Issue
from scrm.channels.base import Outgoing
from scrm.channels.registry import channel
from tests.responses.conftest import NETWORK
from tests.responses.network import Network

As = Callable[[User], Client]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Network:
    """Install a fake network that accepts files and records what it received."""
    settings.MEDIA_ROOT = tmp_path
    network = Network("key", NETWORK)
    plug = replace(channel("sandbox"), speaker=network, editor=network, carries=10_000)
    monkeypatch.setattr(Account, "channel", plug)
    return network


@pytest.fixture
def page(network: Network, complaint: Case, agent: User, as_: As) -> Callable[..., Response]:
    """Return a function that sends a reply of the agent with two files.

    The function returns the response.
    """

    def write(**typed: Any) -> Response:
        complaint.refresh_from_db()
        account = Account.objects.get(name="@SkywardAir")
        fields = {
            "form": uuid.uuid4(),
            "seen": complaint.last_inbound_id,
            "place": f"{account.pk}:{complaint.profile_id}:private",
            "text": "We are so sorry.",
            "uploads": [upload("voucher.pdf"), upload("passport.pdf")],
        }
        sent = as_(agent).post(reverse("responses:reply", args=[complaint.pk]), fields | typed)
        assert sent.status_code == 302, sent.content.decode()
        return Response.objects.get(uuid=fields["form"])

    return write


@pytest.fixture
def held(page: Callable[..., Response], make_rule: Callable[..., ResponseRule]) -> Response:
    make_rule("sorry")
    return page()


@pytest.fixture
def planned(page: Callable[..., Response]) -> Response:
    return page(send_at=f"{timezone.localtime() + timedelta(days=1):%Y-%m-%dT%H:%M}")


def upload(name: str, content: bytes = b"%PDF") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def url(name: str, response: Response) -> str:
    return reverse(f"responses:{name}", args=[response.pk])


def form(client: Client, response: Response, **typed: Any) -> dict[str, Any]:
    """Return the data that a browser posts from the edit page of a response.

    The keyword arguments replace single fields.
    """
    shown = client.get(url("edit", response)).context["form"]
    fields = {each.html_name: each.value() for each in shown if each.name != "uploads"}
    posted = {name: value for name, value in fields.items() if value not in (None, "")}
    if moment := posted.get("send_at"):
        posted["send_at"] = f"{moment:%Y-%m-%dT%H:%M}"
    posted["kept"] = [str(each.uuid) for each in response.attachments.all()]
    return posted | {"then": "send"} | typed


def file(response: Response, name: str) -> Attachment:
    return response.attachments.get(name=name)


def without(response: Response, name: str) -> list[str]:
    return [str(each.uuid) for each in response.attachments.exclude(name=name)]


def remove(client: Client, response: Response, name: str, **typed: Any) -> Any:
    fields = {"shown": response.content_hash, "file": str(file(response, name).uuid)}
    return client.post(url("remove_file", response), fields | typed)


def leave(network: Network) -> list[Outgoing]:
    """Send all queued deliveries, even before their planned time.

    Returns what the channel received in this call.
    """
    before = set(network.arrived)
    Delivery.objects.filter(state=DeliveryState.QUEUED).update(send_after=timezone.now())
    for delivery in Delivery.objects.due(timezone.now()):
        outbox.deliver(delivery)
    return [each for nonce, each in network.arrived.items() if nonce not in before]


def names(sent: Outgoing) -> list[str]:
    return [each.name for each in sent.attachments]


def gaps() -> list[str]:
    """Return the descriptions of the gaps that the record check finds in our responses."""
    wanted = [each for each in checks.CHECKS if each.key in {"response", "signatures", "sending"}]
    return [says["words"] for check in wanted for says in check.find().values()]


def test_an_approver_takes_a_file_out_of_what_they_edit_and_approve(
    held: Response, network: Network, lead: User, as_: As
) -> None:
    """An approver can remove a file from a held response and approve the response in one step.

    Fails if the form does not show the files, or does not remove a file that the approver
    deselected.
    """
    client, before = as_(lead), held.content_hash
    shown = client.get(url("edit", held)).content.decode()
    assert "passport.pdf" in shown
    assert "voucher.pdf" in shown
    client.post(url("edit", held), form(client, held, kept=without(held, "passport.pdf")))
    held.refresh_from_db()
    assert (held.state, held.content_hash != before) == ("released", True)
    (sent,) = leave(network)
    assert names(sent) == ["voucher.pdf"]
    assert held.events.filter(by=lead, why="Removed: passport.pdf.").exists()
    assert not held.events.filter(why="Text changed.").exists()


def test_a_file_removed_on_the_approvals_page_voids_what_was_signed(
    network: Network,
    page: Callable[..., Response],
    make_rule: Callable[..., ResponseRule],
    lead: User,
    supervisor: User,
    as_: As,
) -> None:
    make_rule("sorry", steps="lead supervisor")
    held = page()
    release.approve(held, by=lead)
    assert held.approval_request.next_step == "supervisor"
    asked = Notice.objects.unread().filter(user=lead, kind=Notice.Kind.TO_APPROVE)
    assert not asked.exists()
    client = as_(supervisor)
    shown = client.get(reverse("responses:approvals")).content.decode()
    assert 'aria-label="Remove passport.pdf"' in shown
    old = held.content_hash
    done = remove(client, held, "passport.pdf", back="approvals")
    assert done["Location"] == f"{reverse('responses:approvals')}#response-{held.pk}"
    held = Response.objects.get(pk=held.pk)
    request = held.approval_request
    assert (held.state, request.next_step, request.signatures) == ("held", "lead", [])
    assert asked.count() == 1
    refused = client.post(url("approve", held), {"shown": old})
    assert (refused.status_code, leave(network)) == (409, [])
    as_(lead).post(url("approve", held), {"shown": held.content_hash})
    client.post(url("approve", held), {"shown": held.content_hash})
    (sent,) = leave(network)
    assert names(sent) == ["voucher.pdf"]
    assert not gaps()


def test_what_was_sent_back_leaves_without_the_file_that_was_to_go(
    held: Response, network: Network, agent: User, lead: User, as_: As
) -> None:
    as_(lead).post(url("send_back", held), {"reason": "Not the passport."})
    client = as_(agent)
    for where in (
        url("edit", held),
        held.get_absolute_url(),
        reverse("responses:case_responses", args=[held.case_id]),
    ):
        assert "passport.pdf" in client.get(where).content.decode(), where
    held.refresh_from_db()
    client.post(url("edit", held), form(client, held, kept=without(held, "passport.pdf")))
    held.refresh_from_db()
    as_(lead).post(url("approve", held), {"shown": held.content_hash})
    (sent,) = leave(network)
    assert names(sent) == ["voucher.pdf"]


def test_a_draft_is_sent_as_it_was_shown_or_not_at_all(
    held: Response, network: Network, agent: User, lead: User, as_: As
) -> None:
    """“Send as it is” is refused if the response was changed after the page was opened.

    Fails if the form does not contain the hash of the content that the page shows.
    """
    release.send_back(held, by=lead, why="Not the passport.")
    ResponseRule.objects.update(is_active=False)
    client, seen = as_(agent), held.case.last_inbound_id
    shown = held.content_hash
    remove(client, held, "passport.pdf")
    assert client.post(url("send", held), {"shown": shown, "seen": seen}).status_code == 409
    held = Response.objects.get(pk=held.pk)
    client.post(url("send", held), {"shown": held.content_hash, "seen": seen})
    (sent,) = leave(network)
    assert names(sent) == ["voucher.pdf"]


def test_what_is_planned_is_changed_and_leaves_once_at_its_time(
    planned: Response, network: Network, agent: User, lead: User, as_: As
) -> None:
    """If a team lead changes a planned response, only the new version is sent, at the planned time.

    The agent wrote the response. The released version is cancelled and stays unchanged in the
    record. The agent stays the author of the new version.
    """
    client = as_(lead)
    typed = form(client, planned, text="So sorry.", kept=without(planned, "passport.pdf"))
    client.post(url("edit", planned), typed)
    planned.refresh_from_db()
    changed = Response.objects.latest("pk")
    assert (planned.state, planned.text) == ("cancelled", "We are so sorry.")
    assert (changed.state, changed.send_at, changed.author) == ("released", planned.send_at, agent)
    assert (changed.decision, changed.case) == (planned.decision, planned.case)
    assert client.post(url("edit", planned), typed).status_code == 409  # a second submit
    assert Response.objects.count() == 2
    assert not Delivery.objects.due(timezone.now() + timedelta(hours=23)).exists()
    (sent,) = leave(network)
    assert (sent.text, names(sent)) == ("So sorry.", ["voucher.pdf"])
    assert not gaps()


def test_a_file_removed_from_what_is_planned_makes_the_rules_speak_again(
    planned: Response, network: Network, make_rule: Callable[..., Any], agent: User, as_: As
) -> None:
    make_rule("sorry")
    client = as_(agent)
    card = client.get(reverse("responses:case_responses", args=[planned.case_id]))
    assert 'aria-label="Remove passport.pdf"' in card.content.decode()
    remove(client, planned, "passport.pdf", back="case")
    changed = Response.objects.latest("pk")
    assert (changed.state, leave(network)) == ("held", [])
    assert [each.name for each in changed.attachments.all()] == ["voucher.pdf"]


def test_what_is_being_sent_is_not_changed_any_more(
    planned: Response, network: Network, agent: User, as_: As
) -> None:
    """A planned response cannot be changed while its delivery is being sent.

    Fails if the code does not check the delivery after it has locked the response.
    """
    client = as_(agent)
    typed = form(client, planned, kept=[])
    Delivery.objects.update(state=DeliveryState.SENDING)
    refused = client.post(url("edit", planned), typed)
    assert refused.status_code == 409
    assert remove(client, planned, "passport.pdf").status_code == 302
    assert (Response.objects.get().state, Response.objects.get().attachments.count()) == (
        "released", 2,
    )  # fmt: skip


def test_a_case_is_open_again_where_its_planned_answer_is_kept_as_a_draft(
    planned: Response, network: Network, agent: User, as_: As
) -> None:
    planned.case.finish(
        by=agent, seen=planned.case.last_inbound_id, reasons="No question", why="Answered."
    )
    client = as_(agent)
    client.post(url("edit", planned), form(client, planned, then="draft"))
    draft = Response.objects.latest("pk")
    assert (draft.state, draft.case.status) == ("draft", "open")
    assert leave(network) == []


def test_what_failed_is_changed_and_sent_instead(
    page: Callable[..., Response],
    network: Network,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    as_: As,
) -> None:
    make_rule("sorry")
    held, client = page(), as_(lead)
    release.approve(held, by=lead)
    network.mood = "refuses"
    assert leave(network) == []
    failed = held.deliveries.get()
    assert failed.state == "failed"
    for where in (reverse("responses:delivery_problems"), url("send_again", failed)):  # type: ignore[arg-type]
        shown = client.get(where).content.decode()
        assert "passport.pdf" in shown
        assert "Edit first" in shown
    held = Response.objects.get(pk=held.pk)
    client.post(url("edit", held), form(client, held, kept=without(held, "passport.pdf")))
    (sent,) = leave(network)
    assert names(sent) == ["voucher.pdf"]
    assert not Delivery.objects.to_check(timezone.now()).exists()
    assert not gaps()


def test_what_failed_is_sent_instead_once(
    page: Callable[..., Response], network: Network, agent: User, as_: As
) -> None:
    """If a failed response is edited and the form is submitted twice, one new response is sent.

    The first click resolves the failed delivery. Fails if the delivery can then be changed again,
    because the second click sends a second copy.
    """
    failed, client = page(uploads=[]), as_(agent)
    network.mood = "refuses"
    leave(network)
    typed = form(client, failed)
    client.post(url("edit", failed), typed)
    assert client.post(url("edit", failed), typed).status_code == 409
    assert url("edit", failed) not in client.get(failed.get_absolute_url()).content.decode()
    assert len(leave(network)) == 1


def test_a_file_removed_from_what_failed_sends_nothing_by_itself(
    page: Callable[..., Response], network: Network, agent: User, as_: As
) -> None:
    failed, client = page(), as_(agent)
    network.mood = "refuses"
    leave(network)
    remove(client, failed, "passport.pdf")
    draft = Response.objects.latest("pk")
    assert (draft.state, [each.name for each in draft.attachments.all()]) == (
        "draft", ["voucher.pdf"],
    )  # fmt: skip
    assert leave(network) == []


def test_a_correction_takes_no_file_along_and_loses_those_it_had(
    network: Network,
    microblog: Account,
    service: Department,
    seats: Issue,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    as_: As,
) -> None:
    """A correction is sent without files, because a channel can change only the text of a post.

    If a held correction has files, they can be removed.
    """
    words = Words(uuid.uuid4(), "We change our policy.", "public")
    said = state_publicly(words, accounts=[microblog], by=agent, department=service, issue=seats)
    said.attachments.add(stored(agent, "plan.pdf"))
    leave(network)
    assert "plan.pdf" in as_(agent).get(url("correct", said)).content.decode()
    make_rule("sorry")
    sorry = Words(uuid.uuid4(), "We are sorry.", "public")
    correction = corrections.correct(said, sorry, over=said.pk, by=agent)
    correction.attachments.add(stored(agent, "draft.pdf"))
    client = as_(lead)
    shown = client.get(url("edit", correction)).content.decode()
    assert "draft.pdf" in shown
    assert "@SkywardAir" in shown
    client.post(url("edit", correction), form(client, correction, kept=[]))
    correction.refresh_from_db()
    assert (correction.state, correction.attachments.count()) == ("released", 0)
    checked: list[Any] = []
    network.check = checked.append
    leave(network)
    assert [(each.text, each.attachments) for each in checked] == [("We are sorry.", ())]


def stored(user: User, name: str) -> Attachment:
    return Attachment.objects.create(
        by=user, name=name, content_type="application/pdf", size=4, file=upload(name)
    )


def test_each_page_that_lets_it_go_shows_its_files_recipients_and_time(
    planned: Response, network: Network, agent: User, as_: As
) -> None:
    client = as_(agent)
    month = f"{timezone.localtime(planned.send_at):%Y-%m}"
    calendar = client.get(reverse("responses:calendar"), {"month": month}).content.decode()
    assert "2 files" in calendar
    assert "Ron Calder" in calendar
    at = f"{timezone.localtime(planned.send_at):%Y-%m-%d %H:%M}"
    card = reverse("responses:case_responses", args=[planned.case_id])
    for where in (planned.get_absolute_url(), card):
        shown = client.get(where).content.decode()
        for what in ("passport.pdf", "4\xa0bytes", "Ron Calder", at, url("edit", planned)):
            assert what in shown, (where, what)
        link = reverse("crm:attachment", args=[file(planned, "passport.pdf").uuid])
        assert link in shown


def test_a_form_that_comes_again_keeps_new_files_and_what_was_left_out(
    held: Response, network: Network, lead: User, as_: As
) -> None:
    client = as_(lead)
    typed = form(client, held, text="", kept=without(held, "passport.pdf"))
    again = client.post(url("edit", held), typed | {"uploads": [upload("letter.pdf")]})
    assert again.status_code == 422
    boxes = again.content.decode().split('name="kept"')[1:]
    ticked = {
        name: "checked" in each.partition(">")[0]
        for each in boxes
        for name in ("voucher.pdf", "passport.pdf", "letter.pdf")
        if name in each
    }
    assert ticked == {"voucher.pdf": True, "passport.pdf": False, "letter.pdf": True}
    kept = [each.partition('value="')[2][:36] for each in boxes if "checked" in each.split(">")[0]]
    client.post(url("edit", held), form(client, held, kept=kept))
    (sent,) = leave(network)
    assert sorted(names(sent)) == ["letter.pdf", "voucher.pdf"]


def test_an_undone_answer_gives_back_what_its_approver_had_added(
    held: Response, network: Network, agent: User, lead: User, as_: As
) -> None:
    """If a reply is undone, its draft also has the file that the approver had added.

    Fails if the undo restores only the author's own files, because then this file is lost.
    """
    client = as_(lead)
    client.post(url("edit", held), form(client, held, uploads=[upload("letter.pdf")]))
    as_(agent).post(url("cancel", held))
    held.refresh_from_db()
    assert held.state == "cancelled"
    assert len(Draft.objects.get(author=agent).fields["kept"]) == 3
    composer = reverse("responses:composer", args=[held.case_id])
    assert "letter.pdf" in as_(agent).get(composer).content.decode()


def test_files_that_its_way_does_not_carry_are_an_error_at_the_files(
    held: Response, network: Network, lead: User, as_: As
) -> None:
    client = as_(lead)
    typed = form(client, held, uploads=[upload("large.pdf", b"x" * 10_001)])
    refused = client.post(url("edit", held), typed)
    assert refused.status_code == 422
    assert "uploads" in refused.context["form"].errors


def test_nobody_takes_a_file_of_another_text_along(
    held: Response, network: Network, lead: User, agent: User, as_: As
) -> None:
    strangers, client = stored(agent, "other.pdf"), as_(lead)
    refused = client.post(url("edit", held), form(client, held, kept=[str(strangers.uuid)]))
    assert (refused.status_code, "kept" in refused.context["form"].errors) == (422, True)
    assert "other.pdf" not in refused.content.decode()


# Recipients


def test_an_approver_makes_a_public_reply_private(
    page: Callable[..., Response],
    network: Network,
    make_rule: Callable[..., ResponseRule],
    complaint: Case,
    microblog: Account,
    lead: User,
    as_: As,
) -> None:
    make_rule("sorry")
    start = f"{microblog.pk}:{complaint.profile_id}"
    held, client = page(place=f"{start}:public", uploads=[]), as_(lead)
    before = held.content_hash
    assert held.in_reply_to == complaint.last_inbound
    client.post(url("edit", held), form(client, held, place=f"{start}:private"))
    held.refresh_from_db()
    assert (held.state, held.visibility) == ("released", "private")
    assert held.content_hash != before
    (sent,) = leave(network)
    assert (sent.visibility, sent.destination) == ("private", complaint.profile.key)
    assert held.deliveries.count() == 1


def test_an_edit_in_public_needs_the_confirmation_too(
    page: Callable[..., Response],
    network: Network,
    make_rule: Callable[..., ResponseRule],
    hear: Callable[..., Case],
    complaint: Case,
    microblog: Account,
    agent: User,
    lead: User,
    as_: As,
) -> None:
    """A held public reply needs a new confirmation if the customer writes privately meanwhile.

    The confirmation is required when the reply is edited, and when it is sent unchanged. Fails if
    one of these two checks is removed.
    """
    make_rule("sorry")
    start = f"{microblog.pk}:{complaint.profile_id}"
    held, client = page(place=f"{start}:public", uploads=[]), as_(lead)
    hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    typed = form(client, held)
    refused = client.post(url("edit", held), typed)
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["publicly"])
    release.send_back(held, by=lead, why="Private, please.")
    sends, seen = as_(agent), Case.objects.get(pk=held.case_id).last_inbound_id
    as_is = {"shown": held.content_hash, "seen": seen}
    assert sends.post(url("send", held), as_is).status_code == 422
    assert Response.objects.get().state == "draft"
    sends.post(url("send", held), as_is | {"publicly": "on"})
    assert Response.objects.get().state == "held"
    client.post(url("edit", held), form(client, held, publicly="on"))
    assert Response.objects.get().state == "released"


def test_a_planned_statement_goes_to_other_accounts_and_still_counts_for_its_campaign(
    network: Network,
    microblog: Account,
    service: Department,
    seats: Issue,
    agent: User,
    admin: User,
    as_: As,
) -> None:
    blog = Account.objects.create(
        kind="sandbox", network="sandbox.blog", self_key="our-blog", name="Blog", owner=admin
    )
    service.accounts.add(blog)
    campaign = Campaign.objects.create(
        name="Spring", department=service, owner=agent, starts_on=timezone.localdate()
    )
    at = timezone.now() + timedelta(days=1)
    words = Words(uuid.uuid4(), "Soon.", "public", versions={microblog.pk: "Soo."}, send_at=at)
    said = state_publicly(
        words, accounts=[microblog], by=agent, department=service, issue=seats, campaign=campaign
    )
    client = as_(agent)
    assert client.post(url("edit", said), form(client, said, accounts=[])).status_code == 422
    client.post(url("edit", said), form(client, said, accounts=[blog.pk]))
    changed = Response.objects.latest("pk")
    assert (changed.pk == said.pk, changed.versions) == (False, {})
    assert [each.account for each in changed.deliveries.all()] == [blog]
    assert changed.campaign_link.campaign == campaign
    (sent,) = leave(network)
    assert (sent.text, sent.visibility) == ("Soon.", "public")


def test_somebody_who_changes_the_time_sees_it_change(
    planned: Response, network: Network, agent: User, as_: As
) -> None:
    client, later = as_(agent), timezone.localtime() + timedelta(days=3)
    client.post(url("edit", planned), form(client, planned, send_at=f"{later:%Y-%m-%dT%H:%M}"))
    changed = Response.objects.latest("pk")
    assert changed.send_at == later.replace(second=0, microsecond=0)
    assert changed.deliveries.get().send_after == changed.send_at


def test_a_file_of_a_held_response_is_for_its_department_only(
    held: Response, agent: User, reader: User, outsider: User, supervisor: User, as_: As
) -> None:
    """Only members of the department and supervisors can download a file of a held response.

    Fails if `unsent_files` does not check the department, because then any user can download the
    file.
    """
    file = Attachment(by=held.author, name="offer.pdf", content_type="application/pdf", size=4)
    file.file.save("offer.pdf", SimpleUploadedFile("offer.pdf", b"%PDF"))
    held.attachments.add(file)
    address = reverse("crm:attachment", args=[file.uuid])
    assert [as_(user).get(address).status_code for user in (agent, reader, supervisor)] == [200] * 3
    assert as_(outsider).get(address).status_code == 404
