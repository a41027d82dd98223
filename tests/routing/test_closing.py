"""Done needs a decision for each unanswered message; an undo withdraws these decisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Interaction, User
from routing.answering import count_as_answered
from routing.models import Case, DoneReason, ItemDecision
from routing.models.closing import Undecided
from routing.unanswered import unanswered
from routing.undo import restore, snapshot

As = Callable[[User], Client]
Say = Callable[..., Interaction]
DESK = {"HX-Request": "true", "HX-Target": "open"}


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def decided(case: Case) -> list[tuple[str, str, str]]:
    rows = case.item_decisions.current().order_by("interaction").select_related("interaction")
    return [(row.interaction.text, row.outcome, row.reason) for row in rows]


def field(item: Interaction) -> str:
    return f"item_{item.pk}"


def test_done_is_refused_without_a_reason_and_the_form_asks_for_it(
    as_: As, agent: User, case: Case
) -> None:
    """Fails on the old behaviour: a case was closed without a word about its message."""
    page = as_(agent).post(f"/cases/{case.pk}/done/", {"seen": case.last_inbound_id})
    assert page.status_code == 409
    assert "1 message is unanswered. Choose why it needs no answer." in html(page)
    assert Case.objects.get(pk=case.pk).status == "new"
    assert not ItemDecision.objects.exists()


def test_nothing_is_preselected_and_the_reasons_have_number_keys(
    as_: As, agent: User, case: Case
) -> None:
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    form = page.partition(f'action="/cases/{case.pk}/done/"')[2].partition("</form>")[0]
    assert "“My bag is gone”" in form
    assert "checked" not in form
    words = re.sub(r"<[^>]+>|\s+", " ", form)
    reasons = r"(\d) +(Thanks|No question|Answered elsewhere|Not our responsibility|Other)"
    assert re.findall(reasons, words) == [
        ("1", "Thanks"),
        ("2", "No question"),
        ("3", "Answered elsewhere"),
        ("4", "Not our responsibility"),
        ("5", "Other"),
    ]


def test_each_message_gets_its_own_reason(as_: As, agent: User, case: Case, say: Say) -> None:
    first, second = case.last_inbound, say("Nice weather today")
    assert first
    typed = {"seen": second.pk, field(first): "Answered elsewhere", field(second): "No question"}
    as_(agent).post(f"/cases/{case.pk}/done/", typed)
    assert Case.objects.get(pk=case.pk).status == "done"
    assert decided(case) == [
        ("My bag is gone", "no reply", "Answered elsewhere"),
        ("Nice weather today", "no reply", "No question"),
    ]


def test_one_reason_can_be_given_to_all_the_others(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    first, second, third = case.last_inbound, say("One"), say("Two")
    assert first
    typed = {"seen": third.pk, field(second): "Thanks", "every": "Not our responsibility"}
    as_(agent).post(f"/cases/{case.pk}/done/", typed)
    assert [reason for _text, _outcome, reason in decided(case)] == [
        "Not our responsibility",
        "Thanks",
        "Not our responsibility",
    ]


def test_one_message_without_a_reason_keeps_the_case_open(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    second = say("And my coat")
    typed = {"seen": second.pk, field(second): "Thanks"}
    assert as_(agent).post(f"/cases/{case.pk}/done/", typed).status_code == 409
    assert decided(case) == []


@pytest.mark.parametrize("reason", ["Bored", "thanks ", "1"])
def test_only_reasons_of_the_list_are_accepted(
    as_: As, agent: User, case: Case, reason: str
) -> None:
    typed = {"seen": case.last_inbound_id, "every": reason}
    assert as_(agent).post(f"/cases/{case.pk}/done/", typed).status_code == 422


def test_after_our_answer_done_is_one_click(as_: As, agent: User, case: Case) -> None:
    count_as_answered(case, at=timezone.now(), seen=case.last_inbound_id, answered_by=None)
    client = as_(agent)
    page = html(client.get(f"/cases/{case.pk}/"))
    assert "data-decide" not in page.partition('id="open"')[2]
    client.post(f"/cases/{case.pk}/done/", {"seen": case.last_inbound_id})
    assert Case.objects.get(pk=case.pk).status == "done"


def test_undo_of_done_withdraws_its_decisions_and_no_others(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    count_as_answered(case, at=timezone.now(), seen=case.last_inbound_id, answered_by=None)
    last = say("And my coat", in_reply_to="post-1")
    client = as_(agent)
    typed = {"seen": last.pk, "every": "No question"}
    answer = client.post(f"/cases/{case.pk}/done/", typed, headers=DESK)
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    client.post("/undo/", {"how": how})
    assert decided(case) == [("My bag is gone", "answered", "")]
    assert [item.text for item in unanswered([case.pk])] == ["And my coat"]


def test_noise_is_a_judgement_of_the_messages(agent: User, case: Case, say: Say) -> None:
    """A message after noise is new work, with the chip "marked as noise before", and undo works."""
    before = snapshot(case)
    case.set_aside(by=agent, why="A bot")
    assert decided(case) == [("My bag is gone", "noise", "")]
    restore(case, before, after=snapshot(case), by=agent)
    assert decided(case) == []
    case.set_aside(by=agent, why="A bot")
    again = say("A real question", in_reply_to="post-1")
    fresh = Case.objects.get(last_inbound=again)
    assert fresh.was_set_aside
    assert [item.text for item in unanswered([fresh.pk])] == ["A real question"]


def test_a_withdrawn_closing_leaves_earlier_answers_alone(agent: User, case: Case) -> None:
    case.finish(by=agent, seen=case.last_inbound_id, is_answered=True)
    assert decided(case) == [("My bag is gone", "answered", "")]
    case.reopen(by=agent, why="The sending of the answer was undone.")
    assert decided(case) == []


def test_reopening_makes_the_messages_of_the_closing_unanswered_again(
    agent: User, case: Case, say: Say
) -> None:
    count_as_answered(case, at=timezone.now(), seen=case.last_inbound_id, answered_by=None)
    last = say("And my coat", in_reply_to="post-1")
    case.refresh_from_db()
    case.finish(by=agent, seen=last.pk, reasons="Thanks")
    case.reopen(by=agent, why="They called.")
    assert [item.text for item in unanswered([case.pk])] == ["And my coat"]
    with pytest.raises(Undecided):
        case.finish(by=agent, seen=last.pk, reasons={})


# The list of reasons


def test_an_admin_edits_the_reasons_and_old_decisions_keep_theirs(
    as_: As, admin: User, agent: User, case: Case
) -> None:
    case.finish(by=agent, seen=case.last_inbound_id, reasons="Thanks")
    client = as_(admin)
    assert "Answered elsewhere" in html(client.get("/done-reasons/"))
    client.post("/done-reasons/", {"labels": "Compliment\n\n  Joke \nJoke"})
    assert DoneReason.objects.labels() == ["Compliment", "Joke"]
    assert decided(case)[0][2] == "Thanks"


@pytest.mark.parametrize("labels", ["", " \n ", "\n".join(map(str, range(10))), "x" * 61])
def test_a_bad_list_of_reasons_is_refused_in_words(as_: As, admin: User, labels: str) -> None:
    page = as_(admin).post("/done-reasons/", {"labels": labels})
    assert page.status_code == 422
    assert "errorlist" in html(page)
    assert not DoneReason.objects.exists()
