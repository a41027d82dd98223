from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from crm.cases import works
from crm.forms import LinkForm
from crm.models import Contact, Profile
from crm.timeline import timeline
from crm.views.contact import named, typed_words
from scrm.numbers import number

_FEW = 10


@require_safe
def profile(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Profile.objects.prefetch_related("links__contact"), pk=pk)
    find = typed_words(request, "find")
    found = named(find)[:_FEW] if find else Contact.objects.none()
    form = LinkForm(contacts=found) if found else None
    return _page(request, row, form)


@require_POST
@transaction.atomic
def link(request: StaffRequest, pk: int) -> HttpResponse:
    """Claim that this profile is a contact; refused if another claim was made meanwhile."""
    row = _locked(request, pk)
    form = LinkForm(request.POST, contacts=Contact.objects.all())
    if not form.is_valid():
        return _page(request, row, _narrowed(form, request), status=422)
    if request.POST.get("seen", "") != _seen(row):
        form.add_error(None, _("Somebody linked this profile meanwhile. Nothing was changed."))
        return _page(request, row, _narrowed(form, request), status=409)
    contact = form.cleaned_data["contact"]
    row.link_to(contact, by=request.user, evidence=form.cleaned_data["evidence"])
    messages.success(
        request, _("%(profile)s is %(contact)s.") % {"profile": row, "contact": contact}
    )
    return redirect(contact)


@require_POST
@transaction.atomic
def unlink(request: StaffRequest, pk: int) -> HttpResponse:
    """End the claim that the page showed. What was said stays with the profile."""
    row = _locked(request, pk)
    if request.POST.get("seen", "") != _seen(row):
        messages.error(request, _("This link was changed meanwhile. Nothing was done."))
        return redirect(row)
    contact = row.contact
    row.unlink(by=request.user)
    said = _("%(profile)s is no longer linked to %(contact)s. Its history stays.")
    messages.success(request, said % {"profile": row, "contact": contact})
    return redirect(row)


def _locked(request: StaffRequest, pk: int) -> Profile:
    if not works(request.user):
        raise PermissionDenied
    return get_object_or_404(Profile.objects.select_for_update(), pk=pk)


def _seen(row: Profile) -> str:
    """What the claim forms carry: the current claim."""
    return str(row.link.pk) if row.link else ""


def _narrowed(form: LinkForm, request: StaffRequest) -> LinkForm:
    """The same form with only the contact that was chosen, not a list of all."""
    chosen = Contact.objects.filter(pk=number(request.POST.get("contact", "")) or 0)
    form.fields["contact"].queryset = chosen  # type: ignore[attr-defined]
    return form


def _page(
    request: StaffRequest, row: Profile, form: LinkForm | None, status: int = 200
) -> HttpResponse:
    alone = Profile.objects.filter(pk=row.pk)
    touches, older = timeline(alone, user=request.user, before=request.GET.get("before", ""))
    cases = request.user.cases.model.objects.visible_to(request.user)
    context = {
        "profile": row,
        "link": row.link,
        "seen": _seen(row),
        "touches": touches,
        "older": older,
        "past_names": row.past_names.all(),
        "past_links": row.links.exclude(ended_at=None).select_related("contact", "ended_by"),
        "cases": cases.filter(profile=row).order_by("-opened_at")[:_FEW],
        "find": typed_words(request, "find"),
        "form": form,
        "works": works(request.user),
    }
    return render(request, "crm/profile.html", context, status=status)
