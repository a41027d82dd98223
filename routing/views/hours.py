"""The page “Targets and hours”: calendars, SLA targets, and what a change would do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from crm.models import Department, Job, Workspace
from routing import due_times
from routing.case_clock import Targets
from routing.clock import Hours, due, spans_between, warn_at
from routing.due_times import Settings
from routing.forms.calendar import KINDS, CalendarForm, TargetsForm
from routing.forms.try_out import TryOutForm
from routing.models import Calendar, CalendarUse, ResponseTarget
from routing.models.calendar import HoursInForce, InForce
from scrm.web.params import number

_UNSAVED = -1
"""Stands for the revision that saving would create."""


@admin_only
@require_safe
def hours(request: StaffRequest) -> HttpResponse:
    """Show the default calendar; without one, the form for the first calendar."""
    default = Calendar.objects.filter(is_default=True).first()
    return _page(request, CalendarForm(instance=default, zone=_zone()), default)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def calendar_new(request: StaffRequest) -> HttpResponse:
    return _edit(request, None)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def calendar(request: StaffRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Calendar.objects.select_related("current"), pk=pk))


def _edit(request: StaffRequest, row: Calendar | None) -> HttpResponse:
    form = CalendarForm(request.POST or None, instance=row, zone=_zone())
    if not form.is_valid():
        return _page(request, form, row, status=422 if form.is_bound else 200)
    saved = _save(form, request)
    messages.success(request, _("Hours saved. The due times of open cases are being updated."))
    return redirect(saved)


@transaction.atomic
def _save(form: CalendarForm, request: StaffRequest) -> Calendar:
    before = Calendar.objects.in_force()
    data = form.cleaned_data
    calendar: Calendar = form.instance
    if data["is_default"]:
        # Clear the old default first: a unique constraint allows only one.
        others = Calendar.objects.filter(is_default=True).exclude(pk=calendar.pk)
        others.update(is_default=False)
    calendar.is_default = data["is_default"]
    if calendar.owner_id is None:
        calendar.owner = request.user
    calendar.save()
    calendar.revise(data["hours"], by=request.user, snooze_pauses=data["snooze_pauses"])
    CalendarUse.objects.filter(calendar=calendar).exclude(
        department__in=data["departments"]
    ).delete()
    for department in data["departments"]:
        CalendarUse.objects.update_or_create(department=department, defaults={"calendar": calendar})
    after = Calendar.objects.in_force()
    departments = Department.objects.values_list("pk", flat=True)
    _recompute(request, [pk for pk in departments if before.of(pk) != after.of(pk)])
    return calendar


@admin_only
@require_POST
def targets(request: StaffRequest, pk: int) -> HttpResponse:
    """Save the targets of a department."""
    department = get_object_or_404(Department, pk=pk)
    in_force = Calendar.objects.in_force().of(pk).hours
    form = TargetsForm(request.POST, targets=_targets_of(department), hours=in_force)
    shown = Calendar.objects.filter(pk=number(request.POST.get("calendar", "")) or 0).first()
    if not form.is_valid():
        calendar_form = CalendarForm(instance=shown, zone=_zone())
        return _page(request, calendar_form, shown, targets_form=form, asked=pk, status=422)
    with transaction.atomic():
        for priority, values in form.targets().items():
            minutes = {name: _minutes(getattr(values, name)) for name, _label in KINDS}
            row = ResponseTarget.objects.filter(department=department, priority=priority)
            if any(minutes.values()):
                ResponseTarget.objects.update_or_create(
                    department=department, priority=priority, defaults=minutes
                )
            else:
                row.delete()
        _recompute(request, [department.pk])
    messages.success(request, _("Targets of %s saved.") % department)
    place = redirect(shown) if shown else redirect("routing:hours")
    place["Location"] += f"?department={department.pk}"
    return place


@admin_only
@require_POST
def try_out(request: StaffRequest) -> HttpResponse:
    """Show when a message would be due with the typed hours, and what saving them would change."""
    row = Calendar.objects.filter(pk=number(request.POST.get("calendar", "")) or 0).first()
    form = CalendarForm(request.POST, instance=row, zone=_zone())
    asked = TryOutForm(request.POST)
    context: dict[str, Any] = {"asked": asked, "invalid": True}
    if form.is_valid() and asked.is_valid():
        department = asked.cleaned_data["department"]
        hours_in_force = _proposed(form, row)
        hours = hours_in_force.of(department.pk).hours
        typed = TargetsForm(request.POST, targets=_targets_of(department), hours=hours)
        if typed.is_valid():
            values = {(department.pk, name): each for name, each in typed.targets().items()}
            proposed = Settings({**Settings.load().targets, **values}, hours_in_force)
            everywhere = list(Department.objects.values_list("pk", flat=True))
            context = {
                "asked": asked,
                "trial": _trial(asked, hours, typed.targets()),
                "preview": due_times.preview(proposed, everywhere, now=timezone.now()),
                "most": due_times.MAX_PREVIEWED,
                "per_day": hours.minutes_a_day / 60,
            }
    return render(request, "routing/_try_hours.html", context)


def _proposed(form: CalendarForm, row: Calendar | None) -> HoursInForce:
    """Return the hours of all departments as they would be if the page were saved."""
    now = Calendar.objects.in_force()
    data = form.cleaned_data
    new = InForce(_UNSAVED, data["hours"], data["snooze_pauses"])
    mine = row.current_id if row else None
    default = new if data["is_default"] else now.default
    own = {pk: each for pk, each in now.own.items() if mine is None or each.revision != mine}
    own |= {each.pk: new for each in data["departments"]}
    return HoursInForce(default, own)


@dataclass(frozen=True, slots=True)
class Trial:
    """When a message would be due, in local times of the calendar without a zone.

    counted: for each open span until then, its minutes, and its beginning and end.
    """

    written: datetime
    due_at: datetime | None
    warning: datetime | None
    counted: list[tuple[int, datetime, datetime]]


def _trial(asked: TryOutForm, hours: Hours, targets: dict[str, Targets]) -> Trial:
    zone = ZoneInfo(hours.zone)
    today = timezone.localdate(timezone=zone)
    ahead = (int(asked.cleaned_data["day"]) - today.weekday()) % 7
    at: time = asked.cleaned_data["time"]
    written = datetime.combine(today + timedelta(days=ahead), at, tzinfo=zone)
    target = targets[asked.cleaned_data["priority"]].first
    if target is None:
        return Trial(_local(written, zone), None, None, [])
    due_at = due(written, target, hours)
    counted = [
        (round((end - start).total_seconds() / 60), _local(start, zone), _local(end, zone))
        for start, end in spans_between(written, due_at, hours)
    ]
    warning = _local(warn_at(written, due_at, hours), zone)
    return Trial(_local(written, zone), _local(due_at, zone), warning, counted)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time, without its zone: templates would convert it to the workspace's."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _minutes(seconds: int | None) -> int | None:
    return None if seconds is None else seconds // 60


def _zone() -> str:
    workspace = Workspace.objects.here()
    return workspace.zone if workspace else "UTC"


def _targets_of(department: Department) -> dict[str, Targets]:
    return {row.priority: row.pure() for row in department.targets.all()}


def _recompute(request: StaffRequest, departments: list[int]) -> None:
    if departments:
        Job.ask(due_times.JOB, by=request.user, departments=departments)


def _page(
    request: StaffRequest,
    form: CalendarForm,
    row: Calendar | None,
    *,
    targets_form: TargetsForm | None = None,
    asked: int | None = None,
    status: int = 200,
) -> HttpResponse:
    departments = list(Department.objects.all())
    wanted = asked or number(request.GET.get("department", ""))
    department = next((each for each in departments if each.pk == wanted), departments[0])
    in_force = Calendar.objects.in_force()
    hours = in_force.of(department.pk).hours
    if targets_form is None:
        targets_form = TargetsForm(targets=_targets_of(department), hours=hours)
    users = [
        each for each in departments if row and in_force.of(each.pk).revision == row.current_id
    ]
    context = {
        "calendar": row,
        "calendars": Calendar.objects.all(),
        "form": form,
        "users": users,
        "department": department,
        "departments": departments,
        "targets_form": targets_form,
        "kinds": KINDS,
        "asked": TryOutForm(initial={"day": 4, "time": "17:40", "priority": "urgent"}),
        "per_day": hours.minutes_a_day / 60,
        "change": _clock_change(form),
    }
    return render(request, "routing/hours.html", context, status=status)


def _clock_change(form: CalendarForm) -> tuple[datetime, bool] | None:
    """Return when the clocks of the zone change next, and whether they go forward; None if never.

    The whole year ahead is searched.
    """
    name = str(form["zone"].value() or "UTC")
    if name not in dict(form.fields["zone"].choices):  # type: ignore[attr-defined]
        return None
    zone = ZoneInfo(name)
    moment = timezone.now().replace(minute=0, second=0, microsecond=0)
    before = moment.astimezone(zone).utcoffset()
    for _hour in range(366 * 24):
        moment += timedelta(hours=1)
        after = moment.astimezone(zone).utcoffset()
        if before != after:
            return _local(moment, zone), bool(before and after and after > before)
    return None
