from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.search import matching, some_contacts_named
from routing.inbox import query
from routing.inbox.query import Asked
from routing.models import Case, Issue
from scrm.db.search_words import search_words
from scrm.text.clean import storable

_FEW = 6
_MAX_TAGGED = 500


@require_safe
def palette(request: StaffRequest) -> HttpResponse:
    """Search cases, contacts and issues for the command palette."""
    words = storable(request.GET.get("q", "")).strip()[:200]
    if not words:
        return HttpResponse()
    cases = query.page(Asked("all", "newest", {"q": words}), request.user)
    issues = matching(Issue.objects.offered_to(request.user), search_words("name"), words)
    context = {
        "cases": cases.select_related("profile", "department")[:_FEW],
        "contacts": some_contacts_named(words)[:_FEW],
        "issues": issues[:_FEW],
        "words": words,
    }
    return render(request, "routing/_palette_found.html", context)


@require_safe
def suggestions(request: StaffRequest) -> HttpResponse:
    """List the tags in use and the open issues, as suggestions for form fields."""
    tagged = Case.objects.visible_to(request.user).living().exclude(tags=[])
    newest = tagged.order_by("-last_inbound_at").values_list("tags", flat=True)[:_MAX_TAGGED]
    tags = sorted({tag for case_tags in newest for tag in case_tags})
    issues = Issue.objects.offered_to(request.user).filter(closed_at=None)[:50]
    return render(request, "routing/_suggestions.html", {"tags": tags, "issues": issues})
