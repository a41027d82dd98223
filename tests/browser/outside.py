"""The sandbox's networks, used as outsiders do: read our posts, and write posts of the public."""

from __future__ import annotations

from celery import current_app
from django.utils import timezone

from crm.models import Account, Interaction
from listening.models import Source
from responses.models import Delivery
from scrm.bus.nudge import nudge
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.remote import MICROBLOG
from tests.browser.conftest import Site
from tests.browser.world import US
from tests.machinery import eventually


def ours(network: str = MICROBLOG) -> list[str]:
    """Return the texts that we posted on a network, in the order in which they arrived."""
    said = Post.objects.filter(network=network, author_key__startswith=US[:7])
    return list(said.order_by("seq").values_list("text", flat=True))


def nudged_again(site: Site, delivery: Delivery) -> None:
    """Send the message that wakes the sender for this delivery again, because such a message can
    arrive twice and late.

    Returns when the sender has processed the additional messages.
    """
    for _ in range(3):
        nudge("scrm.pipeline.deliver", delivery.pk)
    eventually(lambda: not site.machine.queued() and _is_idle(), within=60)


def _is_idle() -> bool:
    """Return whether worker and sender process no task and have received no further task."""
    ask = current_app.control.inspect(timeout=1)
    answers = [ask.reserved() or {}, ask.active() or {}]
    return all(len(each) == 2 and not any(each.values()) for each in answers)


def source_of(account: Account) -> Source:
    """Return a source that finds posts to this account on the microblog."""
    return Source.objects.create(
        kind="sandbox", address="mentions", account=account, name="Mentions of us",
        stance=Source.Stance.FOR_US, owner=account.owner,
    )  # fmt: skip


def heard(source: Source, who: str, text: str, *, name: str = "", to: str = "") -> Interaction:
    """Post a text as a member of the public, and wait until the workers have recorded it.

    to: the key of the post that the text answers.
    """
    key = community.post(MICROBLOG, who, text, in_reply_to=to, handle=who, name=name)
    Source.objects.filter(pk=source.pk).update(next_fetch_at=timezone.now(), lease_until=None)
    nudge("scrm.pipeline.poll", source.pk)
    eventually(lambda: Interaction.objects.filter(key=key), within=60)
    return Interaction.objects.get(key=key)
