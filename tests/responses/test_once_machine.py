"""Guarantee G1 (docs/guarantees.md): a response is sent at most once, in any order of events.

The state machine that generates the events is in `once.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from crm.models import Account, Department, User
from responses.models import ResponseRule
from routing.models import Case
from tests.responses.once import Cast, Once

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(
    complaint: Case,
    microblog: Account,
    service: Department,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    supervisor: User,
    admin: User,
) -> Cast:
    make_rule("refund")
    make_rule("lawyer", steps="lead supervisor")
    second = Account.objects.create(
        kind="sandbox", network=microblog.network, self_key="two", name="Two", owner=admin
    )
    service.accounts.add(second)
    conversation = complaint.conversations.get().pk
    return Cast(complaint, conversation, [microblog, second], service, agent, lead, supervisor)


def play(cast: Cast, kind: str, *, examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    machine = type("OnceFor", (Once,), {"cast": cast, "kind": kind})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=True,
            database=None,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["key", "lookup", "none"])
@pytest.mark.parametrize("examples", [25, pytest.param(60, marks=pytest.mark.guards)])
def test_whatever_happens_in_whatever_order_it_leaves_at_most_once(
    cast: Cast, kind: str, examples: int
) -> None:
    play(cast, kind, examples=examples)
    assert cast.case.responses.count() == 0  # each run was rolled back, so no rows may remain
