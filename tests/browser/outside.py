"""Functions that use the networks of the sandbox as people outside the organisation do.

They read the posts of our accounts, and write posts as members of the public.
"""

from __future__ import annotations

from celery import current_app
from django.utils import timezone

from crm.models import Account, Interaction
from listening.models import Source
from responses.models import Delivery
from scrm.bus.nudge import nudge
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import MICROBLOG
from tests.browser.conftest import Site
from tests.browser.world import US
from tests.machinery import eventually


def ours(network: str = MICROBLOG) -> list[str]:
    """Return the texts of our posts on a network, in the order in which they arrived."""
    said = Post.objects.filter(network=network, author_key__startswith=US[:7])
    return list(said.order_by("seq").values_list("text", flat=True))


def nudged_again(site: Site, delivery: Delivery) -> None:
    """Send three more nudges for this delivery, and wait until the sender has processed them.

    Celery can deliver a nudge twice and late, so a second nudge must not send the text again.
    """
    for _ in range(3):
        nudge("scrm.pipeline.deliver", delivery.pk)
    eventually(lambda: not site.machine.queued() and _is_idle(), within=60)


def _is_idle() -> bool:
    """Return whether the worker and the sender run no task and have received no further task."""
    ask = current_app.control.inspect(timeout=1)
    answers = [ask.reserved() or {}, ask.active() or {}]
    return all(len(each) == 2 and not any(each.values()) for each in answers)


def source_of(account: Account) -> Source:
    """Create a source that finds the posts on the microblog that mention this account."""
    return Source.objects.create(
        kind="sandbox", address="mentions", account=account, name="Mentions of us",
        stance=Source.Stance.FOR_US, owner=account.owner,
    )  # fmt: skip


def heard(source: Source, who: str, text: str, *, name: str = "", to: str = "") -> Interaction:
    """Write a post as a member of the public, and wait until the workers have recorded it.

    `to` is the key of the post that the new post answers.
    """
    key = community.post(MICROBLOG, who, text, in_reply_to=to, handle=who, name=name)
    Source.objects.filter(pk=source.pk).update(next_fetch_at=timezone.now(), lease_until=None)
    nudge("scrm.pipeline.poll", source.pk)
    eventually(lambda: Interaction.objects.filter(key=key), within=60)
    return Interaction.objects.get(key=key)
