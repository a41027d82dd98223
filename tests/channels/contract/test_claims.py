"""What the adapters declare agrees with the channels, and no channel is left out."""

from __future__ import annotations

import tomllib
from pathlib import Path

from scrm.channels import registry
from scrm.channels.channel import Channel
from tests.channels.contract.adapter import CAPABILITIES, Adapter
from tests.channels.contract.networks import NETWORKS, NOT_HERE


def test_every_channel_is_in_the_suite() -> None:
    """Fails if a channel is added to the registry but not to `networks.py`."""
    tested = {network.kind for network in NETWORKS} - {"pigeon"}
    assert tested | NOT_HERE.keys() == set(_packages())
    assert not tested & NOT_HERE.keys()


def test_every_channel_is_kept_from_the_others() -> None:
    """Fails if a channel is missing in the contract of import-linter: it could import another."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    rules = project["tool"]["importlinter"]["contracts"]
    (rule,) = [rule for rule in rules if rule["name"] == "Channels do not know one another"]
    assert set(rule["modules"]) == set(_packages().values())


def test_the_declared_lacks_are_true(network_class: type[Adapter]) -> None:
    """Fails if an adapter declares a lack that the channel does not have, or the other way round.

    So no test can be skipped by a wrong declaration.
    """
    offered = _offered(network_class().channel)
    claimed = {name: name not in network_class.lacks for name in offered}
    assert claimed == offered
    assert network_class.lacks.keys() <= CAPABILITIES.keys()


def test_the_smallest_fetch_is_that_of_the_network(network_class: type[Adapter]) -> None:
    """Fails if a channel states a smaller fetch than the network allows, or a larger one."""
    stated = network_class().channel.cost_of_item(network_class.address)
    assert stated.fewest == network_class.smallest


def _packages() -> dict[str, str]:
    """Return kind → package. Channels that other tests have registered are left out."""
    paths = {kind: path.removesuffix(".channel") for kind, path in registry._KINDS.items()}
    return {kind: path for kind, path in paths.items() if path.startswith("scrm.channels.")}


def _offered(channel: Channel) -> dict[str, bool]:
    """Return which of the capabilities that a channel states about itself it has."""
    return {
        "hear": channel.listener is not None,
        "speak": channel.speaker is not None,
        "threads": channel.text.threads,
        "limit": channel.text.max_length is not None,
        "withdraw": channel.editor is not None,
        "quotes": channel.quotes,
        "messages": channel.speaker is not None and "private" in channel.visibilities,
        "prices": channel.prices is not None,
    }
