"""An action that does not apply to a case is refused, also if no page offers it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import User
from responses.case_verbs import CASE_VERBS
from routing.call_back import plan_call_back
from routing.models import CallBack, Case, CaseEvent, ItemDecision, Mute
from routing.models.status import Stale, Status
from routing.mutes import mute_person_of

As = Callable[[User], Client]
DESK = {"HX-Request": "true", "HX-Target": "open"}


def closed(case: Case, status: str) -> Case:
    Case.objects.filter(pk=case.pk).update(status=status, done_at=timezone.now())
    case.refresh_from_db()
    return case


def post(client: Client, case: Case, name: str, **typed: Any) -> Any:
    url = f"/cases/{case.pk}/{CASE_VERBS[name].path or name}/"
    return client.post(url, {"seen": case.last_inbound_id, **typed}, headers=DESK)


@pytest.mark.parametrize("reason", ["Insults", ""])
def test_the_person_of_a_sensitive_case_is_not_muted(
    as_: As, agent: User, case: Case, reason: str
) -> None:
    """Fails on the old behaviour: the button was hidden, and the request was carried out."""
    Case.objects.update(sensitive="safeguarding")
    answer = post(as_(agent), case, "mute", reason=reason)
    assert answer.status_code == 409
    assert "This case is sensitive. Its person cannot be muted here." in answer.content.decode()
    assert not Mute.objects.exists()


def test_the_verb_itself_refuses_it_too(agent: User, case: Case) -> None:
    """Fails if only the view checks it: the case may become sensitive at the same moment."""
    Case.objects.update(sensitive="legal")
    with pytest.raises(Stale, match="sensitive"):
        mute_person_of(case, reason="Insults", by=agent)


@pytest.mark.parametrize(
    ("status", "name", "typed"),
    [
        ("done", "snooze", {"preset": "tomorrow"}),
        ("done", "noise", {}),
        ("noise", "done", {}),
        ("noise", "snooze", {"preset": "tomorrow"}),
        ("done", "call_back", {"number": "+41445550101", "preset": "hour"}),
    ],
)
def test_a_closed_case_refuses_what_only_open_cases_allow(
    as_: As, agent: User, case: Case, status: str, name: str, typed: dict[str, str]
) -> None:
    """Fails on the old behaviour: an old page could snooze a case that was done."""
    closed(case, status)
    answer = post(as_(agent), case, name, **typed)
    assert answer.status_code == 409
    assert "This case is closed. Reopen it first. Nothing was changed." in answer.content.decode()
    case.refresh_from_db()
    assert case.status == status
    assert not CallBack.objects.exists()


@pytest.mark.parametrize("verb", ["snooze", "call back", "noise"])
def test_a_case_that_a_colleague_has_just_closed_stays_closed(
    agent: User, teammate: User, case: Case, verb: str
) -> None:
    """Fails if only the view checks the status: the colleague may commit after that check."""
    run: dict[str, Callable[[Case, int | None], None]] = {
        "snooze": lambda old, seen: old.snooze(until=None, by=agent, seen=seen),
        "call back": lambda old, seen: plan_call_back(
            old, number="+41445550101", at=timezone.now(), to=agent, by=agent, seen=seen
        ),
        "noise": lambda old, _seen: old.set_aside(by=agent),
    }
    Case.objects.get(pk=case.pk).finish(by=teammate, seen=case.last_inbound_id, reasons="Thanks")
    with pytest.raises(Stale, match="This case is closed"):
        run[verb](case, case.last_inbound_id)
    case.refresh_from_db()
    assert (case.status, case.assignee) == (Status.DONE, None)
    assert not CallBack.objects.exists()


def test_two_users_mark_a_case_as_noise_at_once(agent: User, teammate: User, case: Case) -> None:
    """Fails if the second one logs the same event again."""
    Case.objects.get(pk=case.pk).set_aside(by=teammate)
    case.set_aside(by=agent)
    assert case.events.filter(kind=CaseEvent.Kind.NOISE).count() == 1


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("claim", {}),
        ("follow", {}),
        ("noise", {}),
        ("done", {"every": "Thanks"}),
        ("give_back", {}),
        ("unfollow", {}),
        ("reopen", {}),
    ],
)
def test_a_second_click_is_confirmed_and_changes_nothing(
    as_: As, agent: User, case: Case, name: str, typed: dict[str, str]
) -> None:
    if name == "reopen":
        closed(case, Status.DONE)
    elif name == "give_back":
        case.claim(by=agent)
    client = as_(agent)
    if name == "unfollow":
        post(client, case, "follow")
    answers = [post(client, case, name, **typed) for _click in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert 'name="how"' not in answers[1].content.decode(), "the second click offers no undo"
    kinds = list(CaseEvent.objects.filter(case=case, by=agent).values_list("kind", flat=True))
    assert len(kinds) == len({*kinds})


def test_a_call_back_that_is_not_planned_cannot_be_cancelled(
    as_: As, agent: User, case: Case
) -> None:
    answer = post(as_(agent), case, "cancel_call_back")
    assert answer.status_code == 409
    assert "No call-back is planned for this case." in answer.content.decode()


def test_bulk_names_the_cases_to_which_an_action_does_not_apply(
    as_: As, agent: User, case: Case
) -> None:
    closed(case, Status.DONE)
    shown = f"{case.pk}:{case.last_inbound_id}:0"
    typed = {"verb": "snooze", "preset": "tomorrow", "case": [shown], "form": str(uuid.uuid4())}
    answer = as_(agent).post("/bulk/", typed, headers=DESK).content.decode()
    assert "This case is closed. Reopen it first." in answer
    case.refresh_from_db()
    assert case.status == Status.DONE


@pytest.mark.parametrize("name", ["done", "noise"])
def test_no_single_key_closes_a_sensitive_case(as_: As, agent: User, case: Case, name: str) -> None:
    """Fails if a sensitive case whose messages are all answered is closed without a reason."""
    Case.objects.update(sensitive="safeguarding")
    ItemDecision.objects.record(
        [case.last_inbound], "answered", case=case, by=agent, now=timezone.now()
    )
    answer = post(as_(agent), case, name)
    assert answer.status_code == 422
    assert "This case is sensitive. Enter a reason." in answer.content.decode()
    assert not Case.objects.get().is_closed
    post(as_(agent), case, name, why="The police were called.")
    assert Case.objects.get().is_closed
    assert case.events.filter(why="The police were called.").exists()
