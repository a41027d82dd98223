"""The page “Delivery problems”.

The page shows the deliveries about which a user must decide. Sending can be paused and resumed on
this page.
"""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from crm.access import StaffRequest
from crm.models import Pause
from responses import restored_database, throttle
from responses.forms import MarkSentForm, PauseForm, ReleaseForm
from responses.models import Delivery, Trouble
from responses.reply_to_changed import offers
from responses.views.lookup import changeable, dealt_with_by, oldest

MAX_DELIVERIES = 50


def render_delivery_problems(
    request: StaffRequest,
    form: MarkSentForm | None = None,
    at: int | None = None,
    status: int = 200,
    error: str = "",
    **forms: Form,
) -> HttpResponse:
    """Show the deliveries about which a user must decide.

    `form` is what the user entered for one delivery, and `at` is the id of that delivery. `forms`
    are other submitted forms of the page, by their names in the template.
    """
    found = Delivery.objects.at_hand_of(request.user).to_check(timezone.now())
    found = found.select_related(
        "response__case__profile", "response__issue", "response__department",
        "response__author", "account", "profile",
    ).prefetch_related(
        "response__deliveries__account", "response__attachments", "response__served__profile",
    ).order_by("send_after", "pk")  # fmt: skip
    waiting, more = oldest(found)
    workable = dealt_with_by([delivery.response for delivery in waiting], request.user)
    unsent = changeable([delivery.response for delivery in waiting], request.user)
    rows: list[dict[str, Any]] = [
        {
            "delivery": delivery,
            "may_act": delivery.response_id in workable,
            "may_change": delivery.response_id in unsent,
            "form": form if form and at == delivery.pk else MarkSentForm(),
            "open": form is not None and at == delivery.pk,
        }
        for delivery in waiting
    ]
    shown = {
        "rows": rows,
        "more": more,
        "error": error,
        "offers": offers({row.response for row in waiting}, request.user),
        **_control(request),
        **forms,
    }
    return render(request, "responses/delivery_problems.html", shown, status=status)


def _control(request: StaffRequest) -> dict[str, Any]:
    """Return the template context for the part of the page that does not list problems.

    It contains the pause, the accounts whose deliveries fail repeatedly, and the deliveries that
    wait because of sending limits.
    """
    hold = Pause.objects.restored().first()
    line = throttle.waiting().visible_to(request.user)
    return {
        "pause": Pause.objects.by_hand().select_related("by").first(),
        "pause_form": PauseForm(),
        "restored": hold,
        "release_form": ReleaseForm(),
        **(_held_back(request, hold) if hold else {}),
        "troubles": Trouble.objects.open().select_related("account"),
        "line": line.select_related("account", "response__case", "response__issue")[
            :MAX_DELIVERIES
        ],
        "in_line": line.count(),
    }


def _held_back(request: StaffRequest, hold: Pause) -> dict[str, Any]:
    """Return the template context for a database that was restored from a copy.

    It contains the deliveries that wait, and the number of deliveries that the original database
    may have sent.
    """
    waiting = restored_database.waiting().visible_to(request.user)
    rows = waiting.order_by("send_after", "pk").select_related(
        "response__case__profile", "response__issue", "response__author", "account", "profile"
    )
    return {
        "waiting": rows[:MAX_DELIVERIES],
        "waiting_n": waiting.count(),
        "unknown_n": restored_database.doubted(hold).visible_to(request.user).count(),
        "now": timezone.now(),
    }
