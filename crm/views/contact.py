from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest
from crm.cases import works
from crm.forms import ContactForm, ProfileChoiceForm
from crm.models import Contact, Profile, ProfileLink
from crm.timeline import timeline
from scrm.numbers import number
from scrm.text import storable

_MOST = 50
_FEW = 10


@require_safe
def contacts(request: StaffRequest) -> HttpResponse:
    words, kind = typed_words(request, "q"), request.GET.get("kind", "")
    found = named(words).filter(kind=kind) if kind in Contact.Kind.values else named(words)
    rows = list(found.prefetch_related("links__profile")[: _MOST + 1])
    context = {
        "contacts": rows[:_MOST],
        "more": len(rows) > _MOST,
        "strangers": strangers(words)[:_FEW] if words else [],
        "words": words,
        "kind": kind,
        "kinds": Contact.Kind.choices,
        "works": works(request.user),
    }
    return render(request, "crm/contacts.html", context)


@require_safe
def contact(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Contact.objects.select_related("owner"), pk=pk)
    return _page(request, row)


@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def new(request: StaffRequest) -> HttpResponse:
    """A contact, and if a profile is named, the claim that it is them."""
    _refuse_readers(request)
    given = number(request.GET.get("profile", ""))
    profile = None if given is None else get_object_or_404(Profile, pk=given)
    named_so = {"name": str(profile)[:200] if profile else "", "owner": request.user}
    form = ContactForm(request.POST or None, initial=named_so)
    if not form.is_valid():
        return _form(request, form, profile)
    row = form.save()
    if profile:
        profile.link_to(row, by=request.user, evidence=_("This contact was made of this profile."))
    return redirect(row)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    _refuse_readers(request)
    row = get_object_or_404(Contact, pk=pk)
    form = ContactForm(request.POST or None, instance=row)
    if not form.is_valid():
        return _form(request, form, None)
    form.save()
    messages.success(request, _("Saved."))
    return redirect(row)


@require_POST
def link(request: StaffRequest, pk: int) -> HttpResponse:
    """Claim that a profile is this contact too."""
    _refuse_readers(request)
    row = get_object_or_404(Contact, pk=pk)
    form = ProfileChoiceForm(request.POST)
    if not form.is_valid():
        return _page(request, row, form=form, status=422)
    profile = form.cleaned_data["profile"]
    profile.link_to(row, by=request.user, evidence=form.cleaned_data["evidence"])
    messages.success(request, _("%(profile)s is linked.") % {"profile": profile})
    return redirect(row)


def typed_words(request: StaffRequest, name: str) -> str:
    """What is searched for, as PostgreSQL takes it."""
    return storable(request.GET.get(name, "")).strip()


def named(words: str) -> QuerySet[Contact]:
    """Contacts whose name, or whose handle or address anywhere, holds these words."""
    if not words:
        return Contact.objects.all()
    linked = Contact.objects.filter(
        links__ended_at=None, links__profile__in=_profiles(words).values("pk")
    )
    return Contact.objects.filter(Q(name__icontains=words) | Q(pk__in=linked.values("pk")))


def strangers(words: str) -> QuerySet[Profile]:
    """Profiles with these words that are no contact so far."""
    linked = ProfileLink.objects.filter(ended_at=None).values("profile")
    return _profiles(words).exclude(pk__in=linked).order_by("name", "pk")


def _profiles(words: str) -> QuerySet[Profile]:
    handle = words.lstrip("@")
    return Profile.objects.filter(
        Q(name__icontains=words) | Q(handle__icontains=handle) | Q(key__icontains=handle)
    )


def _refuse_readers(request: StaffRequest) -> None:
    if not works(request.user):
        raise PermissionDenied


def _form(request: StaffRequest, form: ContactForm, profile: Profile | None) -> HttpResponse:
    context = {"form": form, "profile": profile}
    status = 422 if form.is_bound else 200
    return render(request, "crm/contact_form.html", context, status=status)


def _page(
    request: StaffRequest,
    row: Contact,
    *,
    form: ProfileChoiceForm | None = None,
    status: int = 200,
) -> HttpResponse:
    profiles = Profile.objects.of_contact(row)
    touches, older = timeline(profiles, user=request.user, before=request.GET.get("before", ""))
    find = typed_words(request, "find")
    cases = request.user.cases.model.objects.visible_to(request.user)
    context = {
        "contact": row,
        "links": row.links.filter(ended_at=None).select_related("profile", "confirmed_by"),
        "ended": row.links.exclude(ended_at=None).select_related("profile", "ended_by"),
        "touches": touches,
        "older": older,
        "cases": cases.filter(profile__in=profiles).order_by("-opened_at")[:_FEW],
        "find": find,
        "candidates": _profiles(find).exclude(pk__in=profiles)[:_FEW] if find else [],
        "form": form,
        "works": works(request.user),
    }
    return render(request, "crm/contact.html", context, status=status)
