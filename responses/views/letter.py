"""The print view of a letter, before it is logged as sent and afterwards."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from crm.interaction_details import LetterDetails
from crm.models import Interaction, Workspace
from responses.forms import ByHandForm
from responses.views.lookup import case_to_work_on
from routing.models import CaseConversation
from routing.reference import reference


@require_POST
def sheet(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the print view of the letter in the composer. Nothing is stored."""
    case = case_to_work_on(request, pk)
    form = ByHandForm(case, request.POST)
    valid = form.is_valid()
    typed = form.cleaned_data
    letter = LetterDetails(typed.get("address", ""), reference=reference(case.pk))
    shown = _sheet(letter, typed.get("text", ""), str(case.department), timezone.localdate())
    shown |= {"form": form, "case": case}
    return render(request, "responses/letter.html", shown, status=200 if valid else 422)


@require_safe
def copy(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Show the print view of a letter that was logged as sent."""
    sent = Interaction.objects.readable_by(request.user).filter(uuid=uuid, direction="out")
    row = get_object_or_404(sent)
    letter = row.letter
    if letter is None:
        raise Http404
    links = CaseConversation.objects.filter(conversation=row.conversation_id, ended_at=None)
    link = links.select_related("case__department").first()
    department = str(link.case.department) if link else ""
    day = letter.written or timezone.localdate(row.recorded_at)
    return render(request, "responses/letter.html", _sheet(letter, row.text, department, day))


def _sheet(letter: LetterDetails, text: str, department: str, day: date) -> dict[str, Any]:
    workspace = Workspace.objects.here()
    sender = (
        [workspace.organisation, *workspace.address.splitlines()]
        if workspace and workspace.address
        else []
    )
    return {
        "letter": letter,
        "text": text,
        "department": department,
        "day": day,
        "organisation": workspace.organisation if workspace else "",
        "sender": " · ".join(line for line in sender if line),
    }
