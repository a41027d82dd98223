"""Tests of the state machine for guarantee G1: it must fail if a guard is removed from the code.

A guard is a few lines of scrm's code that prevent a fault. Each test removes exactly these lines.
If two guards prevent the same fault, the test removes both.

The state machine chooses its events at random, so it can miss a rare fault. A failure here
therefore means that the state machine is too weak, not that scrm has a fault. Run these tests with
`make test-guards`.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError
from hypothesis import Phase
from hypothesis.errors import FlakyFailure

from responses import check_sending, corrections, outbox, post_changes
from responses.models import Delivery, Response
from responses.models.approval import ApprovalRequest
from responses.models.delivery import DeliveryQuerySet
from tests.responses.once import Cast
from tests.responses.test_once_machine import cast, play

__all__ = ["cast"]
pytestmark = [pytest.mark.django_db, pytest.mark.guards]

SEEN = (AssertionError, IntegrityError, FlakyFailure)
"""A failed assertion of the state machine, also if the run cannot be reproduced, or a violated
constraint."""
Cut = tuple[Any, str, str, str]
"""The owner of the function, its name, the text to replace, and its replacement."""
DUE = DeliveryQuerySet, "due"
FENCE = """attempt_id=self.attempt_id,
        state__in=[DeliveryState.SENDING, DeliveryState.UNKNOWN],
        settled_at=None,
"""

GUARDS: dict[str, list[Cut]] = {
    "what is paused does not leave": [(*DUE, "account__paused_at=None,", "")],
    "a pause of everything holds": [(*DUE, ".exclude(Exists(Pause.objects.open()))", "")],
    "not before its time": [(*DUE, "send_after__lte=now,", "")],
    "one claim at a time": [
        (*DUE, "state=DeliveryState.QUEUED,", ""),
        (outbox, "claim", "state=DeliveryState.QUEUED,", ""),
    ],
    "only what has not left is cancelled": [
        (Response, "cancel", 'if mine.deliveries.exclude(state="cancelled").exists():', "if False:")
    ],
    "what may have left is unknown": [(outbox, "_failed", "if error.uncertain:", "if False:")],
    "a dead sender leaves an unknown": [
        (DeliveryQuerySet, "give_up_on_the_dead",
         "state=DeliveryState.UNKNOWN,", "state=DeliveryState.QUEUED,")
    ],
    "a late sleeper is fenced off": [(Delivery, "_settle", FENCE, "")],
    "cannot tell is not absent": [(outbox, "settle", "found is Lookup.ABSENT and ", "")],
    "sent is written down once": [(outbox, "mark_sent", "if mine.state in LEFT:", "if False:")],
    "our own post proves one sending": [
        (outbox, "_not_in_the_record", "if (item.scope, item.key) not in known", "")
    ],
    "a human deals with it once": [
        (check_sending, "take_in_hand",
         "if not mine.update(settled_at=now, settle_after=None):", "if False:")
    ],
    "a signature is under these words": [
        (ApprovalRequest, "signatures",
         "if each.content_hash == self.response.content_hash", "")
    ],
    "nobody signs their own": [
        (ApprovalRequest, "why_not_approved_by", "if own and (", "if False and (")
    ],
    "nobody signs twice": [
        (ApprovalRequest, "why_not_approved_by",
         "if any(each.by_id == user.pk for each in self.signatures):", "if False:")
    ],
    "an old change does not undo a later": [
        (post_changes, "carry_out", "if delivery.is_overtaken:", "if False:")
    ],
    "what waits elsewhere is stopped": [
        (corrections, "_stop_what_waits",
         "update_in_order(queued, state=DeliveryState.CANCELLED, error=why)", "pass")
    ],
    "a budget is kept": [
        (outbox, "claim", "if not throttle.has_turn(delivery, now):", "if False:")
    ],
}  # fmt: skip


@contextmanager
def without(cuts: list[Cut]) -> Iterator[None]:
    """Run the block with these pieces of scrm's code removed, and with all other code unchanged."""
    with ExitStack() as stack:
        for owner, name, there, instead in cuts:
            stack.enter_context(patch.object(owner, name, _cut(owner, name, there, instead)))
        yield


def _cut(owner: Any, name: str, there: str, instead: str) -> Any:
    found = inspect.getattr_static(owner, name)
    function = inspect.unwrap(found.fget if isinstance(found, property) else found)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(there) == 1, f"{name} does not hold once: {there}"
    made: dict[str, Any] = {}
    code = "from __future__ import annotations\n" + source.replace(there, instead)
    exec(code, vars(sys.modules[function.__module__]), made)
    return made[name]


@pytest.mark.parametrize("name", GUARDS)
def test_the_machine_sees_that_it_is_missing(cast: Cast, name: str) -> None:
    with without(GUARDS[name]):
        assert any(_fails(cast, kind) for kind in ("lookup", "none", "key"))


def test_the_machine_sees_nothing_where_nothing_is_missing(cast: Cast) -> None:
    assert not [kind for kind in ("lookup", "none", "key") if _fails(cast, kind)]


def _fails(cast: Cast, kind: str) -> bool:
    try:
        play(cast, kind, examples=120, phases=(Phase.generate,))
    except SEEN:
        return True
    return False
