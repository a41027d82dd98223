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
    after(HOUR, "2")
    after(4 * DAY)
    after(2 * DAY, "3")
    after(5 * DAY)
    assert len(texts()) == 1
    after(2 * DAY)
    assert len(texts()) == 2


def test_a_short_silence_of_a_young_source_is_not_reported(after: Callable[..., None]) -> None:
    after(HOUR, "1")
    after(2 * DAY)
    assert texts() == []


def test_a_silence_is_reported_once_although_fetches_fail_meanwhile(
    after: Callable[..., None],
) -> None:
    after(HOUR, "1")
    after(HOUR, "2")
    after(4 * DAY)
    for _ in range(3):
        after(HOUR, ChannelError("The server is down."))
        after(HOUR)
    assert len(texts()) == 1


def test_an_outage_is_reported_although_a_silence_was_reported(after: Callable[..., None]) -> None:
    after(HOUR, "1")
    after(HOUR, "2")
    after(4 * DAY)
    for _ in range(3):
        after(5 * HOUR, ChannelError("The server is down."))
    assert "Every fetch has failed" in texts()[1]
    after(HOUR)
    assert len(texts()) == 2


def test_a_source_without_an_observed_silence_is_reported_after_four_weeks(
    after: Callable[..., None],
) -> None:
    """Such as a young source, or every source after an upgrade."""
    after(HOUR, "1")
    after(27 * DAY)
    assert texts() == []
    after(2 * DAY)
    assert len(texts()) == 1


def test_the_time_before_the_first_failure_is_no_outage(after: Callable[..., None]) -> None:
    """Fails if a source with a long interval, or one that was paused, counts as failing since."""
    broken = ChannelError("The server is down.")
    after(HOUR, "1")
    after(7 * DAY, broken)
    after(HOUR, broken)
    assert texts() == []
    after(6 * HOUR, broken)
    assert "failed for 7 hours" in texts()[0].replace("\xa0", " ")


def test_a_wait_for_a_budget_is_neither_an_outage_nor_a_silence(
    after: Callable[..., None], source: Source
) -> None:
    broken = ChannelError("The server is down.")
    for answer in (broken, None):
        after(HOUR, "1")
        after(HOUR, "2")
        after(HOUR, broken)
        # See `Source.record_waiting`.
        Source.objects.update(failures=0, error="The budget is used up.")
        after(30 * DAY, answer)
    assert texts() == []


def test_the_longest_outage_is_reported_once_and_again_after_a_recovery(
    after: Callable[..., None],
) -> None:
    broken = ChannelError("The server is down.")
    after(HOUR, "1")
    after(HOUR, broken)
    after(5 * HOUR, broken)
    assert texts() == []
    after(2 * HOUR, broken)
    after(HOUR, broken)
    (text,) = texts()
    assert "The server is down." in text
    after(HOUR, "2")
    after(HOUR, broken)
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
    after(23 * HOUR, ChannelError("The server is down."))
    assert source.is_active
    after(HOUR, gone)
    assert not source.is_active
    assert texts()[1:] == ["It was paused. It was removed for good (410)."]
    page = as_(admin).get(source.get_absolute_url()).content.decode()
    assert "It was removed for good (410)." in page
    assert "Resume" in page


def test_a_single_answer_that_a_source_is_gone_does_not_pause_it(
    after: Callable[..., None], source: Source
) -> None:
    gone = ChannelError("It was removed for good (410).", permanent=True, gone=True)
    for _ in range(3):
        after(DAY, gone)
        after(HOUR, "1")
    assert source.is_active


def test_a_pause_is_no_silence(
    after: Callable[..., None],
    source: Source,
    clock: time_machine.Coordinates,
    admin: User,
    as_: Callable[[User], Client],
) -> None:
    broken = ChannelError("The server is down.")
    for answer in (None, broken):
        after(HOUR, "1")
        after(HOUR, "2")
        after(HOUR, broken)
        Source.objects.update(is_active=False)
        clock.shift(30 * DAY)
        as_(admin).post(reverse("listening:source_pause", args=[source.pk]), {"to": "active"})
        source.refresh_from_db()
        after(HOUR, answer)
    assert texts() == []
