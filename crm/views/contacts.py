"""The list of contacts, and the list of profiles that belong to no contact."""

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
    words, chosen = typed_words(request, "q"), _chosen_filters(request)
    found = contacts_named(words) if words else Contact.objects.all()
    found = found.filter(**chosen)
    current = ProfileLink.objects.filter(ended_at=None).select_related("profile").order_by("pk")
    shown = found.select_related("owner").prefetch_related(
        Prefetch("links", queryset=current, to_attr="current_links")
    )
    rows, older = by_name(shown, after=request.GET.get("after", ""))
    unlinked: QuerySet[Profile] = strangers_named(words)
    context = {
        "contacts": rows,
        "older": older,
        "count": counted(found),
        "strangers": unlinked.order_by("name", "pk")[:_FEW] if words else [],
        "strangers_count": counted(unlinked) if words else "",
        "words": words,
        "kind": chosen.get("kind", ""),
        "owner": chosen.get("owner"),
        "tag": typed_words(request, "tag"),
        "narrowed": bool(words or chosen),
        "kinds": Contact.Kind.choices,
        "owners": User.objects.active().order_by("name"),
        "tags": Contact.objects.known_tags(),
        "works": works(request.user),
    }
    return render(request, "crm/contacts.html", context)


@require_safe
def strangers(request: StaffRequest) -> HttpResponse:
    """List the profiles that belong to no contact.

    If the user searches, the profiles are sorted by name. Otherwise the newest profiles come first.
    """
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


def _chosen_filters(request: StaffRequest) -> dict[str, Any]:
    """Return the filters that the query string sets. Invalid values are ignored."""
    chosen: dict[str, Any] = {}
    if (kind := request.GET.get("kind", "")) in Contact.Kind.values:
        chosen["kind"] = kind
    if (owner := number(request.GET.get("owner", ""))) is not None:
        chosen["owner"] = owner
    if tag := typed_words(request, "tag"):
        chosen["tags__contains"] = [tag]
    return chosen
