from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.models import Interaction
from scrm.text.clean import clean


@require_safe
def whole(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Show the full text of an interaction in its original layout.

    It includes text that the timeline leaves out, for example the quoted part of a mail.
    """
    readable = Interaction.objects.readable_by(request.user).select_related("profile")
    row = get_object_or_404(readable, uuid=uuid)
    # clean() keeps only allowed tags, because the HTML comes from outside.
    context = {"said": row, "html": mark_safe(clean(row.html))}  # noqa: S308 - by our allow-list
    template = "_whole" if request.htmx else "whole"
    return render(request, f"crm/{template}.html", context)
