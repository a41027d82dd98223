"""Whatever a server answers, a channel raises ChannelError or returns something usable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrm.channels.base import Batch, ChannelError, Item, Lookup, Receipt
from tests.channels.contract.adapter import Adapter, public, reply_to, result_of
from tests.channels.contract.test_items import check_storable

pytestmark = pytest.mark.needs("http")

EXAMPLES = 60
REMOVED = object()
WRONG = (
    REMOVED, None, True, False, 0, -1, 2**70, 10**400, 1e308, float("nan"), float("inf"), "", " ",
    "\x00", "\ud800", "x" * 5_000, "-1", "0", "9" * 30, "1e9", "2026-99-99T99:99:99Z",
    "0001-01-01T00:00:00+14:00", "at://", "at://did:plc:x/y/z", "https://[", "//", "did:", "?",
    [], {}, [None], [[]], [{}], {"": None}, {"id": {}}, {"uri": []}, {"id": "1" * 400},
)  # fmt: skip
"""What replaces a part of an answer. REMOVED removes the part."""

Change = tuple[float, Any]
"""Which part of an answer is replaced, as a fraction of all parts, and by what."""

changes_of_an_answer = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(WRONG)), min_size=1, max_size=3
)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each part of an answer."""
    yield path
    rows = data if isinstance(data, list) else []
    for key, value in data.items() if isinstance(data, dict) else enumerate(rows):
        yield from places(value, (*path, key))


def replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return None if value is REMOVED else value
    outer = data
    for key in path[:-1]:
        outer = outer[key]
    if value is REMOVED:
        del outer[path[-1]]
    else:
        outer[path[-1]] = value
    return data


def spoil(body: bytes, changes: list[Change]) -> bytes:
    """Return a JSON answer with some parts replaced. Other answers are pictures."""
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return body
    for place, value in changes:
        paths = list(places(data))
        wrong = value if value is REMOVED else deepcopy(value)
        data = replaced(data, paths[int(place * len(paths))], wrong)
    return json.dumps(data).encode()


def check(result: Any) -> None:
    """Check what a channel returned: it can be stored, and it is what the interface promises."""
    if isinstance(result, ChannelError):
        check_storable(result.message)
        return
    check_storable(result)
    if isinstance(result, Batch):
        json.dumps(result.cursor).encode()
        assert all(isinstance(fact, str) for item in result.items for fact in (item.text, item.url))


def operations(network: Adapter, item: Item, ours: Receipt) -> dict[str, Callable[[], Any]]:
    """Return all calls of a channel that ask its network."""
    channel, us = network.channel, network.us
    found: dict[str, Callable[[], Any]] = {
        "listen": network.listen,
        "listen to ours": lambda: network.listen(address=network.own_address),
        "listen to messages": lambda: network.listen(address=network.message_address),
        "send": lambda: network.send(public(f"A letter {uuid4()}")),
        "thread": lambda: network.send(public("x", parts=(f"{uuid4()} 1/2", f"{uuid4()} 2/2"))),
        "reply": lambda: network.send(reply_to(item, f"A letter {uuid4()}")),
        "find": lambda: network.find(public()),
    }
    if listener := channel.listener:
        found["discover"] = lambda: listener.discover("@joanna.test", us)
    if reader := channel.threads:
        found["read the thread"] = lambda: reader.thread(us, item.key)
    if editor := channel.editor:
        found["amend"] = lambda: editor.amend(us, ours, public("Amended."))
        found["withdraw"] = lambda: editor.withdraw(us, ours)
    if moderator := channel.moderator:
        for action in moderator.actions(us, item.key):
            found[action] = lambda action=action: moderator.act(
                us, action, item_key=item.key, author_key=item.author.key
            )
    if network.renews and channel.connector and (renew := channel.connector.renew):
        found["renew"] = lambda: renew(us)
    return found


@pytest.mark.slow
def test_a_spoiled_part_of_an_answer_does_no_harm(network: Adapter) -> None:
    """Fails if another error than ChannelError escapes, or if a cursor stops the next fetch."""
    network.post_as_other("a letter, first")
    network.post_as_other("a letter, second https://x.example/y")
    if network.message_address:
        network.message_as_other("a private letter")
    ours = network.send(public("A letter of ours."))
    item = network.heard()[0]
    calls = operations(network, item, ours)
    if "threads" in network.lacks:
        del calls["thread"]
    cursor = network.listen().cursor

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(calls)), st.integers(0, 3), changes_of_an_answer, st.booleans())
    def spoiled(name: str, skip: int, changes: list[Change], later: bool) -> None:
        network.heal()
        network.wire.fault(skip=skip, times=2, change=lambda body: spoil(body, changes))
        call = calls[name] if not (later and name == "listen") else lambda: network.listen(cursor)
        result = result_of(call)
        network.heal()
        check(result)
        if isinstance(result, Batch):
            address = {"listen to ours": network.own_address,
                       "listen to messages": network.message_address}.get(name)  # fmt: skip
            network.listen(json.loads(json.dumps(result.cursor)), address)
        if name == "find":
            assert isinstance(result, Lookup | Receipt | ChannelError)

    spoiled()


@pytest.mark.slow
def test_each_part_of_a_list_may_be_wrong(network: Adapter) -> None:
    """Fails if a single wrong part of a single entry stops a fetch with an unexpected error."""
    network.post_as_other("a letter")
    if network.message_address:
        network.message_as_other("a private letter")
    for address in filter(None, {network.address, network.message_address}):
        bodies: list[bytes] = []
        network.wire.fault(change=lambda body: bodies.append(body) or body)  # noqa: B023
        network.listen(address=address)
        paths = list(places(json.loads(bodies[0])))
        assert len(paths) > 5, "the answer contains the item"
        for position, value in product(range(len(paths)), (REMOVED, {}, "\x00\ud800")):
            changes = [((position + 0.5) / len(paths), value)]
            network.wire.fault(change=partial(spoil, changes=changes))
            check(result_of(network.listen, None, address))
