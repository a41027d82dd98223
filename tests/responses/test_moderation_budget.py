"""On a network that charges per use, moderation is booked in the budget of the account."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.utils import timezone

from crm import spending
from crm.models import Account, Interaction, User
from responses.models import Moderation
from routing.models import Case
from scrm.channels.prices import PriceList
from scrm.channels.sandbox import community
from scrm.channels.sandbox.channel import CHANNEL
from tests.responses.conftest import NETWORK
from tests.responses.test_moderation import act, case, marks, said

__all__ = ["case", "said"]

pytestmark = pytest.mark.django_db(transaction=True)
LIKE = 15_000


@pytest.fixture(autouse=True)
def paid(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = PriceList(date(2026, 11, 29), "https://prices.example", {"like": LIKE, "unlike": LIKE})
    channel = replace(CHANNEL, prices=prices, moderation_usage=lambda action: {action: 1})
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: channel)


def spent(account: Account) -> int:
    return spending.spent_by(account, now=timezone.now()).day


def test_a_like_is_booked_once(
    case: Case, said: Interaction, microblog: Account, agent: User
) -> None:
    """Fails if a second click is booked too, although the network is not asked again."""
    for _ in range(2):
        assert act(case, said, "like", agent).state == Moderation.State.DONE
    assert spent(microblog) == LIKE


def test_beyond_the_budget_the_network_is_not_asked(
    case: Case, said: Interaction, microblog: Account, agent: User
) -> None:
    microblog.keep_with({"usd_per_day": LIKE})
    assert act(case, said, "like", agent).state == Moderation.State.DONE
    row = act(case, said, "unlike", agent)
    assert row.state == Moderation.State.FAILED
    assert "The budget of “@SkywardAir” is used up" in row.error
    assert "Try again on" in row.error
    assert marks() == {"like"}
    assert spent(microblog) == LIKE


def test_a_refused_action_costs_nothing(
    case: Case, said: Interaction, microblog: Account, agent: User
) -> None:
    community.fail(NETWORK, "refused", call="moderate")
    assert act(case, said, "like", agent).state == Moderation.State.FAILED
    assert spent(microblog) == 0


def test_an_action_whose_answer_was_lost_stays_booked(
    case: Case, said: Interaction, microblog: Account, agent: User
) -> None:
    """Fails if the booking is removed although the network may have charged for the action."""
    community.fail(NETWORK, "answer lost", call="moderate")
    assert act(case, said, "like", agent).state == Moderation.State.FAILED
    assert spent(microblog) == LIKE
