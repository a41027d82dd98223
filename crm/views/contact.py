"""The page of one contact, and the forms that change it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import above
from crm.access import StaffRequest, worker_only, works
from crm.forms import ContactForm, TagForm
from crm.models import Contact, ContactRelation, PostalAddress, Profile
from crm.views.listing import typed_words
from crm.views.timeline import load_timeline
from scrm.db.locks import locked

_KINDS = ("assistant of", "works at", "parent of", "partner of", "manager of", "press officer of")
_MAX_RELATIONS = 200
"""The kinds of this many newest relations are offered as suggestions."""


@require_safe
def contact(request: StaffRequest, pk: int) -> HttpResponse:
    return contact_page(request, get_object_or_404(Contact.objects.select_related("owner"), pk=pk))


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    named = {"name": typed_words(request, "name")[:200], "owner": request.user}
    form = ContactForm(request.POST or None, initial=named)
    if not form.is_valid():
        return _form(request, form)
    return redirect(form.save())


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
@transaction.atomic
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Edit a contact.

    Answer 409 if another user has changed the contact since the page was opened.
    """
    # Locked until the save: nobody may change the contact between the comparison and the save.
    row = get_object_or_404(locked(Contact.objects.all()), pk=pk)
    form = ContactForm(request.POST or None, instance=row)
    if not form.is_valid():
        return _form(request, form)
    # The form has already written the typed values to `row`, so read the stored values again.
    stored = Contact.objects.select_related("owner").get(pk=pk)
    changed = _changed(stored, form) if form.cleaned_data["seen"] != stored.version else []
    if changed:
        typed = request.POST.copy()
        typed["seen"] = stored.version
        return _form(request, ContactForm(typed, instance=stored), changed=changed, status=409)
    form.save()
    messages.success(request, _("Saved."))
    return redirect(row)


@require_POST
@worker_only
def tag(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Contact, pk=pk)
    form = TagForm(request.POST)
    if not form.is_valid():
        return _tags(request, row, form)
    row.tag(form.cleaned_data["tag"])
    return _tags(request, row)


@require_POST
@worker_only
def untag(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Contact, pk=pk)
    row.untag(typed_words(request, "tag"))
    return _tags(request, row)


def contact_page(
    request: StaffRequest, row: Contact, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the page of a contact.

    extra: additional context, for example a submitted form with its errors and search results.
    """
    profiles = Profile.objects.of_contact(row)
    timeline = load_timeline(request, profiles, here=row.get_absolute_url())
    if timeline.alone:
        return render(request, "crm/_timeline.html", timeline.context)
    current, former = row.links.filter(ended_at=None), row.links.exclude(ended_at=None)
    context = {
        **timeline.context,
        "contact": row,
        "besides": str(row.pk),
        "links": current.select_related("confirmed_by")
        .prefetch_related(Prefetch("profile", Profile.objects.with_marks()))
        .order_by("made_at", "pk"),
        "ended": former.select_related("profile", "ended_by").order_by("-ended_at", "pk"),
        "relations": ContactRelation.objects.of(row).select_related("one", "other", "made_by"),
        "address": PostalAddress.objects.current(profiles),
        "party_cases": above.party_cases(profiles, request.user),
        "works": works(request.user),
        **_suggestions(),
        **extra,
    }
    return render(request, "crm/contact.html", context, status=status)


def _suggestions() -> dict[str, Any]:
    """Return the tags and kinds of relations that the forms of the page suggest."""
    used = ContactRelation.objects.order_by("-pk").values_list("kind", flat=True)[:_MAX_RELATIONS]
    kinds = sorted({*used, *_KINDS}, key=str.casefold)
    return {"known_tags": Contact.objects.known_tags(), "relation_kinds": kinds}


def _changed(stored: Contact, form: ContactForm) -> list[tuple[str, str]]:
    """Return (label, stored value) of each field whose typed and stored values differ."""
    shown = {
        "name": stored.name,
        "kind": stored.get_kind_display(),
        "about": stored.about or _("nothing"),
        "owner": str(stored.owner or _("no owner")),
    }
    typed = form.instance
    return [
        (str(form.fields[name].label), value)
        for name, value in shown.items()
        if getattr(stored, name) != getattr(typed, name)
    ]


def _form(
    request: StaffRequest,
    form: ContactForm,
    *,
    changed: list[tuple[str, str]] | None = None,
    status: int | None = None,
) -> HttpResponse:
    status = status or (422 if form.is_bound else 200)
    stored = form.initial.get("name", "")
    context = {"form": form, "changed": changed or [], "stored_name": stored}
    return render(request, "crm/contact_form.html", context, status=status)


def _tags(request: StaffRequest, row: Contact, form: TagForm | None = None) -> HttpResponse:
    """Render the tags of a contact after a change.

    A request by htmx gets only the tags. For any other request, the whole page is rendered if the
    form has an error. If the form has no error, the answer is a redirect to the page.
    """
    status = 422 if form else 200
    if not request.htmx:
        return contact_page(request, row, tag_form=form, status=status) if form else redirect(row)
    context = {
        "contact": row,
        "tag_form": form,
        "works": True,
        "known_tags": Contact.objects.known_tags(),
        "focus": True,
    }
    return render(request, "crm/_tags.html", context, status=status)
