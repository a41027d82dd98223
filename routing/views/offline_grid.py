from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, worker_only
from routing.forms.offline_grid import CardsForm, EventForm, GridForm
from routing.offline import record
from routing.views.offline_done import after
from scrm.web.request_limits import body_limit

_PASTED = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
"""Size limit of a form in bytes. It is higher than for other forms, to allow 200 long texts."""


@body_limit(_PASTED)
@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def cards(request: StaffRequest) -> HttpResponse:
    """Log comment cards, one per row."""
    return _grid(request, CardsForm, "cards")


@body_limit(_PASTED)
@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def event(request: StaffRequest) -> HttpResponse:
    """Log what people said at an event such as a town hall, with one person per row."""
    return _grid(request, EventForm, "event")


def _grid(request: StaffRequest, kind: type[GridForm], tab: str) -> HttpResponse:
    """Log all rows, if all of them are valid.

    If the form was submitted with the button “more” or “fill”, nothing is logged. The form is then
    shown again, with blank rows or with the pasted lines in its rows.
    """
    if request.method != "POST":
        return _page(request, kind(), tab)
    if {"more", "fill"} & set(request.POST):
        return _page(request, kind(initial=dict(request.POST.items())), tab)
    form = kind(request.POST)
    now = timezone.now()
    entered = form.entered(now=now)
    if not entered:
        return _page(request, form, tab, status=422)
    logged = record.log_all(entered, by=request.user, now=now)
    return after(request, list(logged.cases.values()), again=reverse(f"routing:new_{tab}"))


def _page(request: StaffRequest, form: GridForm, tab: str, *, status: int = 200) -> HttpResponse:
    order = ", ".join(str(label) for label in form.columns.values())
    context = {"form": form, "grid": form.grid, "columns": order, "tab": tab}
    return render(request, "routing/new_rows.html", context, status=status)
