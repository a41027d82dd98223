"""The lists of contacts, and of profiles that belong to no contact."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.access import StaffRequest, works
from crm.models import Contact, Profile, ProfileLink, User
from crm.search import contacts_named, strangers_named
from crm.views.listing import by_name, counted, newest_first, typed_words
from scrm.web.params import number

_FEW = 10


@require_safe
def contacts(request: StaffRequest) -> HttpResponse:
    words, asked = typed_words(request, "q"), _asked(request)
    found = contacts_named(words) if words else Contact.objects.all()
    found = found.filter(**asked)
    current = ProfileLink.objects.filter(ended_at=None).select_related("profile").order_by("pk")
    shown = found.select_related("owner").prefetch_related(
        Prefetch("links", queryset=current, to_attr="current_links")
    )
    rows, older = by_name(shown, after=request.GET.get("after", ""))
    unknown: QuerySet[Profile] = strangers_named(words)
    context = {
        "contacts": rows,
        "older": older,
        "count": counted(found),
        "strangers": unknown.order_by("name", "pk")[:_FEW] if words else [],
        "strangers_count": counted(unknown) if words else "",
        "words": words,
        "kind": asked.get("kind", ""),
        "owner": asked.get("owner"),
        "tag": typed_words(request, "tag"),
        "narrowed": bool(words or asked),
        "kinds": Contact.Kind.choices,
        "owners": User.objects.active().order_by("name"),
        "tags": Contact.objects.known_tags(),
        "works": works(request.user),
    }
    return render(request, "crm/contacts.html", context)


@require_safe
def strangers(request: StaffRequest) -> HttpResponse:
    """List profiles that belong to no contact, the newest first, or by name in a search."""
    words, after = typed_words(request, "q"), request.GET.get("after", "")
    found = strangers_named(words) if words else Profile.objects.strangers()
    rows, older = by_name(found, after=after) if words else newest_first(found, after=after)
    context = {
        "strangers": rows,
        "older": older,
        "count": counted(found),
        "words": words,
        "works": works(request.user),
    }
    return render(request, "crm/strangers.html", context)


def _asked(request: StaffRequest) -> dict[str, Any]:
    """Return the filters of the contact list; invalid values are ignored."""
    asked: dict[str, Any] = {}
    if (kind := request.GET.get("kind", "")) in Contact.Kind.values:
        asked["kind"] = kind
    if (owner := number(request.GET.get("owner", ""))) is not None:
        asked["owner"] = owner
    if tag := typed_words(request, "tag"):
        asked["tags__contains"] = [tag]
    return asked
