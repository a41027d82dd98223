"""Remove a file from an unsent response. All pages that show the response offer this."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from crm.access import StaffRequest
from responses import signing, upload_field
from responses.models import Response
from responses.models.response import Refused
from responses.rule_findings import held_for
from responses.views.lookup import response_to_see
from routing.models.status import Stale


@require_POST
def remove(request: StaffRequest, pk: int) -> HttpResponse:
    response = response_to_see(request, pk)
    if not signing.may_edit(response, request.user):
        raise PermissionDenied
    shown, asked = request.POST.get("shown", ""), request.POST.getlist("file")
    file = next(iter(upload_field.named(response.attachments.all(), asked)), None)
    try:
        if file is None:
            raise Stale(_("This file is no longer attached."))
        left = signing.remove_file(response, file, shown=shown, by=request.user)
    except (Refused, Stale) as error:
        messages.error(request, str(error))
        return _redirect_back(request, response)
    says = _("“%(name)s” was removed. It will not be sent.") % {"name": file.name}
    if left != response and left.state == "held":
        says = f"{says} {held_for(left)}."
    elif left != response and left.state == "draft":
        says = _("%(says)s The text is now a draft. Send it when it is ready.") % {"says": says}
    messages.success(request, says)
    return _redirect_back(request, left)


def _redirect_back(request: StaffRequest, response: Response) -> HttpResponse:
    """Redirect to the page on which the user removed the file."""
    if request.htmx:
        answer = render(request, "_messages.html", {"oob": True})
        return trigger_client_event(answer, "case-changed", {"id": response.case_id})
    if request.POST.get("back") == "approvals":
        return redirect(f"{reverse('responses:approvals')}#response-{response.pk}")
    return redirect(response)
