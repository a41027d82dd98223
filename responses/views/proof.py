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
from responses.models import Hole, Proof, Response
from responses.proof.checks import CHECKS
from routing.models import Case

MOST = 200
"""Maximum number of open gaps on the page: more mean that a whole table was lost."""
MOST_CLOSED = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A gap, and those of its neighbouring rows that exist."""

    hole: Hole
    name: str | Promise
    response: Response | None
    case: Case | None
    profile: Profile | None


@supervisor_only
@require_http_methods(["GET", "HEAD", "POST"])
def proof(request: StaffRequest) -> HttpResponse:
    """Show the gaps and the checks of the record; POST starts a check now."""
    if request.method == "POST":
        Proof.objects.ask(by=request.user)
        messages.success(request, _("The check has started. Reload this page in a moment."))
        return redirect("responses:proof")
    last = Proof.objects.exclude(ended_at=None).order_by("-pk").first()
    open_holes = Hole.objects.open()
    context = {
        "last": last,
        "running": Proof.objects.filter(ended_at=None).order_by("pk").first(),
        "holes": _told(list(open_holes[:MOST])),
        "more": max(open_holes.count() - MOST, 0),
        "closed": _told(list(Hole.objects.exclude(closed_at=None)[:MOST_CLOSED])),
        "checks": [(each, last.found.get(each.key), last.missed.get(each.key)) for each in CHECKS]
        if last
        else [(each, None, None) for each in CHECKS],
    }
    return render(request, "responses/proof.html", context)


def _told(holes: Sequence[Hole]) -> list[Told]:
    """Load the neighbours of gaps: three queries, however many gaps there are."""
    keys = {
        name: {hole.there[name] for hole in holes if name in hole.there}
        for name in ("response", "case", "profile")
    }
    responses = Response.objects.in_bulk(keys["response"])
    cases = Case.objects.select_related("profile").in_bulk(keys["case"])
    profiles = Profile.objects.in_bulk(keys["profile"])
    names = {check.key: check.name for check in CHECKS}
    return [
        Told(
            hole,
            names.get(hole.check_key, hole.check_key),
            responses.get(hole.there.get("response")),
            cases.get(hole.there.get("case")),
            profiles.get(hole.there.get("profile")),
        )
        for hole in holes
    ]
