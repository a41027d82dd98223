"""Search for a contact or a profile while the user types."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.models import Contact, Profile, ProfileLink
from crm.search import profiles_named, some_contacts_named
from crm.views.listing import typed_words
from scrm.web.params import number

_FEW = 8


@dataclass(frozen=True, slots=True)
class Offer:
    """One search result that the user can choose.

    chosen: whether the user has selected this result.
    """

    key: int
    name: str
    detail: str
    url: str
    chosen: bool = False


@require_safe
def find_profiles(request: StaffRequest) -> HttpResponse:
    """Search for profiles by the words in `q`.

    besides (in the query string): the id of a contact; profiles that are linked to this contact are
    left out.
    """
    words = typed_words(request, "q")
    offers = profile_offers(words, besides=number(request.GET.get("besides", "")))
    return _offers(request, offers, words, field="profile")


@require_safe
def find_contacts(request: StaffRequest) -> HttpResponse:
    """Search for contacts by the words in `q`.

    besides (in the query string): the id of a contact that is left out.
    """
    words = typed_words(request, "q")
    offers = contact_offers(words, besides=number(request.GET.get("besides", "")))
    return _offers(request, offers, words, field="contact")


@require_safe
def namesakes(request: StaffRequest) -> HttpResponse:
    """List contacts that match the name that the user types for a new contact."""
    words = typed_words(request, "name")
    return _offers(request, contact_offers(words), words, field="")


def only_finds(request: StaffRequest, choice: str, text: str) -> bool:
    """Return whether the user submitted the search and not the form that contains it.

    This is the case if the search button was used, or if there are search words and the other
    fields of the form are empty. choice, text: the names of these other fields.
    """
    filled = request.POST.get(choice) or request.POST.get(text, "").strip()
    return "find" in request.POST or bool(typed_words(request, "q") and not filled)


def profile_offers(words: str, *, besides: int | None = None, chosen: str = "") -> list[Offer]:
    """Return the first profiles that match the words.

    besides: the id of a contact whose profiles are left out.
    chosen: the id of the selected profile, which comes first even if it does not match.
    """
    own = ProfileLink.objects.filter(contact=besides, ended_at=None)
    found = profiles_named(words).exclude(pk__in=own.values("profile"))
    rows = found.prefetch_related("links__contact").order_by("name", "pk")[:_FEW]
    first = Profile.objects.filter(pk=number(chosen) or 0).prefetch_related("links__contact")
    return [
        Offer(row.pk, str(row), _profile_detail(row), row.get_absolute_url(), str(row.pk) == chosen)
        for row in {row.pk: row for row in (*first, *rows)}.values()
    ]


def contact_offers(words: str, *, besides: int | None = None, chosen: str = "") -> list[Offer]:
    """Return the first contacts that match the words.

    besides: the id of a contact that is left out.
    chosen: the id of the selected contact, which comes first even if it does not match.
    """
    current = ProfileLink.objects.filter(ended_at=None).select_related("profile").order_by("pk")
    links = Prefetch("links", queryset=current, to_attr="current_links")
    rows = some_contacts_named(words).exclude(pk=besides or 0).prefetch_related(links)[:_FEW]
    first = Contact.objects.filter(pk=number(chosen) or 0).prefetch_related(links)
    return [
        Offer(row.pk, row.name, _contact_detail(row), row.get_absolute_url(), str(row.pk) == chosen)
        for row in {row.pk: row for row in (*first, *rows)}.values()
    ]


def _profile_detail(row: Profile) -> str:
    known = _("linked to %s") % row.contact if row.contact else _("no contact yet")
    handle = row.handle if row.handle != str(row) else ""
    return " · ".join(part for part in (handle, row.network, known) if part)


def _contact_detail(row: Contact) -> str:
    links = row.current_links[:3]  # type: ignore[attr-defined]
    handles = (link.profile.handle or link.profile.key for link in links)
    return " · ".join([str(row.get_kind_display()), *handles])


def _offers(request: StaffRequest, offers: list[Offer], words: str, *, field: str) -> HttpResponse:
    context = {"offers": offers, "find": words, "field": field}
    return render(request, "crm/_offers.html", context)
