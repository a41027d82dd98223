"""The page “Targets and hours”."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import Client
from django.utils import timezone

from crm.models import Department, Job, User
from routing.clock import Holiday
from routing.due_times import JOB
from routing.forms.times import format_minutes, parse_intervals, parse_seconds
from routing.models import Calendar, CalendarUse, Case, ResponseTarget
from scrm.celery import app
from tests.routing.hearing import DAY, HOUR, NOW, hear
from tests.together import at_once

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-18:00")
FORM = {"name": "Desk", "zone": "Europe/Stockholm", "is_default": "on", **WEEK}


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    return service


def post(client: Client, **typed: Any) -> Any:
    return client.post("/hours/new/", FORM | typed)


def test_without_a_calendar_the_page_says_that_targets_count_around_the_clock(
    as_: As, admin: User
) -> None:
    assert "count around the clock" in as_(admin).get("/hours/").content.decode()


def test_saving_makes_a_revision_and_recomputes_the_departments(
    as_: As, admin: User, service: Department, sales: Department
) -> None:
    client = as_(admin)
    page = post(client, wed="9-12, 13-18", sat="22:00-02:00")
    calendar = Calendar.objects.get()
    assert page["Location"] == f"/hours/{calendar.pk}/"
    hours = calendar.in_force().hours
    assert hours.week[2] == ((540, 720), (780, 1080))
    assert hours.week[5] == ((1320, 120),)
    assert Job.objects.get(kind=JOB).data["departments"] == [service.pk, sales.pk]
    client.post(f"/hours/{calendar.pk}/", FORM | {"departments": [sales.pk]})
    assert [row.number for row in calendar.revisions.order_by("number")] == [1, 2]
    assert CalendarUse.objects.get().department == sales


def test_holidays_are_typed_or_pasted(as_: As, admin: User) -> None:
    post(
        as_(admin),
        holiday_day=["2026-12-24", ""], holiday_name=["Christmas Eve", ""],
        holiday_hours=["9-12", ""], holiday_yearly=["", ""],
        pasted="2026-12-25 Christmas Day\n\n2027-01-01",
    )  # fmt: skip
    assert Calendar.objects.get().in_force().hours.holidays == (
        Holiday(date(2026, 12, 24), "Christmas Eve", ((540, 720),)),
        Holiday(date(2026, 12, 25), "Christmas Day"),
        Holiday(date(2027, 1, 1)),
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (dict.fromkeys(WEEK, ""), "Enter hours for at least one weekday"),
        ({"mon": "nine to five"}, "is not a valid time range"),
        ({"mon": "9-12, 11-13"}, "These hours overlap"),
        ({"mon": "9-25"}, "Enter times from 00:00 to 24:00"),
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"name": ""}, "This field is required"),
        ({"holiday_day": "Christmas", "holiday_hours": ""}, "Enter a date such as 2026-12-24"),
        ({"holiday_day": ["2026-12-24"] * 2}, "This day is listed twice"),
        ({"pasted": "2026-12-24 Eve\n2026-12-24 Eve again"}, "This day is listed twice"),
    ],
)
def test_wrong_hours_are_refused_at_their_field_and_nothing_is_saved(
    as_: As, admin: User, typed: dict[str, Any], words: str
) -> None:
    page = post(as_(admin), **typed)
    assert page.status_code == 422
    assert words in page.content.decode()
    assert not Calendar.objects.exists()


def test_the_only_default_calendar_stays_the_default(as_: As, admin: User) -> None:
    client = as_(admin)
    post(client)
    calendar = Calendar.objects.get()
    page = client.post(f"/hours/{calendar.pk}/", FORM | {"is_default": ""})
    assert "There must be a default calendar" in page.content.decode()


def targets(client: Client, department: Department, **typed: str) -> Any:
    return client.post(f"/departments/{department.pk}/targets/", typed)


def test_targets_are_typed_in_minutes_hours_or_opening_days(
    as_: As, admin: User, service: Department
) -> None:
    client = as_(admin)
    post(client)
    targets(client, service, high_first="1 h 30 min", high_next="4", high_resolution="2 d")
    row = ResponseTarget.objects.get()
    assert (row.priority, row.first, row.next, row.resolution) == ("high", 90, 240, 18 * 60)
    assert 'value="2 d"' in client.get("/hours/").content.decode()
    targets(client, service)
    assert not ResponseTarget.objects.exists()


def test_saving_targets_recomputes_the_due_times_of_the_department(
    as_: As, admin: User, service: Department, sales: Department
) -> None:
    """The page asks for the job, and the job's task moves the open cases of this department.

    Fails if open cases keep the due times of the old targets.
    """
    cases = [hear("anna"), hear("ben")]
    Case.objects.filter(pk=cases[1].pk).update(department=sales)
    assert {case.due_at for case in cases} == {NOW + DAY}  # the reply window of the channel
    targets(as_(admin), service, normal_first="2 h")
    job = Job.objects.get(kind=JOB)
    assert (job.owner, job.data["departments"]) == (admin, [service.pk])
    app.loader.import_default_modules()  # as a worker does
    app.tasks[JOB](job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    for case in cases:
        case.refresh_from_db()
    assert [case.due_at for case in cases] == [NOW + 2 * HOUR, NOW + DAY]


def test_wrong_targets_ask_for_no_job(as_: As, admin: User, service: Department) -> None:
    assert targets(as_(admin), service, high_first="soon").status_code == 422
    assert not Job.objects.exists()


def test_another_calendar_can_become_the_default(as_: As, admin: User, service: Department) -> None:
    """Fails if the database refuses two defaults, or if cases keep the hours of the old one."""
    client = as_(admin)
    post(client)
    post(client, name="Early", is_default="", mon="07:00-18:00")
    desk, early = Calendar.objects.order_by("pk")
    assert (desk.is_default, early.is_default) == (True, False)
    Job.objects.all().delete()
    page = client.post(f"/hours/{early.pk}/", FORM | {"name": "Early", "mon": "07:00-18:00"})
    assert page.status_code == 302
    assert Calendar.objects.get(is_default=True) == early
    assert Calendar.objects.in_force().of(service.pk).hours.week[0] == ((420, 1080),)
    assert Job.objects.get(kind=JOB).data["departments"] == [service.pk]


def test_the_page_says_what_saving_would_change(as_: As, admin: User, service: Department) -> None:
    """Anna's case gets a due time and is overdue at once; Ben's comes later. Fails if the counts
    are always those of nothing.
    """
    now = timezone.now()
    anna, ben = hear("anna", now=now - 2 * HOUR), hear("ben", now=now)
    always = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00-24:00")
    typed = FORM | always | {
        "normal_first": "1 h", "day": "4", "time": "17:40", "priority": "normal",
        "department": service.pk,
    }  # fmt: skip
    page = as_(admin).post("/hours/try/", typed)
    found = page.context["preview"]
    assert (found.changed, found.late) == ([anna.pk, ben.pk], [anna.pk])
    words = " ".join(page.content.decode().split())
    assert "2 open cases get a new due time." in words
    assert "1 becomes overdue." in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5 s", "Enter at least 1 minute."),
        ("soon", "is not a valid duration"),
        ("999999 h", "at most one year"),
    ],
)
def test_a_wrong_target_is_refused_with_its_name(
    as_: As, admin: User, service: Department, text: str, words: str
) -> None:
    page = targets(as_(admin), service, high_first=text)
    assert page.status_code == 422
    assert words in page.content.decode()
    assert "High: First response" in page.content.decode()
    assert not ResponseTarget.objects.exists()


def test_a_target_shorter_than_the_undo_window_is_refused(
    as_: As, admin: User, service: Department, settings: Any
) -> None:
    settings.UNDO_SECONDS = 120
    page = targets(as_(admin), service, high_first="90 s")
    assert "Enter at least 2 minutes." in page.content.decode()


def test_the_try_out_counts_the_minutes_of_what_is_typed(
    as_: As, admin: User, service: Department
) -> None:
    """A message on Friday 17:40 with an hour is due on Monday at 09:40; nothing is saved."""
    typed = FORM | {
        "urgent_first": "1 h", "day": "4", "time": "17:40", "priority": "urgent",
        "department": service.pk,
    }  # fmt: skip
    page = as_(admin).post("/hours/try/", typed).content.decode()
    assert "Monday at 09:40" in page
    assert "20 min" in page
    assert "40 min" in page
    assert "here 9 h." in page  # a working day with the typed hours
    assert not Calendar.objects.exists()


def test_a_night_shift_is_drawn_on_both_days(as_: As, admin: User) -> None:
    client = as_(admin)
    post(client, mon="22:00-06:00", tue="")
    page = client.get("/hours/").content.decode()
    monday, tuesday = page.split('<div class="day">')[1:3]
    assert '<rect class="open" x="1320" width="120"' in monday
    assert '<rect class="rest" x="0" width="360"' in tuesday
    assert ">until 06:00<" in tuesday


def test_the_try_out_of_wrong_hours_asks_for_a_correction(as_: As, admin: User) -> None:
    page = as_(admin).post("/hours/try/", FORM | {"mon": "x"})
    assert "Correct the hours" in page.content.decode()


def test_times_and_durations_are_read_as_people_type_them() -> None:
    assert parse_intervals("9-12, 13:30 to 18") == ((540, 720), (810, 1080))
    assert parse_intervals("closed") == ()
    assert parse_seconds("1,5 h", day=540) == 5400
    assert parse_seconds("none", day=540) is None
    assert format_minutes(109) == "1 h 49 min"
    with pytest.raises(ValidationError):
        parse_seconds("h", day=540)


@pytest.mark.parametrize("text", ["1 h 30", "30 1 h", "1 30"])
def test_a_number_without_a_unit_beside_another_number_is_no_duration(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_seconds(text, day=540)


def test_the_try_out_counts_with_the_calendar_of_the_chosen_department(
    as_: As, admin: User, service: Department
) -> None:
    client = as_(admin)
    post(client)
    post(client, name="Early", is_default="", departments=[service.pk], mon="07:00-18:00")
    typed = FORM | {
        "urgent_first": "1 h", "day": "4", "time": "17:40", "priority": "urgent",
        "department": service.pk, "calendar": Calendar.objects.get(name="Desk").pk,
    }  # fmt: skip
    assert "Monday at 07:40" in client.post("/hours/try/", typed).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_job_finds_the_cases_of_transactions_that_used_the_old_targets(
    as_: As, admin: User, service: Department
) -> None:
    """While a message is routed, targets are saved, and the job runs before that is committed.

    Fails if the job does not wait: the new case keeps the due time of the old targets.
    """
    began, saved, browser = Event(), Event(), as_(admin)
    app.loader.import_default_modules()  # as a worker does

    def route() -> None:
        with transaction.atomic():
            hear("anna")
            began.set()
            saved.wait(timeout=30)
            sleep(1)

    def save() -> None:
        began.wait(timeout=30)
        targets(browser, service, normal_first="2 h")
        saved.set()
        app.tasks[JOB](Job.objects.get(kind=JOB).pk)

    at_once(route, save)
    assert Case.objects.get().due_at == NOW + 2 * HOUR
