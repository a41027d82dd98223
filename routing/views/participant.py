from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest
from crm.views.listing import typed_words
from routing.forms import ParticipantForm
from routing.models import Case
from routing.models.status import Stale
from routing.offline.find_person import find
from routing.participants import add_participant

MAX_WORDS = 200


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: StaffRequest, pk: int) -> HttpResponse:
    """Search for a person, and add the person to the case with a role.

    If htmx sends the search, only its results are rendered.
    """
    workable = Case.objects.workable_by(request.user).select_related("profile", "department")
    case = get_object_or_404(workable, pk=pk)
    form = ParticipantForm(request.POST or None)
    if form.is_valid():
        person, role = form.cleaned_data["person"], form.cleaned_data["role"]
        try:
            add_participant(case, person, role=role, by=request.user)
        except Stale as stale:
            messages.error(request, str(stale))
        else:
            messages.success(request, _("%s was added to the case.") % person)
        return redirect(case)
    status = 422 if request.method == "POST" else 200
    words = typed_words(request, "q")[:MAX_WORDS]
    shown = {"case": case, "form": form, "words": words, "people": find(words) if words else []}
    name = "routing/_participant_found.html" if request.htmx else "routing/participant.html"
    return render(request, name, shown, status=status)
