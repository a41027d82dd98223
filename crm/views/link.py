"""Link profiles to contacts, end links, and restore ended links."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, worker_only
from crm.forms import LinkForm, ProfileChoiceForm, StrangerForm
from crm.models import Contact, Profile, ProfileLink
from crm.views.contact import contact_page
from crm.views.listing import typed_words
from crm.views.lookup import only_finds, profile_offers
from crm.views.profile import profile_page, shown_link
from scrm.db.locks import locked


@require_POST
@worker_only
@transaction.atomic
def contact_link(request: StaffRequest, pk: int) -> HttpResponse:
    """Link a profile to this contact.

    If the profile is linked to another contact, the user must confirm in the form that this link
    may be ended. Without the confirmation, the answer is 409.
    """
    row = get_object_or_404(Contact.objects.select_related("owner"), pk=pk)
    form = ProfileChoiceForm(request.POST)
    if only_finds(request, "profile", "evidence"):
        typed = ProfileChoiceForm(initial=request.POST.dict())
        return _contact_again(request, row, typed, status=200)
    if not form.is_valid():
        return _contact_again(request, row, form, status=422)
    # Lock the profile before reading its link: another user may link it at the same moment.
    profile = _locked(form.cleaned_data["profile"].pk)
    taken = profile.link
    if taken and taken.contact_id != pk and form.cleaned_data["move"] != str(taken.pk):
        return _contact_again(request, row, form, taken=taken, status=409)
    if not taken or taken.contact_id != pk:
        profile.link_to(row, by=request.user, evidence=form.cleaned_data["evidence"])
    messages.success(request, _("%(profile)s is now linked.") % {"profile": profile})
    return redirect(row)


@require_POST
@worker_only
@transaction.atomic
def link(request: StaffRequest, pk: int) -> HttpResponse:
    """Link this profile to a contact.

    Answer 409 if the profile's link has changed since the page was opened.
    """
    # Locked until the commit: the link must not change between the check of `seen` and the save.
    row = _locked(pk)
    form = LinkForm(request.POST)
    if only_finds(request, "contact", "evidence"):
        return profile_page(request, pk, form=LinkForm(initial=request.POST.dict()))
    if not form.is_valid():
        return profile_page(request, pk, form=form, status=422)
    if form.cleaned_data["seen"] != shown_link(row):
        taken = _("Another user linked this profile in the meantime. Nothing was changed.")
        form.add_error(None, taken)
        return profile_page(request, pk, form=form, status=409)
    contact = form.cleaned_data["contact"]
    row.link_to(contact, by=request.user, evidence=form.cleaned_data["evidence"])
    message = _("%(profile)s is now linked to %(contact)s.")
    messages.success(request, message % {"profile": row, "contact": contact})
    return redirect(contact)


@require_POST
@worker_only
@transaction.atomic
def unlink(request: StaffRequest, pk: int) -> HttpResponse:
    """End the link that the page showed. The profile keeps its interactions."""
    row = _locked(pk)
    ended = row.link
    if ended is None or request.POST.get("seen", "") != shown_link(row):
        messages.error(request, _("This link was changed in the meantime. Nothing was done."))
        return redirect(row)
    row.unlink(by=request.user)
    message = _("%(profile)s is no longer linked to %(contact)s. Its history stays.")
    undo = {
        "said": message % {"profile": _handle(ended), "contact": ended.contact},
        "action": reverse("crm:link_again", args=[ended.pk]),
    }
    messages.success(request, render_to_string("crm/_undo.html", undo, request))
    return redirect(ended.contact if request.POST.get("at") == "contact" else row)


@require_POST
@worker_only
@transaction.atomic
def confirm(request: StaffRequest, pk: int) -> HttpResponse:
    """Confirm a guessed link if it is still the current link of the profile."""
    row = get_object_or_404(ProfileLink.objects.select_related("contact"), pk=pk)
    # Read the current link under the lock: another user may change it at the same moment.
    current = _locked(row.profile_id).link
    if current == row:
        row.confirm(by=request.user)
        message = _("%(profile)s is now linked to %(contact)s.")
        messages.success(request, message % {"profile": _handle(row), "contact": row.contact})
    else:
        messages.error(request, _("This link was changed in the meantime. Nothing was done."))
    return redirect(row.contact)


@require_POST
@worker_only
@transaction.atomic
def again(request: StaffRequest, pk: int) -> HttpResponse:
    """Restore an ended link, unless the profile has been linked again in the meantime."""
    row = get_object_or_404(ProfileLink.objects.select_related("contact"), pk=pk)
    # Read the current link under the lock: another user may change it at the same moment.
    current = _locked(row.profile_id).link
    if current is None:
        row.again(by=request.user)
    if current is None or current.contact_id == row.contact_id:
        message = _("%(profile)s is linked to %(contact)s again.")
        messages.success(request, message % {"profile": _handle(row), "contact": row.contact})
    else:
        message = _("%(profile)s was linked to %(contact)s in the meantime. Nothing was changed.")
        messages.error(request, message % {"profile": _handle(row), "contact": current.contact})
    return redirect(row.contact)


@require_POST
@worker_only
@transaction.atomic
def make_contact(request: StaffRequest, pk: int) -> HttpResponse:
    """Create a contact from a profile, unless the profile already has a contact."""
    row = _locked(pk)
    # Check this under the lock: a double click must not create two contacts.
    if row.contact:
        message = _("%(profile)s is already linked to %(contact)s. Nothing was changed.")
        messages.warning(request, message % {"profile": row, "contact": row.contact})
        return redirect(row.contact)
    form = StrangerForm(request.POST, instance=Contact(owner=request.user))
    if not form.is_valid():
        return profile_page(request, pk, stranger_form=form, status=422)
    contact = form.save()
    evidence = _("The contact was created from this profile.")
    row.link_to(contact, by=request.user, evidence=evidence)
    messages.success(request, _("The contact %(contact)s was created.") % {"contact": contact})
    return redirect(contact)


def _handle(row: ProfileLink) -> str:
    """Return the handle of the profile, or its name if it has no handle.

    The handle is preferred, because the name may be the same as the name of the contact.
    """
    return row.profile.handle or str(row.profile)


def _locked(pk: int) -> Profile:
    return get_object_or_404(locked(Profile.objects.all()), pk=pk)


def _contact_again(
    request: StaffRequest,
    row: Contact,
    form: ProfileChoiceForm,
    *,
    status: int,
    taken: ProfileLink | None = None,
) -> HttpResponse:
    find = typed_words(request, "q")
    offers = profile_offers(find, besides=row.pk, chosen=request.POST.get("profile", ""))
    return contact_page(
        request, row, link_form=form, find=find, offers=offers, taken=taken, status=status
    )
