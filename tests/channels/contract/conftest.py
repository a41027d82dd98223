"""The fixture `network`: a test that uses it runs on every network of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scrm.net import http
from scrm.net.addresses import networks
from tests.channels.contract.adapter import Adapter
from tests.channels.contract.leaks import recording
from tests.channels.contract.networks import NETWORKS


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): skip networks that lack one of them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "network_class" in metafunc.fixturenames:
        # The sandbox commits on connections of its own, so no transaction would undo its posts.
        marks = {True: [pytest.mark.django_db], False: []}
        parameters = [
            pytest.param(network, id=network.kind, marks=marks[network.needs_database])
            for network in NETWORKS
        ]
        metafunc.parametrize("network_class", parameters)


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def opened(request: pytest.FixtureRequest, network_class: type[Adapter]) -> Iterator[Any]:
    """Return a function that opens a fresh network. What it logs may contain no secret.

    Tests that declare `needs("…")` are skipped on networks that lack one of these capabilities.
    """
    for mark in request.node.iter_markers("needs"):
        for capability in mark.args:
            if capability in network_class.lacks:
                pytest.skip(network_class.lacks[capability])
    with recording() as recorder:

        @contextmanager
        def open_network() -> Iterator[Adapter]:
            with network_class() as network:
                recorder.secrets = network.secrets
                assert not any(secret in repr(network.us) for secret in network.secrets)
                yield network

        yield open_network
    assert recorder.found == []


@pytest.fixture
def network(opened: Any) -> Iterator[Adapter]:
    """Return a network with one account of ours."""
    with opened() as found:
        yield found
