"""No secret of an account is logged or shown. The fixtures check this in every other test too."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from scrm.channels.base import ChannelError
from tests.channels.contract.adapter import Adapter, public, result_of
from tests.channels.contract.leaks import check_error, recording
from tests.channels.contract.wire import REFUSAL


def test_the_watch_notices_a_secret() -> None:
    """Fails if a secret could be logged or raised without any test of this suite failing."""
    with recording() as recorder:
        recorder.secrets = ["hush-hush"]
        logging.getLogger("urllib3.connectionpool").debug("Sent %s", {"token": "hush-hush"})
    assert len(recorder.found) == 1
    with pytest.raises(AssertionError), check_error(["hush-hush"]):
        raise ChannelError("Sorry.") from ValueError("hush-hush")


def test_no_kind_of_login_is_logged(opened: Any) -> None:
    """Fails if a library logs a token at level DEBUG, also if a request fails."""
    with opened() as network:
        for login in network.logins():
            network.us = login
            with recording() as recorder:
                recorder.secrets = network.secrets
                fetch_and_send(network)
            assert recorder.found == []
            assert not any(secret in repr(network.channel) for secret in network.secrets)


def fetch_and_send(network: Adapter) -> None:
    """Fetch, send and look up, first with success and then with errors of the network."""
    network.post_as_other("a letter")
    outgoing = public("A letter of ours.")
    calls = (network.listen, lambda: network.send(outgoing), lambda: network.find(outgoing))
    for call in calls:
        assert not isinstance(result_of(call), ChannelError)
    for fault in ({"status": 401, "body": REFUSAL}, {"torn": True}, {"dropped": True}):
        for call in calls:
            network.wire.fault(times=100, **fault)
            result_of(call)
            network.heal()
