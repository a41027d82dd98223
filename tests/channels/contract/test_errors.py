"""Errors of the network become errors that say whether and when a request may be repeated."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from scrm.channels.base import ChannelError
from scrm.net.http import MAX_BYTES
from tests.channels.contract.adapter import Adapter, public, result_of
from tests.channels.contract.wire import REFUSAL

pytestmark = pytest.mark.needs("http")

SPOILED: dict[str, dict[str, Any]] = {
    "torn": {"torn": True},
    "web page": {"status": 200, "body": b"<!doctype html><html><h1>Back soon</h1></html>"},
    "empty": {"status": 200, "body": b""},
    "half an object": {"status": 200, "body": b'{"data": [{"id"'},
    "null": {"status": 200, "body": b"null"},
    "a number": {"status": 200, "body": b"17"},
    "a text": {"status": 200, "body": b'"yes"'},
    "not UTF-8": {"status": 200, "body": b'{"data": "\xff\xfe"'},
    "deeply nested list": {"status": 200, "body": b"[" * 100_000 + b"]" * 100_000},
    "deeply nested object": {"status": 200, "body": b'{"a":' * 50_000 + b"1" + b"}" * 50_000},
    "huge number": {"status": 200, "body": b'{"id": ' + b"9" * 10_000 + b"}"},
    "huge": {"status": 200, "body": b'["' + b"x" * MAX_BYTES + b'"]'},
}


def error_of(network: Adapter, what: str, **fault: Any) -> ChannelError:
    """Return the error of a fetch, a look-up or a send of which requests fail."""
    publishing = what == "publish"
    matches = {"matches": network.publishes} if publishing else {}
    network.wire.fault(times=100, **matches, **fault)
    calls = {"listen": network.listen, "find": lambda: network.find(public()),
             "publish": lambda: network.send(public())}  # fmt: skip
    with pytest.raises(ChannelError) as caught:
        calls[what]()
    network.heal()
    assert caught.value.message.endswith((".", "…")), "a sentence"
    return caught.value


def assert_uncertain(network: Adapter, **fault: Any) -> None:
    """Send a text of which the answer is spoiled.

    The error must be uncertain. A channel that looks the text up at once may also succeed, if the
    text is really there.
    """
    outgoing = public("Is it there?")
    network.wire.fault(times=100, matches=network.publishes, **fault)
    result = result_of(network.send, outgoing)
    network.heal()
    if isinstance(result, ChannelError):
        assert _facts(result) == (False, True)
    else:
        assert network.our_posts() == [outgoing.text]


def looks_up(network: Adapter) -> bool:
    speaker = network.channel.speaker
    return bool(speaker and speaker.idempotence(network.us) == "lookup")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_permanent(network: Adapter, status: int) -> None:
    """Fails if a request is repeated that the network will refuse again."""
    for what in ("listen", "find", "publish") if looks_up(network) else ("listen", "publish"):
        error = error_of(network, what, status=status, body=REFUSAL)
        assert (error.permanent, error.uncertain) == (True, False), what


def test_a_limit_says_when_it_ends(network: Adapter) -> None:
    """Fails if a request is repeated before the network allows it, or never."""
    for what in ("listen", "publish"):
        headers = network.limit_headers(140)
        error = error_of(network, what, status=429, body=REFUSAL, headers=headers)
        assert (error.permanent, error.uncertain) == (False, False), what
        assert error.retry_after is not None
        assert 130 < error.retry_after <= 141


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [REFUSAL, b"<h1>Bad gateway</h1>"])
def test_a_server_error_passes_and_leaves_a_text_uncertain(
    network: Adapter, status: int, body: bytes
) -> None:
    """Fails if a text counts as not sent although a server behind a proxy may have taken it."""
    assert _facts(error_of(network, "listen", status=status, body=body)) == (False, False)
    assert_uncertain(network, status=status, body=body)


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_answer_passes_and_leaves_a_text_uncertain(network: Adapter, how: str) -> None:
    """Fails if another error than ChannelError escapes, or if a text counts as not sent."""
    assert _facts(error_of(network, "listen", **SPOILED[how])) == (False, False)
    assert_uncertain(network, **SPOILED[how])


def test_a_slow_answer_passes_and_leaves_a_text_uncertain(
    network: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a request has no time limit."""
    module, _, name = network.timeout.rpartition(".")
    monkeypatch.setattr(importlib.import_module(module), name, 0.3)
    assert _facts(error_of(network, "listen", seconds=1)) == (False, False)
    assert_uncertain(network, seconds=1)


def test_a_closed_port_is_certain(network: Adapter) -> None:
    """Fails if a text that surely was not sent has to be looked up, or counts as refused."""
    network.wire.__exit__()
    for call in (network.listen, lambda: network.send(public())):
        with pytest.raises(ChannelError) as caught:
            call()
        assert not caught.value.permanent


@pytest.mark.needs("login")
def test_a_revoked_login_in_the_middle_of_a_fetch_loses_nothing(network: Adapter) -> None:
    """Fails if a fetch that breaks off skips items, or if nobody is told to connect again.

    A channel may return what it read before; then the next fetch must raise the error.
    """
    cursor = network.listen().cursor
    written = {network.post_as_other(f"number {n}") for n in range(network.page * 2)}
    network.wire.fault(skip=1, times=10_000, status=401, body=REFUSAL)
    found: set[str] = set()
    while not isinstance(result := result_of(network.listen, cursor), ChannelError):
        assert result.items, "a fetch that reads nothing must raise the error"
        found |= {item.key for item in result.items}
        cursor = result.cursor
    assert result.permanent
    assert re.search(r"(?i)connect .*\bagain\b", result.message)
    network.heal()
    found |= {item.key for batch in network.fetches(cursor) for item in batch.items}
    assert written <= found


def _facts(error: ChannelError) -> tuple[bool, bool]:
    return error.permanent, error.uncertain
