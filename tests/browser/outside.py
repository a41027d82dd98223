"""The other side: what of ours stands on the sandbox's networks, and what people say there."""

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
    """What stands there in our name, in the order in which it came."""
    said = Post.objects.filter(network=network, author_key__startswith=US[:7])
    return list(said.order_by("seq").values_list("text", flat=True))


def nudged_again(site: Site, delivery: Delivery) -> None:
    """Every nudge may come twice, and late: the sender has carried these out as well."""
    for _ in range(3):
        nudge("scrm.pipeline.deliver", delivery.pk)
    eventually(lambda: not site.machine.queued() and _is_idle(), within=60)


def _is_idle() -> bool:
    """Neither worker nor sender is at anything, or has anything in hand."""
    ask = current_app.control.inspect(timeout=1)
    answers = [ask.reserved() or {}, ask.active() or {}]
    return all(len(each) == 2 and not any(each.values()) for each in answers)


def source_of(account: Account) -> Source:
    """Where what people say to this account on the microblog is heard."""
    return Source.objects.create(
        kind="sandbox", address="mentions", account=account, name="Mentions of us",
        stance=Source.Stance.FOR_US, owner=account.owner,
    )  # fmt: skip


def heard(source: Source, who: str, text: str, *, name: str = "", to: str = "") -> Interaction:
    """Somebody says it over there, and the workers bring it home.

    to: the key of the post that it answers.
    """
    key = community.post(MICROBLOG, who, text, in_reply_to=to, handle=who, name=name)
    Source.objects.filter(pk=source.pk).update(next_poll_at=timezone.now(), lease_until=None)
    nudge("scrm.pipeline.poll", source.pk)
    eventually(lambda: Interaction.objects.filter(key=key), within=60)
    return Interaction.objects.get(key=key)
