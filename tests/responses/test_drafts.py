"""Drafts are saved while the user types, and the business rules check them.

A user can also fill a draft with the text of a saved reply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from crm.models import Account, Attachment, Department, User
from responses.models import Draft, Response, ResponseRule, SavedReply
from responses.saved_reply_variables import VARIABLES, fill_in, unknown_variables
from routing.models import Case

As = Callable[[User], Client]


@pytest.fixture
def complaint(hear: Callable[..., Case]) -> Case:
    return hear("I had a seat")


def keep(client: Client, case: Case, text: str, version: int = 0, **typed: Any) -> Any:
    fields = {"draft_kind": "reply", "text": text, "draft_version": version}
    return client.post(reverse("responses:draft", args=[case.pk]), fields | typed)


def composer(client: Client, case: Case, **asked: Any) -> str:
    page = client.get(reverse("responses:composer", args=[case.pk]), asked)
    return str(page.content.decode())


def test_what_is_typed_is_there_again_in_the_same_tab(
    as_: As, agent: User, complaint: Case
) -> None:
    client = as_(agent)
    assert "Draft saved" in keep(client, complaint, "Dear Ron,", subject="Seat").content.decode()
    page = composer(client, complaint)
    assert "Dear Ron," in page
    assert 'value="Seat"' in page
    keep(client, complaint, "We change the policy.", draft_kind="statement")
    assert "We change the policy." in composer(client, complaint)  # the tab that was used last


def test_a_second_window_does_not_overwrite_the_first(
    as_: As, agent: User, complaint: Case
) -> None:
    client = as_(agent)
    keep(client, complaint, "First window", version=0)
    other = keep(client, complaint, "Second window", version=0)
    assert other.status_code == 409
    assert "First window" in other.content.decode()
    assert Draft.objects.get().text == "First window"
    assert keep(client, complaint, "Second window, on purpose", version=1).status_code == 200
    assert Draft.objects.get().text == "Second window, on purpose"


def test_a_draft_survives_a_change_of_assignee_and_can_be_gone_on_with(
    as_: As, agent: User, teammate: User, complaint: Case
) -> None:
    keep(as_(agent), complaint, "Dear Ron, about your seat")
    complaint.assign(to=teammate, by=agent)
    page = composer(as_(teammate), complaint, tab="reply")
    assert "Anna Agent started a draft" in page
    draft = Draft.objects.get()
    page = composer(as_(teammate), complaint, tab="reply", **{"from": draft.pk})
    assert ">Dear Ron, about your seat</textarea>" in page


def test_a_sent_text_is_no_draft_any_more(
    as_: As, agent: User, complaint: Case, microblog: Account
) -> None:
    client = as_(agent)
    keep(client, complaint, "We are sorry.")
    place = f"{microblog.pk}:{complaint.profile_id}:public"
    typed = {"text": "We are sorry.", "place": place, "seen": complaint.last_inbound_id}
    typed["form"] = "6f2c0e0e-0f4e-4f6e-9c53-0c6c4a1d2b3e"
    client.post(reverse("responses:reply", args=[complaint.pk]), typed)
    assert Response.objects.get().text == "We are sorry."
    assert not Draft.objects.exists()


def test_an_undone_answer_is_a_draft_again(
    as_: As, agent: User, complaint: Case, microblog: Account
) -> None:
    client = as_(agent)
    place = f"{microblog.pk}:{complaint.profile_id}:public"
    typed = {"text": "We are sorry.", "place": place, "seen": complaint.last_inbound_id}
    typed |= {"form": "6f2c0e0e-0f4e-4f6e-9c53-0c6c4a1d2b3e", "then": "done"}
    client.post(reverse("responses:reply", args=[complaint.pk]), typed)
    complaint.refresh_from_db()
    assert complaint.status == "done"
    client.post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    complaint.refresh_from_db()
    assert complaint.status == "open"
    assert Draft.objects.get().text == "We are sorry."


@pytest.fixture
def voucher(agent: User) -> Attachment:
    """Return an attachment row without a stored file, because no test reads the file."""
    facts = {"name": "voucher.pdf", "content_type": "a/b", "size": 1}
    return Attachment.objects.create(by=agent, **facts)


def test_an_undone_answer_leaves_another_draft_alone_and_keeps_its_files(
    as_: As, agent: User, complaint: Case, answer: Callable[..., Response], voucher: Attachment
) -> None:
    response, client = answer(), as_(agent)
    response.attachments.add(voucher)
    keep(client, complaint, "Something else")
    said = client.post(reverse("responses:cancel", args=[response.pk]), follow=True)
    assert "The text is kept in the history." in said.content.decode()
    assert Draft.objects.get().text == "Something else"
    assert response.attachments.get() == voucher


def test_a_colleague_who_goes_on_with_a_draft_does_not_get_its_files(
    as_: As, agent: User, teammate: User, complaint: Case, voucher: Attachment
) -> None:
    keep(as_(agent), complaint, "Dear Ron,", kept=[voucher.uuid])
    draft = Draft.objects.get()
    assert draft.fields["kept"] == [str(voucher.uuid)]
    theirs = composer(as_(teammate), complaint, tab="reply", **{"from": draft.pk})
    assert str(voucher.uuid) not in theirs


def test_the_rules_speak_while_one_types_and_nothing_is_stored(
    as_: As, agent: User, admin: User, complaint: Case, microblog: Account
) -> None:
    ResponseRule.objects.create(
        name="Privacy", owner=admin, verdict="hold", reason="Tells of a booking.",
        conditions={"all": [{"field": "text", "op": "contains", "value": "booking"}]},
    )  # fmt: skip
    place = f"{microblog.pk}:{complaint.profile_id}:public"
    page = keep(as_(agent), complaint, "Your booking X1", place=place).content.decode()
    assert "Will be held for approval by a team lead" in page
    assert "Tells of a booking." in page
    assert "Rule “Privacy”" in page
    assert not Response.objects.exists()
    assert (
        "held"
        not in keep(as_(agent), complaint, "Your seat", version=1, place=place).content.decode()
    )


def test_the_rules_speak_of_a_kept_draft_as_soon_as_it_is_shown(
    as_: As, agent: User, complaint: Case
) -> None:
    """When the composer shows a stored draft, the rules check the draft immediately.

    If the same text is saved again, the version number of the draft does not change.
    """
    browser, url = as_(agent), reverse("responses:composer", args=[complaint.pk])
    assert "load, keep" not in browser.get(url).content.decode()
    keep(browser, complaint, "Your seat")
    version = Draft.objects.get().version
    assert "load, keep" in browser.get(url).content.decode()
    assert keep(browser, complaint, "Your seat", version=version).status_code == 200
    assert Draft.objects.get().version == version


def test_too_long_is_said_before_one_sends(
    as_: As, agent: User, complaint: Case, microblog: Account
) -> None:
    Account.objects.filter(pk=microblog.pk).update(config={"max_length": 20})
    place = f"{microblog.pk}:{complaint.profile_id}:public"
    page = keep(as_(agent), complaint, "x" * 25, place=place).content.decode()
    assert "5 characters are too many: the limit of @SkywardAir is 20." in page


def test_nobody_keeps_a_draft_where_they_may_not_write(
    as_: As, outsider: User, reader: User, complaint: Case
) -> None:
    assert keep(as_(outsider), complaint, "x").status_code == 404
    assert keep(as_(reader), complaint, "x").status_code == 403
    assert not Draft.objects.exists()


def test_a_saved_reply_is_filled_in_for_this_person(
    as_: As, agent: User, complaint: Case, sales: Department
) -> None:
    SavedReply.objects.create(
        name="Sorry", owner=agent, text="Dear {{ first_name }}, {{agent}} here about {{ case }}."
    )
    SavedReply.objects.create(name="Theirs", owner=agent, text="No", department=sales)
    page = composer(as_(agent), complaint, tab="reply")
    assert f"Dear Ron, Anna Agent here about #{complaint.pk}." in page
    assert "Theirs" not in page


def test_a_variable_that_means_nothing_is_refused_at_its_field(as_: As, agent: User) -> None:
    typed = {"name": "Hi", "text": "Hi {{ surname }}", "owner": agent.pk, "is_active": "on"}
    page = as_(agent).post("/saved-replies/new/", typed)
    assert page.status_code == 422
    assert "Unknown variable {{ surname }}." in page.content.decode()
    as_(agent).post("/saved-replies/new/", typed | {"text": "Hi {{ name }}"})
    assert SavedReply.objects.get().text == "Hi {{ name }}"


def test_others_may_use_a_saved_reply_but_not_change_it(
    as_: As, agent: User, teammate: User, supervisor: User
) -> None:
    row = SavedReply.objects.create(name="Hi", text="Hi", owner=agent)
    link = f'href="{row.get_absolute_url()}"'
    for user, may_change in ((teammate, False), (agent, True), (supervisor, True)):
        page = as_(user).get("/saved-replies/").content.decode()
        assert "Hi" in page
        assert (link in page) is may_change
        status = as_(user).get(row.get_absolute_url()).status_code
        assert status == (200 if may_change else 403)


def test_a_lead_may_change_the_saved_replies_of_the_department(
    as_: As, agent: User, lead: User, teammate: User, service: Department
) -> None:
    row = SavedReply.objects.create(name="Hi", text="Hi", owner=agent, department=service)
    link = f'href="{row.get_absolute_url()}"'
    assert link in as_(lead).get("/saved-replies/").content.decode()
    assert as_(lead).get(row.get_absolute_url()).status_code == 200
    assert link not in as_(teammate).get("/saved-replies/").content.decode()


def test_readers_are_offered_no_new_saved_reply(as_: As, agent: User, reader: User) -> None:
    new = 'href="/saved-replies/new/"'
    assert new in as_(agent).get("/saved-replies/").content.decode()
    assert new not in as_(reader).get("/saved-replies/").content.decode()


@given(st.text(), st.sampled_from(VARIABLES), st.text())
def test_known_variables_are_replaced_and_all_else_stays(
    before: str, name: str, value: str
) -> None:
    before = before.replace("{", "(").replace("}", ")")
    text = f"{before}{{{{ {name} }}}}{{{{ other }}}}"
    assert fill_in(text, {name: value}) == f"{before}{value}{{{{ other }}}}"
    assert unknown_variables(text) == ["other"]


def test_an_undone_private_answer_comes_back_as_a_private_one(
    as_: As, agent: User, complaint: Case, microblog: Account
) -> None:
    client, profile = as_(agent), complaint.profile_id
    place = f"{microblog.pk}:{profile}:private"
    typed = {"text": "Your booking X1", "place": place, "seen": complaint.last_inbound_id}
    typed["form"] = "6f2c0e0e-0f4e-4f6e-9c53-0c6c4a1d2b3e"
    client.post(reverse("responses:reply", args=[complaint.pk]), typed)
    client.post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    page = composer(client, complaint, tab="reply")
    radio = page.partition(f'value="{place}"')[2].partition(">")[0]
    assert "checked" in radio


def test_a_keep_that_its_own_sending_overtook_brings_nothing_back(
    as_: As, agent: User, complaint: Case, microblog: Account
) -> None:
    client = as_(agent)
    place = f"{microblog.pk}:{complaint.profile_id}:public"
    form = "6f2c0e0e-0f4e-4f6e-9c53-0c6c4a1d2b3e"
    typed = {"text": "We are sorry.", "place": place, "seen": complaint.last_inbound_id}
    client.post(reverse("responses:reply", args=[complaint.pk]), typed | {"form": form})
    late = keep(client, complaint, "We are sorry.", place=place, form=form)
    assert late.status_code == 204
    assert not Draft.objects.exists()


def test_an_answer_is_stopped_though_they_wrote_again_after_noise(
    answer: Callable[..., Response],
    complaint: Case,
    hear: Callable[..., Case],
    agent: User,
    as_: As,
) -> None:
    """A reply can be undone although its case was closed as noise and the customer wrote again.

    The new message is in a new case. The delivery is cancelled, and the old case stays closed as
    noise. Fails if the undo also tries to reopen the old case. Reopening is refused here, so the
    whole undo fails and the reply is sent.
    """
    response = answer()
    complaint.set_aside(by=agent)
    first = complaint.last_inbound
    assert first
    fresh = hear("Hello?", thread_key=first.key, in_reply_to=first.key)
    assert fresh.continues == complaint
    as_(agent).post(reverse("responses:cancel", args=[response.pk]))
    assert response.deliveries.get().state == "cancelled"
    assert Case.objects.get(pk=complaint.pk).status == "noise"
