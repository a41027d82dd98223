"""A text is published once, whatever happens to the answers of the network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scrm.channels.base import ChannelError, Lookup, Outgoing, Receipt
from tests.channels.contract.adapter import Adapter, deliver, public, quote_of, reply_to, result_of
from tests.channels.contract.wire import REFUSAL

pytestmark = pytest.mark.needs("speak")

PARTS = ("The first part. 1/3", "The second part. 2/3", "The third part. 3/3")


def kinds_of_text(network: Adapter) -> list[Outgoing]:
    """Return a post, a reply and, if the network has them, a private message."""
    network.post_as_other("a question")
    texts = [public("A post."), reply_to(network.heard()[0], "A reply.")]
    if "messages" not in network.lacks:
        network.message_as_other("a private question")
        received = network.heard(network.message_address)
        private = [item for item in received if item.visibility == "private"]
        texts.append(reply_to(private[0], "A message."))
    if "quotes" not in network.lacks:
        texts.append(quote_of(network.heard()[0], "A quote."))
    return texts


def times(network: Adapter, text: str) -> int:
    return sum(1 for each in network.our_posts() if each.endswith(text))


@pytest.mark.parametrize("losses", [1, 2])
def test_a_lost_answer_leads_to_one_text(network: Adapter, losses: int) -> None:
    """Fails if a text is sent again although the network has it."""
    for outgoing in kinds_of_text(network):
        for _ in range(losses):
            network.lose_next_answer()
        found = deliver(network, outgoing)
        network.heal()
        assert isinstance(found, Receipt), "the text is there, so it must be found"
        assert times(network, outgoing.text) == 1


def test_a_lost_request_leads_to_one_text(network: Adapter) -> None:
    """Fails if a text counts as sent although it never reached the network."""
    for outgoing in kinds_of_text(network):
        network.drop_next_request()
        assert isinstance(deliver(network, outgoing), Receipt)
        assert times(network, outgoing.text) == 1


def test_the_receipt_is_the_same_after_a_lost_answer(network: Adapter) -> None:
    outgoing = public("A letter, found again.")
    network.lose_next_answer()
    found = deliver(network, outgoing)
    assert isinstance(found, Receipt)
    keys = {item.key: item for item in network.heard(network.own_address)}
    assert (found.scope, found.key) in {(item.scope, item.key) for item in keys.values()}


@pytest.mark.needs("quotes")
@pytest.mark.parametrize("parts", [(), ("A letter. 1/2", "The rest of the letter. 2/2")])
def test_a_quote_quotes_the_item_and_answers_nothing(
    network: Adapter, parts: tuple[str, ...]
) -> None:
    """Fails if a quote is sent as a reply, or if each part of a thread quotes the item."""
    network.post_as_other("a question")
    item = network.heard()[0]
    outgoing = replace(quote_of(item, "Such a letter! https://a.example/b"), parts=parts)
    network.lose_next_answer()
    found = deliver(network, outgoing)
    assert isinstance(found, Receipt)
    assert len(network.our_posts()) == max(len(parts), 1)
    ours = {each.key: each for each in network.heard(network.own_address)}
    first = ours.pop(found.key)
    assert (first.quotes, first.in_reply_to) == (item.key, "")
    rest = [(each.quotes, each.in_reply_to) for each in ours.values() if "rest" in each.text]
    assert rest == [("", found.key)] * len(parts[1:])


@pytest.mark.needs("threads")
@pytest.mark.parametrize("position", range(len(PARTS)))
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_thread_continues_after_each_part(network: Adapter, position: int, is_lost: bool) -> None:
    """Fails if a part is published twice or left out after an attempt that broke off there."""
    outgoing = public("\n\n".join(PARTS), parts=PARTS)
    if is_lost:
        network.lose_next_answer(skip=position)
    else:
        network.drop_next_request(skip=position)
    assert isinstance(deliver(network, outgoing), Receipt)
    assert network.our_posts() == list(PARTS)
    assert isinstance(deliver(network, outgoing), Receipt), "a repetition finds the whole thread"


@pytest.mark.needs("threads")
@pytest.mark.needs("withdraw")
@pytest.mark.parametrize("is_found", [False, True])
def test_every_post_of_a_thread_is_named_and_can_be_removed(
    network: Adapter, is_found: bool
) -> None:
    """Fails if the receipt names only the first post: the others would stay online."""
    outgoing, editor = public("\n\n".join(PARTS), parts=PARTS), network.channel.editor
    receipt = network.send(outgoing)
    if is_found:
        found = network.find(outgoing)
        assert found == receipt
        receipt = found
    assert receipt.thread_posts[0] == receipt.key
    assert editor
    for left in reversed(range(len(PARTS))):
        for _ in range(2):  # the answer to the first call may have been lost
            editor.withdraw(network.us, replace(receipt, key=receipt.thread_posts[left]))
        assert network.our_posts() == list(PARTS[:left])


def test_the_receipt_of_a_single_post_names_no_thread(network: Adapter) -> None:
    assert network.send(public("One post.")).thread_posts == ()


@pytest.mark.needs("http")
@pytest.mark.parametrize("how", ["status", "refusal", "gone", "dropped", "torn", "web page"])
def test_an_error_of_a_look_up_never_means_absent(network: Adapter, how: str) -> None:
    """Fails if an error of the network is taken for the answer that the text was not sent."""
    outgoing = public("Is it there?")
    network.send(outgoing)
    answers = {"status": {"status": 503}, "refusal": {"status": 400, "body": REFUSAL},
               "gone": {"status": 404, "body": REFUSAL},
               "dropped": {"dropped": True}, "torn": {"torn": True},
               "web page": {"status": 200, "body": b"<html>Back soon</html>"}}  # fmt: skip
    network.wire.fault(times=100, **answers[how])
    found = result_of(network.find, outgoing)
    assert found is not Lookup.ABSENT
    if isinstance(found, ChannelError):
        assert not found.uncertain, "a look-up publishes nothing"
