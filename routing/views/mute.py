from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest, worker_only
from crm.models import Department
from routing import mutes
from routing.models import ItemDecision, Mute

MAX_SHOWN = 200


@worker_only
@require_safe
def muted(request: StaffRequest) -> HttpResponse:
    """Show whom the user's departments have muted, until when, and how many items that kept out."""
    now = timezone.now()
    kept_out = Q(
        profile__interactions__decisions__outcome=ItemDecision.Outcome.MUTED,
        profile__interactions__decisions__withdrawn_at=None,
    )
    rows = Mute.objects.current(now).filter(department__in=_departments(request))
    rows = rows.select_related("profile", "department", "by").annotate(
        items=Count("profile__interactions", filter=kept_out)
    )
    return render(request, "routing/mutes.html", {"mutes": rows[:MAX_SHOWN]})


@worker_only
@require_POST
def unmute(request: StaffRequest, pk: int) -> HttpResponse:
    row = _mute(request, pk)
    mutes.unmute(row, by=request.user)
    messages.success(request, _("%s is no longer muted.") % row.profile)
    return redirect("routing:mutes")


@worker_only
@require_POST
def renew(request: StaffRequest, pk: int) -> HttpResponse:
    row = _mute(request, pk)
    mutes.mute(row.profile, row.department, reason=row.reason, by=request.user)
    messages.success(request, _("%s is muted for 30 days from today.") % row.profile)
    return redirect("routing:mutes")


def _mute(request: StaffRequest, pk: int) -> Mute:
    mine = Mute.objects.current(timezone.now()).filter(department__in=_departments(request))
    return get_object_or_404(mine.select_related("profile", "department"), pk=pk)


def _departments(request: StaffRequest) -> list[int]:
    return list(Department.objects.worked_by(request.user).values_list("pk", flat=True))
