"""Calls that a call system sends to a webhook."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from crm.interaction_details import OUTCOMES, CallDetails
from crm.models import Interaction, User
from listening import webhooks
from listening.models import Mention, Source
from routing.models import Case
from scrm import pipeline
from scrm.channels.webhook.read import read
from scrm.channels.webhook.schema import SCHEMA
from scrm.channels.webhook.signature import sign

pytestmark = pytest.mark.django_db
NUMBER = "+442079460958"


@pytest.fixture
def send(make_source: Callable[..., Source], admin: User, service: object) -> Callable[..., Any]:
    """Return a function that sends one call and processes it."""
    source = make_source(kind="webhook", address=str(uuid4()), name="Calls", stance="for us")
    secret = webhooks.add_secret(source, by=admin)
    assert secret

    def sent(key: str, call: dict[str, Any], **facts: Any) -> Any:
        body = json.dumps({"items": [{"id": key, "kind": "call", "call": call} | facts]}).encode()
        name, now = str(uuid4()), timezone.now()
        signed = sign(secret, name, body, now=now)
        answer = webhooks.receive(UUID(source.address), body, signed, now=now)
        pipeline.process()
        return answer

    return sent


def test_a_missed_call_becomes_work(send: Callable[..., Any]) -> None:
    assert send("1", {"number": "+44 20 7946 0958", "outcome": "no answer"}).status == 200
    row = Interaction.objects.get()
    assert (row.title, row.direction, row.staff) == ("Missed call", "in", None)
    assert (row.profile.network, row.profile.key) == ("phone", NUMBER)
    assert Case.objects.get().last_inbound == row


def test_a_call_carries_its_facts_and_the_colleague(send: Callable[..., Any], agent: User) -> None:
    call = {
        "number": NUMBER, "direction": "in", "duration": 312, "outcome": "reached",
        "agent": agent.email.upper(), "recording": "https://calls.example/88",
    }  # fmt: skip
    send("1", call, text="Asks for a refund.", author={"id": "c", "name": "Ann"})
    row = Interaction.objects.get()
    assert (row.staff, row.profile.name) == (agent, "Ann")
    assert row.call == CallDetails(
        NUMBER, "reached", 312, "https://calls.example/88", agent.email.upper()
    )


def test_a_call_that_we_made_opens_no_case(send: Callable[..., Any], agent: User) -> None:
    """Fails if a call that we made is routed as if the customer had called."""
    send("1", {"number": NUMBER, "direction": "out", "agent": "nobody@scrm.example"})
    row = Interaction.objects.get()
    assert (row.direction, row.staff, row.profile.key) == ("out", None, NUMBER)
    assert not Case.objects.exists()


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"number": "020 7946 0958"}, "items[0].call.number"),
        ({"number": "call me"}, "items[0].call.number"),
        ({"number": "9" * 61}, "items[0].call.number"),
        ({"duration": -1}, "items[0].call.duration"),
        ({"outcome": "busy"}, "items[0].call.outcome"),
        ({"direction": "up"}, "items[0].call.direction"),
        ({"recording": "javascript:alert(1)"}, "items[0].call.recording"),
        ({"callee": "x"}, "items[0].call.callee"),
        ("reached", "items[0].call"),
    ],
)
def test_a_wrong_call_is_refused_at_its_place(
    send: Callable[..., Any], call: Any, path: str
) -> None:
    answer = send("1", call)
    assert (answer.status, len(answer.errors)) == (422, 1)
    assert answer.errors[0].startswith(path)
    assert not Mention.objects.exists()


def test_only_a_call_has_the_facts_of_a_call(send: Callable[..., Any]) -> None:
    answer = send("1", {"number": NUMBER}, kind="message", text="Hello")
    assert answer.errors == ("items[0].call: expected only with the kind “call”",)


def test_a_null_byte_in_a_call_is_removed() -> None:
    body = json.dumps({"items": [{"id": "1", "kind": "call", "call": {"agent": "a\x00b"}}]})
    assert read(body.encode(), "x").items[0].details["call"] == {"agent": "ab"}


def test_the_schema_knows_the_outcomes_of_the_form() -> None:
    facts = SCHEMA["properties"]["items"]["items"]["properties"]["call"]["properties"]
    assert facts["outcome"]["enum"] == [*OUTCOMES, None]
