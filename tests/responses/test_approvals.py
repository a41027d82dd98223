from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.models import Department, Interaction, Membership, Notice, User
from responses import release
from responses.models import Response, ResponseRule
from responses.views import lookup
from routing.models import Case, Issue

As = Callable[[User], Client]


def url(name: str, response: Response) -> str:
    return reverse(f"responses:{name}", args=[response.pk])


def signed(response: Response) -> dict[str, str]:
    return {"shown": response.content_hash}


def changed(response: Response, text: str, **more: Any) -> dict[str, Any]:
    response.case.refresh_from_db()
    return signed(response) | {
        "seen": response.case.last_inbound_id, "text": text, "then": "send"
    } | more  # fmt: skip


def test_a_lead_sees_what_is_held_and_why(held: Response, lead: User, as_: As) -> None:
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "We are so sorry." in page
    assert "needs a second pair of eyes" in page


@pytest.mark.parametrize("who", ["agent", "teammate", "outsider", "reader"])
def test_nobody_else_sees_the_queue(
    held: Response, who: str, request: pytest.FixtureRequest, as_: As
) -> None:
    page = as_(request.getfixturevalue(who)).get(reverse("responses:approvals")).content.decode()
    assert "We are so sorry." not in page


@pytest.mark.parametrize("who", ["lead", "supervisor", "admin"])
def test_an_approval_lets_it_go(
    held: Response, who: str, request: pytest.FixtureRequest, as_: As
) -> None:
    by = request.getfixturevalue(who)
    as_(by).post(url("approve", held), signed(held))
    held.refresh_from_db()
    assert (held.state, not held.approval_request.next_step, held.approvals.get().by) == (
        "released",
        True,
        by,
    )


def test_who_was_asked_to_sign_is_asked_no_more(lead: User, held: Response, as_: As) -> None:
    """When a user approves a response, their notice about the response is marked as read.

    The page then says that the response is being sent.
    """
    asked = Notice.objects.filter(user=lead, kind="to approve")
    assert asked.unread().count() == 1
    said = as_(lead).post(url("approve", held), signed(held), follow=True).content.decode()
    assert "Approved. The text is being sent." in said
    assert (asked.count(), asked.unread().count()) == (1, 0)


def test_members_who_may_see_it_may_not_approve_it(
    held: Response, agent: User, teammate: User, reader: User, as_: As
) -> None:
    for user in (agent, teammate, reader):
        assert as_(user).post(url("approve", held), signed(held)).status_code == 403
        assert as_(user).post(url("send_back", held), {"reason": "no"}).status_code == 403
    held.refresh_from_db()
    assert held.state == "held"


@pytest.mark.parametrize("name", ["approve", "send_back", "edit", "send", "cancel"])
def test_another_department_gets_404(held: Response, outsider: User, as_: As, name: str) -> None:
    assert as_(outsider).post(url(name, held), signed(held)).status_code == 404


def test_nobody_approves_their_own(
    make_rule: Callable[..., ResponseRule],
    answer: Callable[..., Response],
    lead: User,
    supervisor: User,
    as_: As,
) -> None:
    make_rule("sorry")
    own = answer(by=supervisor)
    page = as_(supervisor).post(url("approve", own), signed(own))
    assert page.status_code == 422
    assert "You cannot approve your own text" in page.content.decode()
    own.refresh_from_db()
    assert own.state == "held"


def test_the_only_lead_approves_their_own_and_it_is_recorded(
    make_rule: Callable[..., ResponseRule],
    answer: Callable[..., Response],
    lead: User,
    as_: As,
) -> None:
    make_rule("sorry")
    own = answer(by=lead)
    browser = as_(lead)
    assert "I am the only team lead" in browser.get(reverse("responses:approvals")).content.decode()
    browser.post(url("approve", own), signed(own))
    own.refresh_from_db()
    assert (own.state, own.approvals.get().self_approved) == ("released", True)


def test_one_of_two_leads_does_not_approve_their_own(
    make_rule: Callable[..., ResponseRule],
    answer: Callable[..., Response],
    lead: User,
    teammate: User,
    as_: As,
) -> None:
    Membership.objects.filter(user=teammate).update(role="lead")
    make_rule("sorry")
    own = answer(by=lead)
    assert as_(lead).post(url("approve", own), signed(own)).status_code == 422


def test_words_that_changed_since_are_not_signed(
    held: Response, lead: User, agent: User, as_: As
) -> None:
    """An approval is refused if the text was changed after the approver had opened the page.

    Fails if the form does not contain the content hash, because then the lead approves a text that
    the page never showed.
    """
    shown = signed(held)
    held.edit(text="We are sorry, here is 1,000,000.", by=agent)
    release.send(held, by=agent)
    page = as_(lead).post(url("approve", held), shown)
    assert page.status_code == 409
    assert "1,000,000" in page.content.decode()
    held.refresh_from_db()
    assert held.state == "held"


def test_a_second_approval_is_told_that_it_came_late(
    held: Response, lead: User, supervisor: User, as_: As
) -> None:
    as_(lead).post(url("approve", held), signed(held))
    assert as_(supervisor).post(url("approve", held), signed(held)).status_code == 409
    assert held.approvals.count() == 1


def test_sending_back_needs_a_reason_and_gives_a_draft_to_the_author(
    held: Response, agent: User, lead: User, as_: As
) -> None:
    assert as_(lead).post(url("send_back", held), {"reason": " "}).status_code == 422
    as_(lead).post(url("send_back", held), {"reason": "Say what we will do."})
    held.refresh_from_db()
    assert held.state == "draft"
    browser = as_(agent)
    said = reverse("responses:case_responses", args=[held.case_id])
    assert "Say what we will do." in browser.get(said).content.decode()
    assert "Say what we will do." in browser.get(url("edit", held)).content.decode()
    drafts = browser.get(reverse("responses:history"), {"state": "draft"}).content.decode()
    assert "We are so sorry." in drafts


def test_the_author_edits_a_draft_and_sends_it_again(
    held: Response, agent: User, lead: User, as_: As
) -> None:
    release.send_back(held, by=lead, why="Shorter.")
    browser = as_(agent)
    browser.post(url("edit", held), changed(held, "We pay.", then="draft"))
    held.refresh_from_db()
    assert (held.state, held.text) == ("draft", "We pay.")
    browser.post(url("send", held), signed(held) | {"seen": held.case.last_inbound_id})
    held.refresh_from_db()
    assert held.state == "released"


def test_editing_a_held_text_voids_its_place_in_the_queue(
    held: Response, agent: User, lead: User, as_: As
) -> None:
    as_(agent).post(url("edit", held), changed(held, "Still sorry.", then="draft"))
    held.refresh_from_db()
    assert held.state == "draft"
    assert as_(lead).post(url("approve", held), signed(held)).status_code == 409


def test_an_approver_edits_and_approves_and_both_names_are_kept(
    held: Response, agent: User, lead: User, as_: As
) -> None:
    as_(lead).post(url("edit", held), changed(held, "Deeply sorry."))
    held.refresh_from_db()
    assert (held.state, held.text, held.author) == ("released", "Deeply sorry.", agent)
    signed_by = held.approvals.get()
    assert (signed_by.by, signed_by.reason) == (lead, "Edited by Lea Lead.")
    assert held.case.events.filter(by=lead, why__contains="changed the text of Anna").exists()


def test_an_edit_that_a_rule_refuses_changes_nothing_and_keeps_what_was_typed(
    held: Response, make_rule: Callable[..., ResponseRule], lead: User, as_: As
) -> None:
    make_rule("never", "refuse", reason="Do not say never.")
    page = as_(lead).post(url("edit", held), changed(held, "never again"))
    assert page.status_code == 422
    assert "Do not say never." in page.content.decode()
    assert "never again" in page.content.decode()
    held.refresh_from_db()
    assert (held.state, held.text) == ("held", "We are so sorry.")


def test_a_blank_edit_is_an_error_at_the_field(held: Response, agent: User, as_: As) -> None:
    page = as_(agent).post(url("edit", held), changed(held, "", subject="Kept"))
    assert page.status_code == 422
    assert "text" in page.context["form"].errors
    assert "Kept" in page.content.decode()


def test_an_edit_over_a_colleagues_edit_is_stale_and_keeps_what_was_typed(
    held: Response, agent: User, lead: User, as_: As
) -> None:
    typed, browser = changed(held, "My version"), as_(lead)
    held.edit(text="Her version", by=agent)
    page = browser.post(url("edit", held), typed)
    assert page.status_code == 409
    assert "My version" in page.content.decode()
    again = typed | {"shown": page.context["form"]["shown"].value()}
    assert browser.post(url("edit", held), again).status_code == 302
    held.refresh_from_db()
    assert held.text == "My version"


def test_a_draft_is_not_sent_past_what_they_wrote_since(
    held: Response, agent: User, lead: User, thanks: Callable[[str], Interaction], as_: As
) -> None:
    release.send_back(held, by=lead, why="Shorter.")
    seen = held.case.last_inbound_id
    thanks("forget it, all is well")
    page = as_(agent).post(url("send", held), signed(held) | {"seen": seen})
    assert page.status_code == 409
    held.refresh_from_db()
    assert held.state == "draft"


def test_what_left_cannot_be_edited_or_undone(
    answer: Callable[..., Response], complaint: Case, agent: User, as_: As
) -> None:
    response = answer()
    response.deliveries.update(state="sending")
    browser = as_(agent)
    page = browser.post(url("edit", response), changed(response, "Other words"))
    assert page.status_code == 409
    assert "Other words" in page.content.decode()
    browser.post(url("cancel", response))
    response.refresh_from_db()
    assert (response.state, response.text) == ("released", "We are so sorry.")


def test_readers_may_not_edit_or_cancel(held: Response, reader: User, as_: As) -> None:
    for name in ("edit", "send", "cancel"):
        assert as_(reader).post(url(name, held), changed(held, "x")).status_code == 403


def test_an_author_no_longer_reads_what_became_restricted(
    held: Response, agent: User, lead: User, sales: Department, as_: As
) -> None:
    """An author can no longer read a case that was transferred to a restricted department.

    Fails if the pages of the response show the text of the case without a check of access.
    """
    browser = as_(agent)
    assert "threw me off" in browser.get(url("edit", held)).content.decode()
    sales.is_restricted = True
    sales.save()
    held.case.transfer(to=sales, by=lead, why="A matter for them")
    assert browser.get(url("edit", held)).status_code == 403
    assert "threw me off" not in browser.get(held.get_absolute_url()).content.decode()
    approvals = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "threw me off" not in approvals


def _leave(response: Response, sales: Department) -> None:
    response.author.memberships.all().delete()


def _hand_over(response: Response, sales: Department) -> None:
    assert response.case
    response.case.transfer(to=sales, by=response.author, why="Theirs")


def _become_reader(response: Response, sales: Department) -> None:
    response.author.memberships.update(role="reader")


def _state_to_all_and_leave(response: Response, sales: Department) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=response.author)
    Response.objects.filter(pk=response.pk).update(case=None, issue=issue)
    response.author.memberships.update(role="reader")


@pytest.mark.parametrize(
    "lose_rights", [_leave, _hand_over, _become_reader, _state_to_all_and_leave]
)
def test_an_author_who_lost_the_rights_sends_and_changes_nothing(
    held: Response, lead: User, sales: Department, as_: As, lose_rights: Callable[..., None]
) -> None:
    """An author who has lost their rights can neither send, edit nor cancel their response.

    Fails if the code checks only that the user is the author.
    """
    release.send_back(held, by=lead, why="Shorter.")
    typed = changed(held, "We pay.")
    lose_rights(held, sales)
    browser = as_(held.author)
    for name in ("send", "edit", "cancel"):
        assert browser.post(url(name, held), typed).status_code == 403
    held.refresh_from_db()
    assert (held.state, held.text) == ("draft", "We are so sorry.")


def test_the_author_of_a_statement_without_a_case_sends_it(
    held: Response, lead: User, as_: As
) -> None:
    release.send_back(held, by=lead, why="Shorter.")
    held.edit(text="We pay.", by=held.author)
    issue = Issue.objects.create(name="Seat policy", owner=lead)
    Response.objects.filter(pk=held.pk).update(case=None, issue=issue)
    as_(held.author).post(url("send", held), signed(held))
    held.refresh_from_db()
    assert held.state == "released"


def test_who_may_no_longer_change_it_is_not_offered_to(
    held: Response, lead: User, sales: Department, as_: As
) -> None:
    page = reverse("responses:case_responses", args=[held.case_id])
    stop, edit = url("cancel", held), url("edit", held)
    browser = as_(held.author)
    assert stop in browser.get(page).content.decode()
    _hand_over(held, sales)
    assert stop not in browser.get(page).content.decode()
    release.send_back(held, by=lead, why="Shorter.")
    assert edit not in browser.get(page).content.decode()


def test_an_endless_number_is_no_sign_of_having_read(held: Response, lead: User, as_: As) -> None:
    """If the form field `seen` contains 5,000 digits, the request is refused with status 409.

    Fails if `int()` is called with the posted value, because then the request ends with status 500.
    """
    release.send_back(held, by=lead, why="Shorter.")
    assert (
        as_(held.author).post(url("send", held), signed(held) | {"seen": "9" * 5000}).status_code
        == 409
    )


@pytest.mark.parametrize("who", ["lead", "supervisor"])
def test_the_queue_asks_as_little_for_thirteen_as_for_three(
    answer_many: Callable[..., list[Response]],
    make_rule: Callable[..., ResponseRule],
    who: str,
    request: pytest.FixtureRequest,
    as_: As,
) -> None:
    """The page with thirteen held responses makes as many SQL queries as the page with three.

    Fails if the content hash and the right to approve are queried for each row.
    """
    make_rule("sorry")
    by, asked = request.getfixturevalue(who), []
    browser = as_(by)
    for theirs, own in ((2, 1), (5, 5)):
        answer_many(theirs)
        answer_many(own, by=by)
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("responses:approvals"))
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_queue_ends_after_a_hundred_and_says_how_many_wait(
    answer_many: Callable[..., list[Response]],
    make_rule: Callable[..., ResponseRule],
    lead: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookup, "MAX_ROWS", 2)
    make_rule("sorry")
    first, second, third = answer_many(3)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert page.index(url("approve", first)) < page.index(url("approve", second))
    assert url("approve", third) not in page
    assert "… and 1 more" in page
