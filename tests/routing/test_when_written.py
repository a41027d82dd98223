"""Rules can ask for the weekday, the time of day and the working hours of an item."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crm.models import User, Workspace
from routing.clock import Hours
from routing.models import Calendar
from routing.when_written import WhenWritten

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # a Monday; in Helsinki, it is Tuesday 01:30
OFFICE = Hours("Europe/Helsinki", week=(((540, 1020),),) * 5 + ((), ()))


def test_the_time_is_that_of_the_workspace(admin: User) -> None:
    Workspace.objects.create(organisation="Skyward", zone="Europe/Helsinki")
    written = WhenWritten.load().at(NIGHT)
    assert (written.local.strftime("%A %H:%M"), written.in_working_hours) == ("Tuesday 01:30", None)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (NIGHT, False),
        (datetime(2026, 3, 3, 7, 0, tzinfo=UTC), True),  # 09:00 in Helsinki
        (datetime(2026, 3, 3, 15, 0, tzinfo=UTC), False),  # 17:00, when it closes
        (datetime(2026, 3, 7, 10, 0, tzinfo=UTC), False),  # a Saturday
    ],
)
def test_the_default_calendar_says_what_working_hours_are(
    admin: User, moment: datetime, is_open: bool
) -> None:
    calendar = Calendar.objects.create(name="Office", owner=admin, is_default=True)
    calendar.revise(OFFICE, by=admin)
    assert WhenWritten.load().at(moment).in_working_hours is is_open


def test_a_date_in_the_year_1_is_no_error(admin: User) -> None:
    Workspace.objects.create(organisation="Skyward", zone="America/New_York")
    calendar = Calendar.objects.create(name="Office", owner=admin, is_default=True)
    calendar.revise(OFFICE, by=admin)
    assert WhenWritten.load().at(datetime(1, 1, 1, tzinfo=UTC)).in_working_hours is None
