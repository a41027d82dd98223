"""Views that create, end and restore relations between contacts."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, worker_only
from crm.forms import RelationForm
from crm.models import Contact, ContactRelation
from crm.views.contact import contact_page
from crm.views.listing import typed_words
from crm.views.lookup import contact_offers, only_finds
from scrm.web.params import number


@require_POST
@worker_only
def relate(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Contact.objects.select_related("owner"), pk=pk)
    if only_finds(request, "contact", "kind"):
        return _show(request, row, RelationForm(initial=request.POST.dict(), of=row), 200)
    form = RelationForm(request.POST, of=row)
    if not form.is_valid():
        return _show(request, row, form, 422)
    one, other = form.pair()
    relation = one.relate(other, kind=form.cleaned_data["kind"], by=request.user)
    messages.success(request, f"{relation}.")
    return redirect(row)


@require_POST
@worker_only
def end(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(ContactRelation.objects.select_related("one", "other"), pk=pk)
    row.end(by=request.user)
    undo = {
        "said": _("Relation ended: %(relation)s.") % {"relation": row},
        "action": reverse("crm:relation_again", args=[pk]),
    }
    messages.success(request, render_to_string("crm/_undo.html", undo, request))
    return redirect(_page_contact(request, row))


@require_POST
@worker_only
def again(request: StaffRequest, pk: int) -> HttpResponse:
    """Restore an ended relation by creating the same relation again."""
    row = get_object_or_404(ContactRelation.objects.select_related("one", "other"), pk=pk)
    row.one.relate(row.other, kind=row.kind, by=request.user)
    messages.success(request, f"{row}.")
    return redirect(row.one)


def _show(request: StaffRequest, row: Contact, form: RelationForm, status: int) -> HttpResponse:
    find = typed_words(request, "q")
    offers = contact_offers(find, besides=row.pk, chosen=request.POST.get("contact", ""))
    extra = {"relation_form": form, "relation_find": find, "relation_offers": offers}
    return contact_page(request, row, status=status, **extra)


def _page_contact(request: StaffRequest, row: ContactRelation) -> Contact:
    """Return the contact on whose page the user ended the relation."""
    return row.other if number(request.POST.get("at", "")) == row.other_id else row.one
