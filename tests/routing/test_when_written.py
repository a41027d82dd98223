"""Rules can ask for the weekday, the time of day and the working hours of an item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from crm.models import Account, Department, User, Workspace
from listening.fetch import fetch_source
from listening.models import Source, Topic
from routing.clock import Hours
from routing.models import Calendar, Case, RoutingRule
from routing.when_written import WhenWritten
from scrm import pipeline
from scrm.channels.sandbox import community

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


@pytest.mark.parametrize(("at", "place"), [(NIGHT, "Night"), (NIGHT + timedelta(hours=8), "Day")])
def test_a_rule_that_asks_for_working_hours_decides(
    make_source: Callable[..., Source], microblog: Account, admin: User, brand: Topic,
    at: datetime, place: str,
) -> None:  # fmt: skip
    """A post of Monday night goes to another department than one of Tuesday morning.

    Fails if the fact does not arrive in the rules.
    """
    Calendar.objects.create(name="Office", owner=admin, is_default=True).revise(OFFICE, by=admin)
    for name, is_open in (("Day", True), ("Night", False)):
        rule = RoutingRule.objects.create(name=name, owner=admin)
        asked = {"field": "working_hours", "op": "is", "value": is_open}
        to = Department.objects.create(name=name, owner=admin)
        rule.revise(conditions={"all": [asked]}, department=to, by=admin)
    community.reset()
    community.post("sandbox.microblog", "tom", "@SkywardAir where is my bag?", at=at)
    with time_machine.travel(at + timedelta(minutes=1), tick=False):
        source = make_source(
            kind="sandbox", address="mentions", account=microblog, stance="for us",
            created_at=at,
        )  # fmt: skip
        source.fetch_now()
        fetch_source(source)
        pipeline.process()
    assert Case.objects.get().department.name == place
