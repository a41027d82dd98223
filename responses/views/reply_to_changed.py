"""The two actions for a reply to a message that its author has deleted."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from crm.access import StaffRequest
from responses import reply_to_changed
from responses.forms import place_name
from responses.models import Response
from responses.models.response import Refused
from responses.views.lookup import case_to_work_on, response_to_see
from routing.models.status import Stale
from scrm.web.params import number

UNREACHABLE = gettext_lazy(
    "This person cannot be reached privately with this text. Nothing was changed. Close the case, "
    "or edit the reply."
)


@require_POST
def message_privately(request: StaffRequest, pk: int) -> HttpResponse:
    """Move the text of the reply to the private composer of the case."""
    response, offer = _offered(request, pk)
    if offer is None:
        return _not_offered(request, response)
    # Only now, because it takes many queries.
    private = reply_to_changed.private_place(response, now=timezone.now())
    if private is None:
        messages.error(request, UNREACHABLE)
        return redirect(response.case or response)
    try:
        reply_to_changed.message_privately(response, place=place_name(private), by=request.user)
    except (Refused, Stale) as error:
        messages.error(request, str(error))
    else:
        moved = _("The reply was not sent. Its text is now a draft of a private message.")
        messages.success(request, moved)
    return redirect(response.case or response)


@require_POST
def close_as_deleted(request: StaffRequest, pk: int) -> HttpResponse:
    """Cancel the reply, and close the case with the reason “Deleted at the source”."""
    response, offer = _offered(request, pk)
    if offer is None:
        return _not_offered(request, response)
    seen = number(request.POST.get("seen", ""))
    try:
        reply_to_changed.close_as_deleted(response, seen=seen, by=request.user)
    except Stale as stale:
        messages.error(request, str(stale))
    else:
        messages.success(
            request,
            _("Closed as deleted at the source. The reply was not sent; see the history."),
        )
    return redirect(response.case or response)


def _offered(request: StaffRequest, pk: int) -> tuple[Response, reply_to_changed.Offer | None]:
    """Return the response and what can be done with it. The user must work on its case."""
    response = response_to_see(request, pk)
    if response.case_id is None:
        raise PermissionDenied
    case_to_work_on(request, response.case_id)
    offer = reply_to_changed.offers([response], request.user).get(response.pk)
    return response, offer if offer and offer.is_deletion else None


def _not_offered(request: StaffRequest, response: Response) -> HttpResponse:
    messages.error(
        request, _("The message was not deleted, or the reply was already sent or cancelled.")
    )
    return redirect(response.case or response)
