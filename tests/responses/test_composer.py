from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Contact, Interaction, Profile, User
from responses.models import Delivery, Response, ResponseRule
from responses.release import send_back
from routing.models import Case, Decision, Issue

As = Callable[[User], Client]


def form(case: Case, **typed: Any) -> dict[str, Any]:
    """Return the data that a browser posts from the reply tab of a case.

    The keyword arguments replace single fields.
    """
    case.refresh_from_db()
    account, profile = Account.objects.get(name="@SkywardAir"), case.profile
    fields = {
        "form": uuid.uuid4(),
        "seen": case.last_inbound_id,
        "place": f"{account.pk}:{profile.pk}:public",
        "text": "We are so sorry.",
    }
    return fields | typed


def url(name: str, case: Case) -> str:
    return reverse(f"responses:{name}", args=[case.pk])


def test_it_offers_every_way_to_answer_this_person(complaint: Case, agent: User, as_: As) -> None:
    page = as_(agent).get(url("composer", complaint)).content.decode()
    assert "Reply publicly as @SkywardAir to @roncalder" in page
    assert "Message privately as @SkywardAir to @roncalder" in page


def shown(case: Case, user: User, as_: As, tab: str = "reply") -> dict[str, Any]:
    """Return what the composer shows of the case, as its form submits it."""
    page = as_(user).get(url("composer", case), {"tab": tab}).context["form"]
    return {"seen": page["seen"].value(), "shown": page["shown"].value()}


@pytest.mark.parametrize("verb", ["done", "noise"])
def test_a_reply_to_a_case_that_a_colleague_closed_meanwhile_is_refused_once(
    complaint: Case, agent: User, teammate: User, as_: As, verb: str
) -> None:
    """The text is kept, and the same button sends it then: the author knows that it reopens.

    Before, the reply was sent at once and reopened the case without a word.
    """
    typed = form(complaint, **shown(complaint, agent, as_))
    if verb == "done":
        complaint.finish(by=teammate, seen=complaint.last_inbound_id, reasons="No question")
    else:
        complaint.set_aside(by=teammate)
    client = as_(agent)
    answer = client.post(url("reply", complaint), typed, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Theo Teammate closed this case. Nothing was sent. An answer reopens it." in page
    assert "We are so sorry." in page
    assert not Response.objects.exists()
    typed |= shown_again(answer)
    assert client.post(url("reply", complaint), typed).status_code == 302
    assert Response.objects.get().text == "We are so sorry."


def shown_again(answer: Any) -> dict[str, Any]:
    again = answer.context["form"]
    return {name: again[name].value() for name in ("form", "seen", "shown")}


def test_a_reply_after_the_reply_of_a_colleague_is_refused_once_and_shows_it(
    complaint: Case, agent: User, teammate: User, as_: As
) -> None:
    typed = form(complaint, **shown(complaint, agent, as_))
    sent = form(complaint, **shown(complaint, teammate, as_), text="A voucher is on its way.")
    assert as_(teammate).post(url("reply", complaint), sent).status_code == 302
    answer = as_(agent).post(url("reply", complaint), typed)
    assert answer.status_code == 409
    assert "Theo Teammate has already answered this case: “A voucher" in answer.content.decode()
    typed |= shown_again(answer)
    assert as_(agent).post(url("reply", complaint), typed).status_code == 302
    assert Response.objects.count() == 2


def test_an_answer_of_a_colleague_that_waits_for_approval_is_no_answer_yet(
    complaint: Case, agent: User, teammate: User, as_: As, make_rule: Callable[..., ResponseRule]
) -> None:
    """Fails if the page says that the colleague answered the case."""
    make_rule("voucher")
    typed = form(complaint, **shown(complaint, agent, as_))
    other = form(complaint, **shown(complaint, teammate, as_), text="A voucher is on its way.")
    as_(teammate).post(url("reply", complaint), other)
    assert Response.objects.get().state == "held"
    page = as_(agent).post(url("reply", complaint), typed).content.decode()
    told = "Theo Teammate has already written an answer, which waits for approval: “A voucher"
    assert told in page
    assert "already answered this case" not in page


def test_an_answer_of_a_colleague_that_is_a_draft_again_does_not_stop_another(
    complaint: Case, agent: User, teammate: User, lead: User, as_: As,
    make_rule: Callable[..., ResponseRule],
) -> None:  # fmt: skip
    make_rule("voucher")
    typed = form(complaint, **shown(complaint, agent, as_))
    other = form(complaint, **shown(complaint, teammate, as_), text="A voucher is on its way.")
    as_(teammate).post(url("reply", complaint), other)
    send_back(Response.objects.get(), by=lead, why="No vouchers.")
    assert as_(agent).post(url("reply", complaint), typed).status_code == 302


def test_a_case_that_the_form_showed_as_closed_can_be_answered(
    complaint: Case, agent: User, as_: As
) -> None:
    complaint.finish(by=agent, seen=complaint.last_inbound_id, reasons="No question")
    typed = form(complaint, **shown(complaint, agent, as_))
    assert as_(agent).post(url("reply", complaint), typed).status_code == 302


def test_a_post_about_a_case_that_was_closed_meanwhile_is_refused_once(
    complaint: Case, agent: User, teammate: User, as_: As
) -> None:
    account = Account.objects.get(name="@SkywardAir")
    typed = form(complaint, accounts=account.pk, **shown(complaint, agent, as_, "statement"))
    complaint.finish(by=teammate, seen=complaint.last_inbound_id, reasons="No question")
    answer = as_(agent).post(url("statement", complaint), typed)
    assert answer.status_code == 409
    typed |= shown_again(answer)
    assert as_(agent).post(url("statement", complaint), typed).status_code == 302


@pytest.mark.parametrize("shown", ["", "7", "a.b", "1.2.3", "9" * 40 + ".1"])
def test_odd_values_of_what_was_shown_do_not_break_a_reply(
    complaint: Case, agent: User, as_: As, shown: str
) -> None:
    answer = as_(agent).post(url("reply", complaint), form(complaint, shown=shown))
    assert answer.status_code == 302


def test_it_is_a_partial_for_htmx_and_a_page_for_the_rest(
    complaint: Case, agent: User, as_: As
) -> None:
    browser = as_(agent)
    assert b"<html" in browser.get(url("composer", complaint)).content
    partial = browser.get(url("composer", complaint), headers={"HX-Request": "true"}).content
    assert b"<html" not in partial
    assert b'id="composing"' in partial


@pytest.mark.parametrize("tab", ["reply", "statement", "by-hand", "note", "nothing", "no such tab"])
def test_every_tab_opens(complaint: Case, agent: User, as_: As, tab: str) -> None:
    assert as_(agent).get(url("composer", complaint), {"tab": tab}).status_code == 200


def test_a_reply_is_released_and_can_be_undone(complaint: Case, agent: User, as_: As) -> None:
    browser = as_(agent)
    done = browser.post(url("reply", complaint), form(complaint))
    assert (done.status_code, done["Location"]) == (302, complaint.get_absolute_url())
    response = Response.objects.get()
    assert (response.state, response.visibility, response.author) == ("released", "public", agent)
    assert response.deliveries.get().outgoing.in_reply_to == complaint.last_inbound.key
    said = browser.get(url("case_responses", complaint)).content.decode()
    assert "Queued" in said
    browser.post(reverse("responses:cancel", args=[response.pk]))
    response.refresh_from_db()
    assert (response.state, response.deliveries.get().state) == ("cancelled", "cancelled")


def test_a_private_message_is_not_sent_into_the_public_thread(
    complaint: Case, agent: User, as_: As
) -> None:
    typed = form(complaint)
    typed["place"] = typed["place"].replace("public", "private")
    as_(agent).post(url("reply", complaint), typed)
    delivery = Delivery.objects.get()
    assert delivery.outgoing.visibility == "private"
    assert delivery.conversation is None


def test_a_public_reply_never_answers_a_private_message(
    complaint: Case, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    tweet = complaint.last_inbound
    assert hear("this is between us", visibility="private", thread_key="dm") == complaint
    as_(agent).post(url("reply", complaint), form(complaint, publicly="on"))
    assert Response.objects.get().in_reply_to == tweet


def test_a_blank_text_is_an_error_at_the_field_and_nothing_is_lost(
    complaint: Case, agent: User, as_: As
) -> None:
    typed = form(complaint, text="", subject="Your flight")
    page = as_(agent).post(url("reply", complaint), typed)
    assert page.status_code == 422
    assert "text" in page.context["form"].errors
    assert "Your flight" in page.content.decode()
    assert str(typed["form"]) in page.content.decode()


def test_a_text_that_is_too_long_for_its_account_is_refused_at_the_field(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    microblog.config = {"max_length": 10}
    microblog.save()
    page = as_(agent).post(url("reply", complaint), form(complaint, text="much too long a text"))
    assert page.status_code == 422
    assert "the limit of @SkywardAir is 10" in page.content.decode()
    assert "much too long a text" in page.content.decode()


def test_a_refusal_is_shown_in_the_words_of_the_rule_with_the_text_kept(
    complaint: Case, make_rule: Callable[..., ResponseRule], agent: User, as_: As
) -> None:
    make_rule("passport", "refuse", reason="Never write passport numbers.")
    page = as_(agent).post(url("reply", complaint), form(complaint, text="Your passport is 123"))
    assert page.status_code == 422
    assert "Never write passport numbers." in page.content.decode()
    assert "Your passport is 123" in page.content.decode()
    assert not Response.objects.exists()
    assert not Decision.objects.exists()


def test_a_held_reply_says_why(
    complaint: Case, make_rule: Callable[..., ResponseRule], agent: User, as_: As
) -> None:
    make_rule("refund", reason="Refunds are for leads.")
    browser = as_(agent)
    browser.post(url("reply", complaint), form(complaint, text="You get a refund"))
    assert Response.objects.get().state == "held"
    said = browser.get(url("case_responses", complaint)).content.decode()
    assert "Held for approval by a team lead: Refunds are for leads." in said


def test_what_came_meanwhile_is_shown_and_the_second_press_sends(
    complaint: Case, thanks: Callable[[str], Interaction], agent: User, as_: As
) -> None:
    typed, browser = form(complaint), as_(agent)
    thanks("and you lost my bag too")
    page = browser.post(url("reply", complaint), typed)
    assert page.status_code == 409
    assert "and you lost my bag too" in page.content.decode()
    assert "We are so sorry." in page.content.decode()
    assert not Response.objects.exists()
    again = typed | {"seen": page.context["form"]["seen"].value()}
    assert browser.post(url("reply", complaint), again).status_code == 302
    assert Response.objects.get().state == "released"


def test_the_same_form_again_shows_the_first_result_even_after_news(
    complaint: Case, thanks: Callable[[str], Interaction], agent: User, as_: As
) -> None:
    typed, browser = form(complaint), as_(agent)
    first = browser.post(url("reply", complaint), typed)
    thanks("thank you")
    second = browser.post(url("reply", complaint), typed)
    assert (first.status_code, second.status_code) == (302, 302)
    assert Response.objects.get().text == "We are so sorry."


def test_the_same_form_with_other_words_is_refused_and_the_words_are_kept(
    complaint: Case, agent: User, as_: As
) -> None:
    typed, browser = form(complaint), as_(agent)
    browser.post(url("reply", complaint), typed)
    page = browser.post(url("reply", complaint), typed | {"text": "changed"})
    assert page.status_code == 409
    assert "changed" in page.content.decode()
    assert Response.objects.get().text == "We are so sorry."


def test_the_desk_is_told_that_the_case_is_off_the_table(
    complaint: Case, agent: User, as_: As
) -> None:
    headers = {"HX-Request": "true"}
    done = as_(agent).post(url("reply", complaint), form(complaint), headers=headers)
    assert json.loads(done["HX-Trigger"])["case-finished"] == {"id": complaint.pk}
    assert "is sent in" in done.content.decode()


def test_the_timeline_says_that_a_reply_was_written(complaint: Case, agent: User, as_: As) -> None:
    browser = as_(agent)
    browser.post(url("reply", complaint), form(complaint))
    page = browser.get(complaint.get_absolute_url()).content.decode()
    assert "Wrote a reply" in page
    assert "Reply to one (micro)" not in page


def test_a_statement_speaks_to_all_and_can_correct_an_earlier_one(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    complaint.group(Issue.objects.create(name="Seat policy", owner=agent), by=agent)
    fields = {"accounts": [microblog.pk], "subject": "Seats", "text": "We change our policy."}
    browser = as_(agent)
    browser.post(url("statement", complaint), form(complaint) | fields)
    first = Response.objects.get()
    assert (first.audience, first.visibility, first.issue) == ("many", "public", complaint.issue)
    fields |= {"corrects": first.pk, "text": "We change it for all."}
    browser.post(url("statement", complaint), form(complaint) | fields)
    assert Response.objects.latest("pk").corrects == first


def test_a_statement_needs_a_place_to_appear(complaint: Case, agent: User, as_: As) -> None:
    page = as_(agent).post(url("statement", complaint), form(complaint, text="To everyone"))
    assert page.status_code == 422
    assert "Select at least one channel." in page.content.decode()
    assert "To everyone" in page.content.decode()


def test_a_statement_after_news_is_stale(
    complaint: Case, microblog: Account, thanks: Callable[[str], Interaction], agent: User, as_: As
) -> None:
    typed = form(complaint, accounts=[microblog.pk])
    thanks("all is well now")
    assert as_(agent).post(url("statement", complaint), typed).status_code == 409


def test_a_private_only_account_is_not_offered_for_statements(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    microblog.config = {"visibilities": ["private"]}
    microblog.save()
    page = as_(agent).get(url("composer", complaint), {"tab": "statement"}).content.decode()
    assert "has no account for public posts" in page


def test_what_was_said_by_hand_is_written_down_as_sent(
    complaint: Case, agent: User, as_: As
) -> None:
    typed = form(complaint, how="call", text="I told him that we are sorry.")
    as_(agent).post(url("by_hand", complaint), typed)
    delivery = Delivery.objects.select_related("account", "interaction").get()
    assert (delivery.state, delivery.account.kind) == ("sent", "manual")
    assert delivery.interaction.staff == agent
    assert delivery.interaction.conversation in complaint.conversations
    complaint.refresh_from_db()
    assert complaint.status == "waiting"


@pytest.mark.parametrize("seen", ["what they wrote before", "what nobody wrote"])
def test_what_is_written_down_from_an_old_page_does_not_hide_what_they_wrote_since(
    complaint: Case,
    thanks: Callable[[str], Interaction],
    agent: User,
    as_: As,
    seen: str,
) -> None:
    """A call that is logged on an old page does not hide a message that arrived meanwhile.

    The message arrived after the page was loaded. It counts as new, so the case stays open. Fails
    if the newest message of the case counts as seen, or if the value `seen` of the form is not
    checked.
    """
    typed = form(complaint, how="call", text="I told him that we are sorry.")
    thanks("and you lost my bag too")
    if seen == "what nobody wrote":
        typed["seen"] = 10**9
    as_(agent).post(url("by_hand", complaint), typed)
    complaint.refresh_from_db()
    assert (complaint.status, Response.objects.get().seen) == ("open", None)


def test_by_hand_twice_uses_one_account(complaint: Case, agent: User, as_: As) -> None:
    for text in ("first call", "second call"):
        as_(agent).post(url("by_hand", complaint), form(complaint, how="call", text=text))
    assert Account.objects.filter(kind="manual").count() == 1
    assert Response.objects.count() == 2


def test_no_response_needs_a_reason_and_offers_the_last_one_again(
    complaint: Case, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    browser = as_(agent)
    assert browser.post(url("nothing", complaint), form(complaint, why=" ")).status_code == 422
    browser.post(url("nothing", complaint), form(complaint, why="Only a joke"))
    complaint.refresh_from_db()
    assert (complaint.status, Decision.objects.get().why) == ("done", "Only a joke")
    other = hear("hello", handle="@somebody")
    page = browser.get(url("composer", other), {"tab": "nothing"}).content.decode()
    assert "Only a joke" in page


def test_close_without_reply_decides_the_message_and_can_be_undone(
    complaint: Case, agent: User, as_: As
) -> None:
    """Fails on the old behaviour: the message after it offered no undo."""
    browser, before = as_(agent), complaint.status
    typed = form(complaint, why="Only a joke")
    answer = browser.post(url("nothing", complaint), typed, headers={"HX-Request": "true"})
    assert complaint.item_decisions.current().get().reason == "Only a joke"
    how = re.findall(r'name="how" value="([^"]+)"', answer.content.decode())[0]
    browser.post("/undo/", {"how": how})
    complaint.refresh_from_db()
    assert complaint.status == before
    assert not complaint.item_decisions.current()


def test_no_response_after_news_is_stale_and_keeps_the_reason(
    complaint: Case, thanks: Callable[[str], Interaction], agent: User, as_: As
) -> None:
    typed = form(complaint, why="Only a joke")
    thanks("no, I mean it")
    page = as_(agent).post(url("nothing", complaint), typed)
    assert page.status_code == 409
    assert "Only a joke" in page.content.decode()
    assert "no, I mean it" in page.content.decode()
    complaint.refresh_from_db()
    assert complaint.status != "done"


def test_where_no_account_fits_it_offers_to_answer_by_hand(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    microblog.is_active = False
    microblog.save()
    page = as_(agent).get(url("composer", complaint)).content.decode()
    assert "has no account that can reach" in page
    assert "?tab=by-hand" in page


def test_where_no_account_fits_the_text_is_a_draft_and_may_become_a_note(
    complaint: Case, microblog: Account, agent: User, as_: As
) -> None:
    Account.objects.filter(pk=microblog.pk).update(is_active=False)
    client = as_(agent)
    page = client.get(url("composer", complaint)).content.decode()
    assert f'data-draft="case-{complaint.pk}-reply"' in page
    typed = {"text": "Please call him.", "draft_kind": "reply"}
    client.post(url("draft", complaint), typed)
    assert complaint.drafts.get().kind == "reply"
    client.post(url("note", complaint), typed | {"form": str(uuid.uuid4())})
    assert complaint.events.get(kind="noted").why == "Please call him."
    assert not complaint.drafts.exists()


def test_a_contact_can_be_answered_wherever_we_share_a_network(
    complaint: Case, service: Any, agent: User, admin: User, as_: As
) -> None:
    ron = Contact.objects.create(name="Ron Calder")
    mail = Profile.objects.create(network="sandbox.mail", key="ron@calder.example")
    complaint.profile.link_to(ron, by=agent, evidence="said so")
    mail.link_to(ron, by=agent, evidence="said so")
    ours = Account.objects.create(
        kind="sandbox", network="sandbox.mail", self_key="a@b.example", name="Mail", owner=admin,
        config={"visibilities": ["private"]},
    )  # fmt: skip
    service.accounts.add(ours)
    page = as_(agent).get(url("composer", complaint)).content.decode()
    assert "Message privately as Mail to ron@calder.example" in page
    assert "Reply publicly as Mail" not in page


POSTS = ["reply", "statement", "by_hand", "nothing"]


@pytest.mark.parametrize("name", [*POSTS, "composer", "case_responses"])
def test_another_department_gets_404(complaint: Case, outsider: User, as_: As, name: str) -> None:
    browser = as_(outsider)
    ask = browser.post if name in POSTS else browser.get
    assert ask(url(name, complaint)).status_code == 404


def test_readers_may_look_but_not_act(complaint: Case, reader: User, as_: As) -> None:
    browser = as_(reader)
    assert "but not answer it" in browser.get(url("composer", complaint)).content.decode()
    for name in POSTS:
        assert browser.post(url(name, complaint), form(complaint)).status_code == 403
    assert not Response.objects.exists()


def test_an_issue_is_answered_in_the_name_of_a_department(
    service: Any, microblog: Account, agent: User, as_: As
) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=agent)
    address = reverse("responses:issue_statement", args=[issue.pk])
    browser = as_(agent)
    assert browser.get(address).status_code == 200
    typed = {"form": uuid.uuid4(), "accounts": [microblog.pk], "text": "We are looking into it."}
    assert browser.post(address, typed | {"text": ""}).status_code == 422
    assert browser.post(address, typed)["Location"] == issue.get_absolute_url()
    assert Response.objects.get().department == service


def test_a_reader_does_not_speak_about_an_issue(reader: User, admin: User, as_: As) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=admin)
    address = reverse("responses:issue_statement", args=[issue.pk])
    assert as_(reader).get(address).status_code == 403
