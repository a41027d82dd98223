from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, supervisor_only
from crm.models import Profile
from responses.models import Gap, RecordCheck, Response
from responses.record_check.checks import CHECKS
from routing.models import Case

MAX_GAPS = 200
"""Maximum number of open gaps on the page; more gaps mean that a whole table was lost."""
MAX_CLOSED = 20


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap with the name of its check and those neighbouring rows that exist."""

    gap: Gap
    name: str | Promise
    response: Response | None
    case: Case | None
    profile: Profile | None


@supervisor_only
@require_http_methods(["GET", "HEAD", "POST"])
def record_check(request: StaffRequest) -> HttpResponse:
    """Show the gaps in the record and the result of each check. A POST request starts a new run."""
    if request.method == "POST":
        RecordCheck.objects.ask(by=request.user)
        messages.success(request, _("The check has started. Its result appears here."))
        return redirect("responses:record_check")
    last = RecordCheck.objects.exclude(ended_at=None).order_by("-pk").first()
    open_gaps = Gap.objects.open()
    context = {
        "last": last,
        "running": RecordCheck.objects.filter(ended_at=None).order_by("pk").first(),
        "gaps": _gap_rows(list(open_gaps[:MAX_GAPS])),
        "more": max(open_gaps.count() - MAX_GAPS, 0),
        "closed": _gap_rows(list(Gap.objects.exclude(closed_at=None)[:MAX_CLOSED])),
        "checks": [
            (check, last.found.get(check.key), last.missed.get(check.key)) for check in CHECKS
        ]
        if last
        else [(check, None, None) for check in CHECKS],
    }
    return render(request, "responses/record_check.html", context)


def _gap_rows(gaps: Sequence[Gap]) -> list[GapRow]:
    """Load the neighbouring rows of gaps. This takes three queries for any number of gaps."""
    keys = {
        name: {gap.there[name] for gap in gaps if name in gap.there}
        for name in ("response", "case", "profile")
    }
    responses = Response.objects.in_bulk(keys["response"])
    cases = Case.objects.select_related("profile").in_bulk(keys["case"])
    profiles = Profile.objects.in_bulk(keys["profile"])
    names = {check.key: check.name for check in CHECKS}
    return [
        GapRow(
            gap,
            names.get(gap.check_key, gap.check_key),
            responses.get(gap.there.get("response")),
            cases.get(gap.there.get("case")),
            profiles.get(gap.there.get("profile")),
        )
        for gap in gaps
    ]
