"""Fixtures for the tests of Bluesky: the stand-in network, our account, and a customer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrm.channels.base import Batch, Credentials, FetchRequest, Json
from scrm.channels.bluesky.connect import connect
from scrm.channels.bluesky.listen import BlueskyListener
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.bluesky import Bluesky, Person


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bluesky]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with Bluesky() as server:
        yield server


@pytest.fixture
def care(network: Bluesky) -> Person:
    return network.person("skycare")


@pytest.fixture
def jo(network: Bluesky) -> Person:
    return network.person("joanna")


@pytest.fixture
def us(network: Bluesky, care: Person) -> Credentials:
    """Our account, connected with access to direct messages."""
    return log_in(network, "skycare-chat")


def log_in(network: Bluesky, password: str) -> Credentials:
    typed = {"handle": "@Skycare.test", "password": password, "server": network.url}
    return connect(typed, None)


def listen(us: Credentials, address: str, cursor: Json | None = None) -> Batch:
    return BlueskyListener().listen(FetchRequest(address, cursor or {}, us))
