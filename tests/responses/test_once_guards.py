"""The machine of G1 sees each guard that is missing: it is played with one taken out.

A guard behind which a second one stands (a cancelled sending is neither queued nor released)
cannot be told this way, and is not in this list. Which plays are found differs from run to run,
and a rare one may be missed: this judges the machine, not the product, by `make test-guards`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import PropertyMock, patch

import pytest
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from hypothesis import Phase
from hypothesis.errors import FlakyFailure

from crm.models.pause import PauseQuerySet
from responses import corrections, outbox
from responses.models import Delivery, Response
from responses.models.sending import DeliveryQuerySet
from responses.models.signed import Signed
from scrm.channels.base import Lookup, Receipt
from tests.responses.network import Network
from tests.responses.once import Cast
from tests.responses.test_once_machine import cast, play

__all__ = ["cast"]
pytestmark = [pytest.mark.django_db, pytest.mark.guards]

SEEN = (AssertionError, IntegrityError, FlakyFailure)
"""What the machine asserts, also where it then cannot be played again; or a constraint."""
Guard = Callable[[], Any]
_due = DeliveryQuerySet.due


def _wider(**blind: Any) -> Guard:
    """`due` wider by the rows that are so; they pass its other conditions as well."""

    def due(self: DeliveryQuerySet, now: Any) -> DeliveryQuerySet:
        released = {"state": "queued", "settled_at": None, "response__state": "released"}
        kept_back = Delivery.objects.filter(**(released | blind)).values("pk")
        return self.filter(pk__in=kept_back) | self.filter(pk__in=_due(Delivery.objects.all(), now))

    return lambda: patch.object(DeliveryQuerySet, "due", due)


def _open_pauses_are_not_seen() -> Any:
    return patch.object(PauseQuerySet, "open", lambda self: self.none())


@contextmanager
def _whoever_claims_gets_it() -> Iterator[None]:
    """Neither `due` nor the compare-and-set looks at the state of the sending."""

    def claim(self: Delivery, *, now: Any) -> bool:
        mine = Delivery.objects.filter(pk=self.pk, response__state="released")
        mine.update(state="sending", attempts=F("attempts") + 1, lease_until=now)
        self.refresh_from_db()
        return True

    with patch.object(Delivery, "claim", claim):
        yield


def _cancel(self: Response, *, by: Any) -> None:
    self.deliveries.filter(state="queued").update(state="cancelled")
    self.become("cancelled")


def _failed(delivery: Delivery, error: Any) -> None:
    now = timezone.now()
    if error.permanent:
        delivery.fail(error.message)
    else:
        delivery.back_to_queue(after=error.retry_after or 5, error=error.message, now=now)


def _give_up(self: DeliveryQuerySet, now: Any) -> int:
    dead = self.filter(state="sending", lease_until__lt=now)
    return dead.update(state="queued", lease_until=None, send_after=now)


def _settle(self: Delivery, **values: Any) -> None:
    Delivery.objects.filter(pk=self.pk).update(lease_until=None, **values)


_find = Network.find


def _absent(self: Network, *asked: Any) -> Any:
    found = _find(self, *asked)
    return found if isinstance(found, Receipt) else Lookup.ABSENT


def _take_in_hand(self: Delivery, *, now: Any) -> Delivery:
    return Delivery.objects.select_related("response", "account").get(pk=self.pk)


def _every_signature(self: Signed) -> Any:
    return [each for each in self.approvals.all() if each.approved]


GUARDS: dict[str, Guard] = {
    "what is paused does not leave": _wider(account__paused_at__isnull=False),
    "a pause of everything holds": _open_pauses_are_not_seen,
    "not before its time": _wider(send_after__gt=timezone.now()),
    "one claim at a time": _whoever_claims_gets_it,
    "only what has not left is cancelled": lambda: patch.object(Response, "cancel", _cancel),
    "what may have left is unknown": lambda: patch.object(outbox, "_failed", _failed),
    "a dead sender leaves an unknown": lambda: patch.object(
        DeliveryQuerySet, "give_up_on_the_dead", _give_up
    ),
    "a late sleeper is fenced off": lambda: patch.object(Delivery, "_settle", _settle),
    "cannot tell is not absent": lambda: patch.object(Network, "find", _absent),
    "sent is written down once": lambda: patch.object(outbox, "LEFT", ()),
    "our own post proves one sending": lambda: patch.object(
        outbox, "_not_in_the_record", lambda posts: list(posts)
    ),
    "a human deals with it once": lambda: patch.object(Delivery, "take_in_hand", _take_in_hand),
    "a signature is under these words": lambda: patch.object(
        Signed, "signatures", property(_every_signature)
    ),
    "nobody signs their own, or twice": lambda: patch.object(
        Signed, "why_not_signed_by", lambda self, user: ""
    ),
    "an old change does not undo a later": lambda: patch.object(
        Delivery, "is_overtaken", PropertyMock(return_value=False)
    ),
    "what waits elsewhere is stopped": lambda: patch.object(
        corrections, "_stop_what_waits", lambda response, why: None
    ),
    "a budget is kept": lambda: patch.object(Delivery, "_has_its_turn", lambda self, now: True),
}


@pytest.mark.parametrize("name", GUARDS)
def test_the_machine_sees_that_it_is_missing(cast: Cast, name: str) -> None:
    assert any(_fails_without(name, cast, kind) for kind in ("lookup", "none", "key"))


def _fails_without(name: str, cast: Cast, kind: str) -> bool:
    with GUARDS[name]():
        try:
            play(cast, kind, examples=120, phases=(Phase.generate,))
        except SEEN:
            return True
    return False
