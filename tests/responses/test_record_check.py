"""Guarantee G21 (docs/guarantees.md): the record is complete.

If a row was removed, the record check reports a gap.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, Profile, User, Workspace
from listening.changes import keep_changes
from listening.fetch import fetch_source
from listening.models import Mention, Source
from responses import check_sending, outbox, release
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Delivery, Gap, RecordCheck, Response, ResponseRule, record_check
from responses.record_check import run
from responses.record_check.base import Check
from responses.record_check.checks import CHECKS
from responses.tasks import check_record
from routing.models import BystanderReply, Case, ResponseTarget, case_clock
from scrm import pipeline
from scrm.celery import app
from scrm.channels.base import Change
from scrm.channels.sandbox import community
from tests.routing.hearing import MINUTE, NOW
from tests.routing.hearing import hear as hear_message

pytestmark = pytest.mark.django_db(transaction=True)
MICROBLOG = "sandbox.microblog"
As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def no_undo(settings: object) -> None:
    settings.UNDO_SECONDS = 0  # type: ignore[attr-defined]


@pytest.fixture
def source(microblog: Account, make_source: Callable[..., Source]) -> Source:
    community.reset()
    return make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")


@pytest.fixture
def whole(
    source: Source, agent: User, lead: User, make_rule: Callable[..., ResponseRule]
) -> Response:
    """Return a response with a complete record, from the mention to the customer's answer.

    The mention was found and routed. The reply was held, approved, sent and recorded, and the
    customer answered.
    """
    make_rule("sorry")
    community.post(MICROBLOG, "roncalder", "@SkywardAir you threw me off a flight")
    hear(source)
    response = answer(Case.objects.get(), by=agent)
    release.approve(response, by=lead)
    outbox.deliver(response.deliveries.get())
    key = response.deliveries.get().sent_key
    community.post(MICROBLOG, "roncalder", "who said you could?", in_reply_to=key)
    hear(source)
    return response


def answer(case: Case, *, by: User, visibility: str = "public") -> Response:
    case.refresh_from_db()
    words = Words(uuid.uuid4(), "We are so sorry.", visibility, seen=case.last_inbound_id)
    place = next(each for each in places_for(case) if each.visibility == visibility)
    return reply(case, words, place=place, by=by)


def hear(source: Source) -> None:
    source.fetch_now()
    assert fetch_source(source)
    pipeline.process()


def gaps() -> list[Gap]:
    """Run a record check, and return the gaps that are open after the check."""
    mine = RecordCheck.objects.create()
    run.check_record(mine)
    mine.refresh_from_db()
    assert not mine.missed
    assert set(mine.found) == {check.key for check in CHECKS}
    return list(Gap.objects.open())


def by_force(statement: str, *values: object) -> None:
    """Run an SQL statement with all triggers and foreign keys disabled.

    No user of scrm can do this.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            cursor.execute(statement, values)
            assert cursor.rowcount == 1, cursor.rowcount
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


ROWS = {
    "fetch": "listening_fetch WHERE id = (SELECT min(fetch_id) FROM listening_mention)",
    "sighting": "listening_sighting WHERE id = (SELECT min(id) FROM listening_sighting)",
    "mention": "listening_mention WHERE id = (SELECT min(id) FROM listening_mention)",
    "incoming": "crm_interaction WHERE id = (SELECT min(id) FROM crm_interaction)",
    "conversation": "crm_conversation",
    "profile": "crm_profile",
    "in_case": "routing_caseconversation",
    "case": "routing_case",
    "routed": "routing_caseevent WHERE kind = 'routed'",
    "decided": "routing_caseevent WHERE kind = 'decided'",
    "decision": "routing_decision",
    "response": "responses_response",
    "signatures": "responses_approval",
    "sending": "responses_delivery",
    "ledger": "crm_interaction WHERE direction = 'out'",
    "feedback": "responses_feedback",
}
"""The key of the check that reports the gap → the one row that is deleted."""


def test_a_whole_chain_has_no_hole(whole: Response) -> None:
    assert gaps() == []


def test_a_version_of_an_edited_message_is_no_hole(whole: Response) -> None:
    """Fails if a version counts as an incoming message, which would need a mention or a case."""
    for mention in Mention.objects.exclude(interaction=None):
        edit = Change(mention.scope, mention.key, "edited", text="other words")
        with transaction.atomic():
            keep_changes(mention.fetch, [edit], now=timezone.now())
    assert Interaction.objects.filter(direction="in", revises__isnull=False).exists()
    assert gaps() == []


@pytest.mark.parametrize("check", ROWS)
def test_each_missing_row_is_told_of_once_and_nothing_else_is(whole: Response, check: str) -> None:
    by_force(f"DELETE FROM {ROWS[check]}")
    found = gaps()
    assert [gap.check_key for gap in found] == [check], [gap.words for gap in found]
    assert found[0].there.get("response", whole.pk) == whole.pk
    assert ("response" in found[0].there) == (check != "response")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("crm_interaction SET text = 'Never.' WHERE direction = 'out'", "a different text"),
        ("crm_interaction SET profile_id = NULL WHERE direction = 'out'", "another recipient"),
        ("crm_interaction SET direction = 'in' WHERE direction = 'out'", "as incoming"),
        ("responses_delivery SET conversation_id = 0", "another conversation"),
    ],
)
def test_the_ledger_says_what_was_sent(whole: Response, change: str, words: str) -> None:
    by_force(f"UPDATE {change}")
    told = [gap for gap in gaps() if gap.check_key == "same_words"]
    assert [words in gap.words for gap in told] == [True]


def test_an_undecided_message_of_a_closed_case_is_reported(whole: Response, agent: User) -> None:
    case = Case.objects.get()
    case.finish(by=agent, seen=case.last_inbound_id, reasons="Thanks")
    assert gaps() == []
    by_force(
        "DELETE FROM routing_itemdecision WHERE id = (SELECT min(id) FROM routing_itemdecision)"
    )
    assert [gap.check_key for gap in gaps()] == ["item"]


def test_an_undecided_mail_of_a_second_person_in_the_thread_is_told_of(
    service: Department, agent: User
) -> None:
    """Ann and Ben write in one private thread; both wait for an answer until the case is done.

    Fails if the check looks only at the messages of the party.
    """
    with transaction.atomic():
        case = hear_message("ann", "Where is our bag?", thread="family")
        hear_message("ben", "And mine?", thread="family", now=NOW + MINUTE)
    case.refresh_from_db()
    case.finish(by=agent, seen=case.last_inbound_id, reasons="Other")
    # Both came without a source, so their mentions are missing.
    assert {gap.check_key for gap in gaps()} == {"mention"}
    by_force("DELETE FROM routing_itemdecision WHERE interaction_id = %s", case.last_inbound_id)
    [gap] = [gap for gap in gaps() if gap.check_key != "mention"]
    assert (gap.check_key, gap.subject) == ("item", str(case.last_inbound_id))
    assert Profile.objects.get(pk=gap.there["profile"]).key == "ben"


def test_words_that_nobody_signed_are_told_of(whole: Response) -> None:
    by_force("UPDATE responses_response SET text = 'Never.'")
    assert {gap.check_key for gap in gaps()} == {"signatures", "same_words"}


def test_a_step_that_is_missing_is_told_of(whole: Response) -> None:
    by_force('UPDATE responses_approvalrequest SET steps = \'["lead", "supervisor"]\'')
    assert [gap.check_key for gap in gaps()] == ["signatures"]


def test_what_has_not_left_yet_and_what_was_sent_again_are_whole(
    source: Source, agent: User
) -> None:
    community.post(MICROBLOG, "roncalder", "@SkywardAir you threw me off a flight")
    hear(source)
    response = answer(Case.objects.get(), by=agent)
    assert gaps() == []
    community.fail(MICROBLOG, "refused")
    outbox.deliver(response.deliveries.get())
    again = check_sending.send_again(response.deliveries.get(), by=agent)
    outbox.deliver(again)
    assert gaps() == []

    by_force("DELETE FROM responses_delivery WHERE state = 'failed'")
    assert [gap.check_key for gap in gaps()] == ["sending"]


def test_a_statement_to_many_is_whole_and_its_sending_is_missed(
    source: Source, agent: User, microblog: Account, service: Department
) -> None:
    community.post(MICROBLOG, "roncalder", "@SkywardAir you threw me off a flight")
    hear(source)
    words = Words(uuid.uuid4(), "We were wrong.", "public")
    case = Case.objects.get()
    said = state_publicly(words, accounts=[microblog], by=agent, department=service, case=case)
    outbox.deliver(said.deliveries.get())
    assert gaps() == []
    by_force("DELETE FROM responses_delivery")
    assert [gap.there["response"] for gap in gaps()] == [said.pk]


def test_a_private_answer_that_names_nothing_is_missed_too(source: Source, agent: User) -> None:
    community.post(MICROBLOG, "roncalder", "privately", to="skywardair")
    hear(source)
    response = answer(Case.objects.get(), by=agent, visibility="private")
    outbox.deliver(response.deliveries.get())
    community.post(MICROBLOG, "roncalder", "thank you", to="skywardair")
    hear(source)
    assert gaps() == []
    by_force("DELETE FROM responses_feedback")
    assert [gap.check_key for gap in gaps()] == ["feedback"]


def test_a_hole_is_opened_once_and_closed_when_it_is_gone(whole: Response) -> None:
    before = Case.objects.get().events.filter(kind="routed").values().get()
    by_force("DELETE FROM routing_caseevent WHERE kind = 'routed'")
    first, second = gaps(), gaps()
    assert [gap.pk for gap in first] == [gap.pk for gap in second]
    assert second[0].seen_at > first[0].seen_at

    whole.case.events.create(**{name: before[name] for name in ("kind", "at", "why")})  # type: ignore[union-attr]
    assert gaps() == []
    assert Gap.objects.get().closed_at is not None


def test_two_beats_start_one_record_check_a_night_in_the_workspaces_zone(
    service: Department,
) -> None:
    Workspace.objects.create(organisation="Skyward", zone="Pacific/Auckland")
    one_at_night = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)  # 01:30 on 5 March in that zone
    RecordCheck.objects.start_nightly(one_at_night)
    assert not RecordCheck.objects.exists()
    for minutes in (60, 61, 300):
        RecordCheck.objects.start_nightly(one_at_night + timedelta(minutes=minutes))
    assert RecordCheck.objects.get().night.isoformat() == "2026-03-05"  # type: ignore[union-attr]


def test_two_workers_make_one_record_check(
    whole: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = RecordCheck.objects.create()
    made: list[str] = []
    monkeypatch.setattr(run, "_make", lambda check, _run: made.append(check.key))

    def work() -> None:
        try:
            check_record(mine.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(check.key for check in CHECKS)


def test_a_proof_whose_worker_died_goes_on_where_it_stopped(
    whole: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = RecordCheck.objects.create()
    assert mine.claim()
    mine.note("fetch", found=0)
    assert not RecordCheck.objects.due(timezone.now()).exists()
    RecordCheck.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    made: list[str] = []
    monkeypatch.setattr(run, "_make", lambda check, _run: made.append(check.key))
    check_record(mine.pk)
    assert "fetch" not in made
    assert len(made) == len(CHECKS) - 1


def test_a_check_that_takes_too_long_is_said_and_the_others_are_made(
    whole: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(CHECKS[0], query="SELECT 1 AS subject, pg_sleep(1)")
    monkeypatch.setattr(run, "PATIENCE", "0.05")
    monkeypatch.setattr(run, "CHECKS", (slow, *CHECKS[1:]))
    mine = RecordCheck.objects.create()
    run.check_record(mine)
    mine.refresh_from_db()
    assert set(mine.missed) == {"fetch"}
    assert len(mine.found) == len(CHECKS) - 1


def test_a_check_that_stops_its_worker_costs_no_other_and_is_told_of(
    whole: Response, supervisor: User, monkeypatch: pytest.MonkeyPatch, as_: As
) -> None:
    """If one check kills its worker, the other checks still run.

    The page says which checks were not finished. Fails if the record check does not note which
    check it starts, because then the same check kills each new attempt.
    """

    def find(check: Check) -> dict[str, dict[str, object]]:
        if check.key == "fetch":
            raise SystemExit("killed")
        if check.key == "case":
            raise SoftTimeLimitExceeded
        return {}

    monkeypatch.setattr(Check, "find", find)
    mine = RecordCheck.objects.create()
    with pytest.raises(SystemExit):
        check_record(mine.pk)
    RecordCheck.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    for _ in range(2):
        check_record(mine.pk)
    mine.refresh_from_db()
    assert mine.ended_at
    assert set(mine.missed) == {"fetch", "case"}
    assert len(mine.found) == len(CHECKS) - 2
    shown = as_(supervisor).get(reverse("responses:record_check")).content.decode()
    assert shown.count("not finished</span>") == 2
    assert "No gaps found." not in shown

    monkeypatch.undo()
    assert gaps() == [], "the next record check makes them again"


def test_slow_checks_are_shared_among_tasks(
    whole: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the checks are slow, several Celery tasks run them one after the other.

    Fails if one task runs all checks, because then two slow checks together exceed the time limit
    of the task.
    """
    clock = itertools.count(step=6)
    monkeypatch.setattr(run, "monotonic", lambda: float(next(clock)))
    mine, tasks = RecordCheck.objects.create(), 0
    while not RecordCheck.objects.filter(ended_at__isnull=False).exists():
        check_record(mine.pk)
        tasks += 1
    mine.refresh_from_db()
    assert (len(mine.found), mine.missed) == (len(CHECKS), {})
    assert tasks == len(CHECKS), "each began the one that it had room for"
    assert app.conf.task_soft_time_limit > run.ROOM + run.PATIENCE


def test_one_that_is_given_up_still_says_which_checks_were_not_finished() -> None:
    """A record check that is given up still lists the checks that were not finished.

    Fails if `missed`, which contains these checks and the reasons, is overwritten.
    """
    mine = RecordCheck.objects.create(
        attempt=record_check.MAX_ATTEMPTS, missed={"fetch": "Too slow."}
    )
    assert not RecordCheck(pk=mine.pk).claim()
    mine.refresh_from_db()
    assert set(mine.missed) == {"fetch", "all"}


def test_the_command_fails_on_a_hole(whole: Response, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_record")
    assert "No gaps found." in capsys.readouterr().out
    by_force("DELETE FROM responses_feedback")
    with pytest.raises(CommandError, match="Gaps found: 1"):
        call_command("check_record")
    assert "feedback" in capsys.readouterr().out


def test_statements_do_not_depend_on_how_much_there_is(
    whole: Response,
    django_assert_max_num_queries: Callable[..., object],
    agent: User,
    source: Source,
) -> None:
    for number in range(5):
        community.post(MICROBLOG, f"p{number}", "@SkywardAir and me", key=f"k{number}")
    hear(source)
    for case in Case.objects.exclude(responses__isnull=False):
        answer(case, by=agent)
    assert Delivery.objects.count() == 6
    mine = RecordCheck.objects.create()
    with django_assert_max_num_queries(11 * len(CHECKS)):  # type: ignore[attr-defined]
        run.check_record(mine)


def test_the_page_names_the_hole_and_leads_to_what_is_there(
    whole: Response, supervisor: User, agent: User, as_: As
) -> None:
    page = reverse("responses:record_check")
    assert as_(agent).get(page).status_code == 403
    assert "No check has run yet" in as_(supervisor).get(page).content.decode()

    as_(supervisor).post(page)
    as_(supervisor).post(page)  # the first record check is still queued at the second click
    check_record(RecordCheck.objects.get().pk)
    assert "No gaps found." in as_(supervisor).get(page).content.decode()

    by_force("DELETE FROM responses_feedback")
    as_(supervisor).post(page)
    check_record(RecordCheck.objects.latest("pk").pk)
    shown = as_(supervisor).get(page).content.decode()
    assert "answers a response but is not linked to it" in shown
    assert whole.get_absolute_url() in shown
    assert whole.case.get_absolute_url() in shown  # type: ignore[union-attr]


def test_a_check_that_runs_shows_its_result_by_itself(supervisor: User, as_: Any) -> None:
    """While it runs, the page asks for itself. Before, the message said to reload the page."""
    client, url = as_(supervisor), reverse("responses:record_check")
    assert "every 2s" not in client.get(url).content.decode()
    asked = client.post(url, follow=True).content.decode()
    assert "The check has started. Its result appears here." in asked
    assert '<div id="check" hx-get="" hx-trigger="every 2s"' in asked
    RecordCheck.objects.update(ended_at=timezone.now())
    assert "every 2s" not in client.get(url).content.decode()


def test_a_case_that_waits_for_us_without_a_due_time_is_told_of(whole: Response) -> None:
    """Fails if the check does not compare the case with the targets of its department."""
    case = Case.objects.get()
    # No target: it is not due, and the case page says so.
    assert gaps() == []
    ResponseTarget.objects.create(department=case.department, priority=case.priority, next=60)
    by_force("UPDATE routing_case SET due_at = NULL WHERE id = %s", case.pk)
    [gap] = gaps()
    assert (gap.check_key, gap.subject) == ("due", str(case.pk))
    case_clock.recompute([case.pk])
    assert gaps() == []


def test_a_message_of_another_person_in_the_case_needs_a_due_time_too(whole: Response) -> None:
    """Fails if the check asks only about the messages of the case's own profile.

    For example, the person who got a copy of a mail has written; a bystander is none of these.
    """
    case = Case.objects.get()
    other = Profile.objects.create(network="email", key="cc@example.com")
    ResponseTarget.objects.create(department=case.department, priority=case.priority, next=60)
    by_force("UPDATE routing_case SET due_at = NULL WHERE id = %s", case.pk)
    by_force(
        "UPDATE crm_interaction SET profile_id = %s WHERE id = %s", other.pk, case.last_inbound_id
    )
    assert "due" in {gap.check_key for gap in gaps()}
    BystanderReply.objects.create(case=case, interaction=case.last_inbound)
    assert "due" not in {gap.check_key for gap in gaps()}
