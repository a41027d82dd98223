from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import groupby

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from crm.models import Notice
from scrm.db.locks import update_in_order
from scrm.web.params import number

PAGE = 100


@require_safe
def notices(request: StaffRequest) -> HttpResponse:
    """List the user's notices by day. With `show=unread`, only unread notices are listed."""
    mine = Notice.objects.filter(user=request.user)
    only_unread = request.GET.get("show") == "unread"
    wanted = mine.unread() if only_unread else mine
    if before := number(request.GET.get("before", "")):
        wanted = wanted.filter(pk__lt=before)
    rows = list(wanted.select_related("by")[: PAGE + 1])
    shown = {
        "days": _by_day(rows[:PAGE]),
        "unread": mine.unread().count(),
        "only_unread": only_unread,
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "today": timezone.localdate(),
    }
    return render(request, "crm/notices.html", shown)


@require_safe
def bell(request: StaffRequest) -> HttpResponse:
    return render(request, "_bell.html")


@require_POST
def read(request: StaffRequest) -> HttpResponse:
    """Mark one notice as read and redirect to its page; or mark all notices as read.

    All notices are marked if the form names no notice of this user.
    """
    mine = Notice.objects.filter(user=request.user)
    asked = request.POST.get("notice", "")
    # Look only among the user's own notices: those of other users must not be marked.
    one = get_object_or_404(mine, pk=number(asked) or 0) if asked else None
    wanted = mine.filter(pk=one.pk) if one else mine
    update_in_order(wanted.unread(), read_at=timezone.now())
    if one is None:
        messages.success(request, _("All notices are read."))
    return redirect(one.url if one and one.url else "crm:notices")


def _by_day(rows: Iterable[Notice]) -> list[tuple[date, list[Notice]]]:
    """Group notices by day in the workspace's time zone.

    rows: the notices, newest first.
    """
    days = groupby(rows, key=lambda row: timezone.localdate(row.at))
    return [(day, list(group)) for day, group in days]
