"""The page of one profile."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from crm import above
from crm.access import StaffRequest, works
from crm.forms import LinkForm, StrangerForm
from crm.impostors import imitated_account
from crm.models import Contact, PostalAddress, Profile
from crm.search import alike
from crm.views.listing import typed_words
from crm.views.lookup import contact_offers
from crm.views.timeline import load_timeline
from scrm.text.clean import safe_url


@require_safe
def profile(request: StaffRequest, pk: int) -> HttpResponse:
    return profile_page(request, pk)


def shown_link(row: Profile) -> str:
    """Return the id of the profile's current link, or "".

    The forms of the page send this id back as `seen`.
    """
    return str(row.link.pk) if row.link else ""


def profile_page(
    request: StaffRequest,
    pk: int,
    *,
    form: LinkForm | None = None,
    stranger_form: StrangerForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the page of a profile.

    form, stranger_form: submitted forms that have errors.
    """
    row = get_object_or_404(Profile.objects.with_marks().prefetch_related("links__contact"), pk=pk)
    alone = Profile.objects.filter(pk=row.pk)
    timeline = load_timeline(request, alone, here=row.get_absolute_url())
    if timeline.alone:
        return render(request, "crm/_timeline.html", timeline.context)
    find = typed_words(request, "q")
    works_here = works(request.user)
    context = {
        **timeline.context,
        "profile": row,
        "imitated": imitated_account(row),
        "web": safe_url(row.url),
        "link": row.link,
        "seen": shown_link(row),
        "past_names": row.past_names.all(),
        "past_links": row.links.exclude(ended_at=None).select_related("contact", "ended_by"),
        "party_cases": above.party_cases(alone, request.user),
        "alike": alike(row) if works_here and not row.link else [],
        "kinds": Contact.Kind.choices,
        "form": form,
        "stranger_form": stranger_form,
        "find": find,
        "offers": contact_offers(find, chosen=request.POST.get("contact", "")),
        "address": PostalAddress.objects.current([row]),
        "works": works_here,
    }
    return render(request, "crm/profile.html", context, status=status)
