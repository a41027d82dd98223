from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from routing.models import Notice
from scrm.numbers import number

_MOST = 100


@require_safe
def notices(request: StaffRequest) -> HttpResponse:
    """What rang the bell, newest first; unread ones stand out until they are read."""
    mine = Notice.objects.filter(user=request.user).select_related("by", "case__profile")
    return render(request, "routing/notices.html", {"notices": mine[:_MOST]})


@require_safe
def bell(request: StaffRequest) -> HttpResponse:
    return render(request, "_bell.html")


@require_POST
def read(request: StaffRequest) -> HttpResponse:
    """All of them are read; or one, on the way to what it is about."""
    mine = Notice.objects.filter(user=request.user)
    asked = number(request.POST.get("notice", ""))
    one = mine.filter(pk=asked).first() if asked else None
    wanted = mine.filter(pk=one.pk) if one else mine
    wanted.unread().update(read_at=timezone.now())
    return redirect(one.url if one and one.url else "routing:notices")
