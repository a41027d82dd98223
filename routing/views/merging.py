"""Merge, split and link cases and change their customer; undo all of these but links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from crm.access import StaffRequest
from crm.models import Interaction
from routing.forms.merge import LinkForm, MergeForm, SplitForm
from routing.forwarded_sender import event_of, make_customer, undo_customer
from routing.linking import link_cases
from routing.merge_preview import also_open, preview
from routing.merging import merge, undo_merge
from routing.models import Case, CaseEvent, CaseLink
from routing.models.status import Stale
from routing.splitting import split_off_conversation, split_off_item, undo_split
from routing.views.case import page
from scrm.web.params import number


@require_http_methods(["GET", "HEAD", "POST"])
def merge_page(request: StaffRequest, pk: int) -> HttpResponse:
    """Choose a case of the same person, show what a merge would do, and merge the two cases."""
    case = _workable(request, pk)
    asked = request.POST or ({"keep": "this"} | request.GET.dict() if request.GET else None)
    form = MergeForm(asked, user=request.user)
    shown: dict[str, Any] = {
        "case": case,
        "form": form,
        "candidates": also_open(case, request.user),
    }
    if not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "routing/merge.html", shown, status=status)
    other = form.cleaned_data["other"]
    source, target = (other, case) if form.cleaned_data["keep"] == "this" else (case, other)
    shown |= {"other": other, "preview": preview(source, target, request.user)}
    if request.method != "POST":
        return render(request, "routing/merge.html", shown)
    try:
        event = merge(source, target, by=request.user, why=form.cleaned_data["why"])
    except Stale as stale:
        return render(request, "routing/merge.html", shown | {"error": str(stale)}, status=409)
    said = _("Case #%(source)d was merged into case #%(target)d.")
    numbers = {"source": source.pk, "target": target.pk}
    messages.success(request, _with_undo(request, event, said % numbers))
    return redirect(target)


@require_POST
def split(request: StaffRequest, pk: int) -> HttpResponse:
    """Split a message or its conversation off into a new case."""
    case = _workable(request, pk)
    form = SplitForm(request.POST)
    if not form.is_valid():
        return page(request, case, error=_("Choose a message of this case."), status=422)
    readable = Interaction.objects.readable_by(request.user).select_related("conversation")
    item = get_object_or_404(readable, pk=form.cleaned_data["item"])
    why = form.cleaned_data["why"]
    try:
        if form.cleaned_data["what"] == "item":
            new = split_off_item(case, item, by=request.user, why=why)
        else:
            new = split_off_conversation(case, item.conversation, by=request.user, why=why)
    except Stale as stale:
        fresh = Case.objects.get(pk=case.pk)
        return page(request, fresh, error=str(stale), status=409)
    event = case.events.filter(kind=CaseEvent.Kind.SPLIT, data__has_key="split").latest("pk")
    said = _("Split off into the new case #%d.") % new.pk
    messages.success(request, _with_undo(request, event, said, new=new))
    return _back(request, case)


@require_POST
def forwarded_sender(request: StaffRequest, pk: int) -> HttpResponse:
    """Make the sender of a forwarded mail the customer of this case."""
    case = _workable(request, pk)
    readable = Interaction.objects.readable_by(request.user).select_related("profile", "account")
    item = readable.filter(pk=number(request.POST.get("item", "")) or 0).first()
    if item is None:
        return page(request, case, error=_("Choose a message of this case."), status=422)
    try:
        said = make_customer(case, item, by=request.user)
    except Stale as stale:
        fresh = Case.objects.get(pk=case.pk)
        return page(request, fresh, error=str(stale), status=409)
    message = _("You can answer %(person)s now.") % {"person": said.profile}
    event = event_of(case, said)
    messages.success(request, _with_undo(request, event, message) if event else message)
    return _back(request, case)


@require_POST
def link(request: StaffRequest, pk: int) -> HttpResponse:
    """Link this case with another one, keep the two apart, or take that back."""
    case = _workable(request, pk)
    form = LinkForm(request.POST, user=request.user)
    if not form.is_valid():
        errors = [error for field in form.errors.values() for error in field]
        return page(request, case, error=" ".join(map(str, errors)), status=422)
    wanted = form.cleaned_data["kind"]
    kind = None if wanted == "none" else CaseLink.Kind(wanted)
    try:
        link_cases(case, form.cleaned_data["other"], kind, by=request.user)
    except Stale as stale:
        return page(request, case, error=str(stale), status=409)
    return _back(request, case)


@require_POST
def undo_event(request: StaffRequest, pk: int, event: int) -> HttpResponse:
    """Undo a merge, a split or a change of the customer of this case."""
    case = _workable(request, pk)
    row = get_object_or_404(CaseEvent, pk=event, case=case)
    undo: Callable[..., Case]
    if "merge" in row.data:
        undo = undo_merge
    elif "split" in row.data:
        undo = undo_split
    elif "forwarded" in row.data:
        undo = undo_customer
    else:
        raise Http404
    try:
        undo(row, by=request.user)
    except Stale as stale:
        return page(request, case, error=str(stale), status=409)
    moved = undo is not undo_customer
    messages.success(request, _("Undone. The messages were moved back.") if moved else _("Undone."))
    answer = _back(request, case)
    return trigger_client_event(answer, "list-changed") if request.htmx else answer


def _workable(request: StaffRequest, pk: int) -> Case:
    cases = Case.objects.workable_by(request.user).select_related("department", "profile", "issue")
    return get_object_or_404(cases, pk=pk)


def _back(request: StaffRequest, case: Case) -> HttpResponse:
    if not request.htmx:
        return redirect(case)
    return page(request, Case.objects.select_related("department", "issue").get(pk=case.pk))


def _with_undo(
    request: StaffRequest, event: CaseEvent, message: str, new: Case | None = None
) -> str:
    """Return the message as HTML, with a form that undoes the event."""
    shown = {"said": message, "event": event, "new": new}
    return render_to_string("routing/_undo_event.html", shown, request)
