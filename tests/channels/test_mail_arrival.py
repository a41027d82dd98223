"""The time of arrival that a mail server states."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrm.channels.email import listen

LINE = '1 (UID 4 RFC822.SIZE 10 INTERNALDATE "{}")'


def test_the_time_of_arrival_is_read() -> None:
    mail = listen._fact(LINE.format("17-Jul-2026 02:44:25 +0200").encode())
    assert mail is not None
    assert mail.came == datetime(2026, 7, 17, 0, 44, 25, tzinfo=UTC)


@pytest.mark.parametrize("date", ["17-Xyz-2020 02:44:25 +0000", "31-Dec-9999 23:59:59 -1200"])
def test_a_wrong_time_of_arrival_stops_no_fetch(date: str) -> None:
    mail = listen._fact(LINE.format(date).encode())
    assert mail is not None
    assert (mail.uid, mail.size, mail.came) == (4, 10, None)
