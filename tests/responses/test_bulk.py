"""Bulk actions: one action on many cases, and one undo for all of these cases."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Department, Job, User
from responses import bulk
from responses.tasks import carry_out
from routing.answering import count_as_answered
from routing.models import Case, Decision, Issue
from routing.models.status import Stale
from routing.unanswered import unanswered
from tests.together import at_once

As = Callable[[User], Client]
DESK = {"HX-Request": "true"}


@pytest.fixture
def cases(hear: Callable[..., Case]) -> list[Case]:
    return [hear("Me too", handle=f"@person{n}") for n in range(4)]


def press(client: Client, verb: str, cases: list[Case], **typed: Any) -> Any:
    shown = [f"{c.pk}:{c.last_inbound_id}:{c.assignee_id or 0}" for c in cases]
    fields = {"verb": verb, "case": shown, "form": str(uuid.uuid4())}
    return client.post("/bulk/", fields | typed, headers=DESK)


def statuses() -> list[str]:
    return list(Case.objects.order_by("pk").values_list("status", flat=True))


def test_all_are_done_and_one_undo_brings_all_back(as_: As, agent: User, cases: list[Case]) -> None:
    client = as_(agent)
    page = press(client, "done", cases, reason="No question")
    assert "4 cases." in page.content.decode()
    assert statuses() == ["done"] * 4
    job = Job.objects.get()
    said = client.post(f"/bulk/{job.uuid}/undo/", headers=DESK).content.decode()
    assert "Undone for 4 cases." in said
    assert statuses() == ["new"] * 4
    assert "already undone" in client.post(f"/bulk/{job.uuid}/undo/", headers=DESK).content.decode()


def test_without_a_reason_no_case_with_unanswered_messages_is_done(
    as_: As, agent: User, cases: list[Case]
) -> None:
    """What was answered needs no reason. Fails if Done in bulk decides nothing for the others."""
    count_as_answered(cases[0], at=timezone.now(), seen=cases[0].last_inbound_id, answered_by=None)
    for case in cases:
        case.refresh_from_db()
    page = press(as_(agent), "done", cases)
    assert statuses() == ["done", "new", "new", "new"]
    for case in cases[1:]:
        assert f"#{case.pk}:" in page.content.decode()
    assert list(unanswered([case.pk for case in cases]).values_list("in_case", flat=True)) == [
        case.pk for case in cases[1:]
    ]


@pytest.mark.django_db(transaction=True)
def test_two_undos_at_once_are_one(as_: As, agent: User, cases: list[Case]) -> None:
    """If a bulk action is undone twice at the same moment, only one undo runs.

    Fails if the job is not locked, or if the code reads the job before it locks the job. Then both
    undos run, and the second one reports that all cases have changed.
    """
    press(as_(agent), "done", cases, reason="No question")
    jobs = [Job.objects.get(), Job.objects.get()]

    def undo(job: Job) -> tuple[int, int] | None:
        try:
            return bulk.take_back(job, by=agent)
        except Stale:
            return None

    results = at_once(*(lambda job=job: undo(job) for job in jobs))
    assert sorted(results, key=str) == [(4, 0), None]
    assert statuses() == ["new"] * 4


def test_no_worker_is_woken_for_what_the_page_does_itself(
    as_: As, agent: User, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the request itself runs the job of a bulk action, no worker is woken for the job.

    If a worker ran the job first, the page could show neither the result nor an undo.
    """
    woken: list[str] = []
    monkeypatch.setattr("crm.models.job.nudge", lambda kind, pk: woken.append(kind))
    press(as_(agent), "done", cases, reason="No question")
    assert (woken, Job.objects.get().state) == ([], "done")
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    press(as_(agent), "tag", cases, tag="late")
    assert woken == ["responses.bulk"]


def test_undo_leaves_what_changed_since(as_: As, agent: User, cases: list[Case]) -> None:
    client = as_(agent)
    press(client, "done", cases, reason="No question")
    Case.objects.get(pk=cases[0].pk).reopen(by=agent, why="They called.")
    said = client.post(f"/bulk/{Job.objects.get().uuid}/undo/", headers=DESK).content.decode()
    assert "Undone for 3 cases. 1 case had changed since" in said
    assert statuses() == ["open", "new", "new", "new"]


def test_what_a_colleague_had_done_is_not_said_to_be_done(
    as_: As, agent: User, teammate: User, cases: list[Case]
) -> None:
    """If a colleague has already marked a case as done, the bulk action counts it as unchanged.

    If no case changed, the page offers no undo. Fails if each action without an error counts as a
    change.
    """
    press(as_(teammate), "done", cases[:1], reason="No question")
    said = press(as_(agent), "done", cases, reason="No question").content.decode()
    assert "Done: 3 cases. 1 was left unchanged." in said
    assert "Already done." in said
    again = press(as_(agent), "done", cases, reason="No question").content.decode()
    assert "Done: 0 cases." in again
    assert 'class="warning"' in again
    assert "Undo" not in again


def test_one_click_is_one_time(as_: As, agent: User, cases: list[Case]) -> None:
    form = str(uuid.uuid4())
    for _click in range(2):
        press(as_(agent), "tag", cases, form=form, tag="seats")
    assert Job.objects.count() == 1
    assert cases[0].events.filter(kind="tagged").count() == 1


def test_what_is_not_mine_to_work_on_is_left_and_said(
    as_: As, agent: User, sales: Department, cases: list[Case]
) -> None:
    Case.objects.filter(pk=cases[0].pk).update(department=sales)
    page = press(as_(agent), "done", cases, reason="No question").content.decode()
    assert "3 cases. 1 was left unchanged." in page
    assert "You cannot work on this case." in page
    assert statuses() == ["new", "done", "done", "done"]


@pytest.mark.parametrize(
    ("verb", "typed", "holds"),
    [
        ("claim", {}, lambda case, agent: case.assignee == agent),
        ("tag", {"tag": "  long   queue "}, lambda case, agent: case.tags == ["long queue"]),
        (
            "snooze",
            {"preset": "hour"},
            lambda case, agent: case.status == "snoozed" and case.snoozed_until,
        ),
        ("noise", {}, lambda case, agent: case.status == "noise"),
        ("nothing", {"why": "Not about us"}, lambda case, agent: case.status == "done"),
        ("group", {"issue": "Seat policy"}, lambda case, agent: case.issue.name == "Seat policy"),
    ],
)
def test_every_verb_does_what_it_says(
    as_: As, agent: User, cases: list[Case], verb: str, typed: dict[str, str], holds: Any
) -> None:
    press(as_(agent), verb, cases, **typed)
    assert all(holds(case, agent) for case in Case.objects.all())


def test_assigning_many_to_a_colleague(
    as_: As, agent: User, teammate: User, cases: list[Case]
) -> None:
    press(as_(agent), "assign", cases, person=teammate.pk)
    assert {case.assignee for case in Case.objects.all()} == {teammate}


def test_no_response_to_many_is_a_decision_each(as_: As, agent: User, cases: list[Case]) -> None:
    press(as_(agent), "nothing", cases, why="Not about us")
    decisions = Decision.objects.filter(outcome="none", why="Not about us", by=agent)
    assert decisions.count() == 4


def test_an_issue_of_that_name_is_found_again(as_: As, agent: User, cases: list[Case]) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=agent)
    press(as_(agent), "group", cases, issue="seat POLICY")
    assert issue.cases.count() == 4


@pytest.mark.parametrize("verb", ["tag", "nothing", "group", "no such verb", "reopen"])
def test_what_is_missing_is_said_and_nothing_is_done(
    as_: As, agent: User, cases: list[Case], verb: str
) -> None:
    page = press(as_(agent), verb, cases)
    assert 'class="error"' in page.content.decode()
    assert statuses() == ["new"] * 4
    assert not Job.objects.exists()


def test_more_than_a_screenful_is_a_job_that_goes_on_where_it_died(
    as_: As, agent: User, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    page = press(as_(agent), "tag", cases, tag="seats").content.decode()
    assert "Show the progress" in page
    job = Job.objects.get()
    assert job.state == "queued"
    done, progress = cases[0], Job.progress

    def dies(job: Job, *_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Job, "progress", dies)
    with pytest.raises(KeyboardInterrupt):
        carry_out(job.pk)  # the worker dies after the first case
    assert list(done.events.filter(kind="tagged"))
    monkeypatch.setattr(Job, "progress", progress)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    carry_out(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("done", "Tagged: 4 cases.")
    assert all(case.tags == ["seats"] for case in Case.objects.all())
    assert done.events.filter(kind="tagged").count() == 1


def test_without_javascript_the_inbox_comes_back(as_: As, agent: User, cases: list[Case]) -> None:
    answer = as_(agent).post(
        "/bulk/",
        {
            "verb": "done",
            "reason": "Thanks",
            "case": [f"{cases[0].pk}:{cases[0].last_inbound_id}:0"],
        },
    )
    assert answer["Location"] == "/"
    assert statuses().count("done") == 1


def test_what_they_wrote_since_the_list_was_shown_is_not_closed_unread(
    as_: As, agent: User, cases: list[Case], hear: Callable[..., Case]
) -> None:
    root = cases[0].last_inbound.key
    hear("I will sue", handle="@person0", thread_key=root, in_reply_to=root)
    page = press(as_(agent), "done", cases, reason="No question").content.decode()
    assert "3 cases. 1 was left unchanged." in page
    assert statuses() == ["new", "done", "done", "done"]


def test_many_are_not_taken_from_a_colleague_who_was_faster(
    as_: As, agent: User, teammate: User, cases: list[Case]
) -> None:
    Case.objects.get(pk=cases[0].pk).claim(by=teammate)
    press(as_(agent), "claim", cases)
    assert Case.objects.get(pk=cases[0].pk).assignee == teammate
    assert Case.objects.filter(assignee=agent).count() == 3


def test_enter_in_a_field_runs_the_action_of_that_field(
    as_: As, agent: User, cases: list[Case]
) -> None:
    """Browsers then submit the form with its first button, which must not be an action.

    Before, nothing was done, and the list came back without the selection.
    """
    page = as_(agent).get("/?view=unassigned").content.decode()
    form = page.partition('id="bulk"')[2]
    assert form.index('name="verb" value=""') < form.index('name="verb" value="done"')
    press(as_(agent), "", cases, tag="seats", person="", issue=" ", why="")
    assert {tuple(case.tags) for case in Case.objects.all()} == {("seats",)}
    assert statuses() == ["new"] * 4


@pytest.mark.parametrize("typed", [{}, {"tag": "seats", "issue": "Seats"}])
def test_enter_that_may_mean_several_actions_changes_nothing_and_keeps_the_selection(
    as_: As, agent: User, cases: list[Case], typed: dict[str, str]
) -> None:
    answer = press(as_(agent), "", cases, **typed)
    assert "press the button of one action" in answer.content.decode()
    assert "list-changed" not in answer.headers.get("HX-Trigger", "")
    assert all(not case.tags and not case.issue_id for case in Case.objects.all())


def test_a_form_that_was_used_for_something_else_does_nothing(
    as_: As, agent: User, cases: list[Case]
) -> None:
    form = str(uuid.uuid4())
    press(as_(agent), "tag", cases, form=form, tag="seats")
    page = press(as_(agent), "done", cases, form=form, reason="No question").content.decode()
    assert "This form was already used." in page
    assert statuses() == ["new"] * 4


def test_somebody_who_is_gone_gets_nothing(
    as_: As, agent: User, teammate: User, cases: list[Case]
) -> None:
    cases[0].claim(by=agent)
    User.objects.filter(pk=teammate.pk).update(is_active=False)
    page = press(as_(agent), "assign", cases, person=teammate.pk).content.decode()
    assert "no longer active" in page
    assert Case.objects.get(pk=cases[0].pk).assignee == agent
