"""The owner learns that a source fails or stays silent for longer than ever before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from crm.models import Notice, User
from listening.models import Source
from scrm.channels.base import ChannelError
from tests.listening.test_fetch import NOON, Village, go, item
from tests.listening.test_fetch import clock as clock  # noqa: PLC0414
from tests.listening.test_fetch import source as source  # noqa: PLC0414
from tests.listening.test_fetch import village as village  # noqa: PLC0414

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def texts() -> list[str]:
    return list(
        Notice.objects.filter(kind=Notice.Kind.SOURCE_GAP)
        .order_by("pk")
        .values_list("text", flat=True)
    )


@pytest.fixture
def after(
    source: Source, village: Village, clock: time_machine.Coordinates
) -> Callable[[timedelta, object], None]:
    """Return a function that waits and then fetches an item, nothing, or an error."""

    def wait(span: timedelta, answer: object = None) -> None:
        clock.shift(span)
        if isinstance(answer, Exception):
            village.answers.append(answer)
        elif isinstance(answer, str):
            village.says(item(answer))
        else:
            village.says(unchanged=True)
        go(source)

    return wait


def test_the_longest_silence_is_reported_once(after: Callable[..., None], source: Source) -> None:
    after(HOUR, "1")
    after(5 * DAY, "2")
    after(5 * DAY)
    assert texts() == []
    after(HOUR)
    after(DAY)
    (text,) = texts()
    assert "Nothing new for 5 days, 1 hour." in text.replace("\xa0", " ")
    notice = Notice.objects.get()
    assert (notice.user, notice.url) == (source.owner, source.get_absolute_url())


def test_a_silence_after_a_reported_one_is_reported_only_if_it_is_longer(
    after: Callable[..., None],
) -> None:
    after(HOUR, "1")
    after(4 * DAY)
    after(2 * DAY, "2")
    after(5 * DAY)
    assert len(texts()) == 1
    after(2 * DAY)
    assert len(texts()) == 2


def test_a_short_silence_of_a_young_source_is_not_reported(after: Callable[..., None]) -> None:
    after(HOUR, "1")
    after(2 * DAY)
    assert texts() == []


def test_the_longest_outage_is_reported_once_and_again_after_a_recovery(
    after: Callable[..., None],
) -> None:
    broken = ChannelError("The server is down.")
    after(HOUR, "1")
    after(5 * HOUR, broken)
    assert texts() == []
    after(2 * HOUR, broken)
    after(HOUR, broken)
    (text,) = texts()
    assert "The server is down." in text
    after(HOUR, "2")
    after(8 * HOUR, broken)
    assert len(texts()) == 1
    after(2 * HOUR, broken)
    assert len(texts()) == 2


def test_a_source_that_was_never_fetched_before_the_upgrade_begins_its_history_now(
    after: Callable[..., None], source: Source
) -> None:
    """Fails if an old source without a history is reported at its first fetch."""
    Source.objects.update(created_at=NOON - 400 * DAY, last_ok_at=NOON)
    after(HOUR)
    assert texts() == []


def test_a_source_that_is_gone_is_paused_with_the_reason(
    after: Callable[..., None], source: Source, admin: User, as_: Callable[[User], Client]
) -> None:
    gone = ChannelError("It was removed for good (410).", permanent=True, gone=True)
    after(HOUR, gone)
    assert not source.is_active
    assert texts() == ["It was paused. It was removed for good (410)."]
    page = as_(admin).get(source.get_absolute_url()).content.decode()
    assert "It was removed for good (410)." in page
    assert "Resume" in page


def test_a_pause_is_no_silence(
    after: Callable[..., None],
    source: Source,
    clock: time_machine.Coordinates,
    admin: User,
    as_: Callable[[User], Client],
) -> None:
    after(HOUR, "1")
    Source.objects.update(is_active=False)
    clock.shift(30 * DAY)
    as_(admin).post(reverse("listening:source_pause", args=[source.pk]), {"to": "active"})
    after(HOUR)
    assert texts() == []
