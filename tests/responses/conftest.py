"""Shared fixtures of the response tests.

Most of these fixtures use the fixture `complaint`: a case with a public complaint to customer
service.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Account, Department, Interaction, User
from responses import outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Feedback, Response, ResponseRule
from responses.results.feedback import Answered, link
from routing.intake import Arrival, take_in
from routing.models import Case, Issue
from routing.rules import Facts
from scrm.channels.base import Author, Receipt

NETWORK = "sandbox.microblog"


@pytest.fixture
def hear(microblog: Account) -> Callable[..., Case]:
    """Return a function that records a customer's post on the microblog.

    The function returns the case of the post.
    """

    def say(text: str, **facts: Any) -> Case:
        handle = facts.pop("handle", "@roncalder")
        entry = Entry(
            scope=NETWORK,
            key=facts.pop("key", uuid.uuid4().hex),
            author=Author(NETWORK, handle, handle, name="Ron Calder"),
            channel="sandbox",
            kind="post",
            text=text,
            **({"visibility": "public", "occurred_at": timezone.now()} | facts),
        )
        row = record([entry], now=timezone.now())[0]
        arrival = Arrival(
            interaction=row.interaction,
            conversation=row.conversation,
            profile=row.profile or 0,
            contact=None,
            said_at=timezone.now(),
            facts=Facts(text=text),
        )
        return Case.objects.get(pk=take_in([arrival], now=timezone.now())[row.interaction])

    return say


@pytest.fixture
def second_account(microblog: Account, service: Department, admin: User) -> Account:
    """Return another account on the microblog; its name comes first."""
    account = Account.objects.create(
        kind=microblog.kind, network=microblog.network, self_key="airhelp", name="@AirHelp",
        owner=admin, config=microblog.config,
    )  # fmt: skip
    service.accounts.add(account)
    return account


@pytest.fixture
def complaint(hear: Callable[..., Case]) -> Case:
    return hear("@SkywardAir you threw me off a flight")


@pytest.fixture
def seats(agent: User) -> Issue:
    return Issue.objects.create(name="Seat policy", owner=agent)


@pytest.fixture
def elsewhere(complaint: Case, sales: Any) -> Case:
    """Move the case of the complaint to the department sales, and return the case."""
    complaint.department = sales
    complaint.save()
    return complaint


@pytest.fixture
def answer(complaint: Case, agent: User) -> Callable[..., Response]:
    """Return a function that replies to the complaint and returns the response.

    The author is the agent, unless the test names another user. The response is released, or held
    if a rule requires approval.
    """

    def write(text: str = "We are so sorry.", by: User = agent) -> Response:
        complaint.refresh_from_db()
        words = Words(uuid.uuid4(), text, "public", seen=complaint.last_inbound_id)
        return reply(complaint, words, place=places_for(complaint)[0], by=by)

    return write


@pytest.fixture
def make_rule(admin: User) -> Callable[..., ResponseRule]:
    """Return a function that creates a business rule for texts that contain a given word.

    The verdict of the rule is "hold", unless the test gives another verdict.
    """

    def make(word: str, verdict: str = "hold", **facts: Any) -> ResponseRule:
        conditions = {"all": [{"field": "text", "op": "contains", "value": word}]}
        return ResponseRule.objects.create(
            **{
                "name": f"{verdict} {word}",
                "owner": admin,
                "conditions": conditions,
                "verdict": verdict,
                "reason": f"“{word}” needs a second pair of eyes.",
            }
            | facts
        )

    return make


@pytest.fixture
def held(answer: Callable[..., Response], make_rule: Callable[..., ResponseRule]) -> Response:
    make_rule("sorry")
    return answer()


@pytest.fixture
def answer_many(hear: Callable[..., Case], agent: User) -> Callable[..., list[Response]]:
    """Return a function that replies to `count` people.

    Each person has a case of their own.
    """

    def write(count: int, by: User = agent) -> list[Response]:
        cases = [hear("@SkywardAir and me", handle=f"@{uuid.uuid4().hex}") for _ in range(count)]
        return [
            reply(
                case,
                Words(uuid.uuid4(), "We are so sorry.", "public", seen=case.last_inbound_id),
                place=places_for(case)[0],
                by=by,
            )
            for case in cases
        ]

    return write


@pytest.fixture
def thanks(hear: Callable[..., Case], complaint: Case) -> Callable[[str], Interaction]:
    """Return a function that records an answer of the customer in the thread of the complaint."""

    def say(text: str, **facts: Any) -> Interaction:
        first = Interaction.objects.get(pk=complaint.last_inbound_id)
        hear(text, in_reply_to=first.key, thread_key=first.key, **facts)
        return Interaction.objects.latest("pk")

    return say


@pytest.fixture
def stated(seats: Issue, microblog: Account, service: Department, agent: User) -> Response:
    """Return a public statement about an issue. The statement is already sent."""
    words = Words(uuid.uuid4(), "We change our policy.", "public")
    said = state_publicly(words, accounts=[microblog], by=agent, department=service, issue=seats)
    receipt = Receipt(NETWORK, "statement")
    outbox.mark_sent(said.deliveries.get(), receipt, now=timezone.now())
    return said


@pytest.fixture
def comment(hear: Callable[..., Case], stated: Response) -> Callable[..., Feedback]:
    """Return a function that records a comment on the statement as feedback.

    If the test gives an outcome, the feedback counts as judged by a user.
    """

    def say(text: str, outcome: str = "", **facts: Any) -> Feedback:
        hear(text, handle=facts.pop("handle", f"@{uuid.uuid4().hex[:8]}"), **facts)
        said = Interaction.objects.latest("pk")
        row = stated.deliveries.get()
        where = Answered(row.pk, stated.pk, stated.department_id, None, stated.issue_id, True,
                         timezone.now())  # fmt: skip
        link({said.pk: where}, now=timezone.now())
        found = Feedback.objects.filter(interaction=said)
        found.update(outcome=outcome, judged_by=stated.author if outcome else None)
        return found.get()

    return say
