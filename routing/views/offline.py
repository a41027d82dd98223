from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.access import StaffRequest, worker_only
from crm.interaction_details import REACHED
from crm.models import Attachment, PostalAddress, User
from routing.call_back import close_call_back, plan_call_back
from routing.forms import OfflineForm
from routing.forms.offline_scans import as_attachments, trouble
from routing.models import Case
from routing.models.status import Stale
from routing.offline import record
from routing.offline.find_person import NEW, as_person, chosen, find
from routing.views.offline_done import after, after_call
from scrm.web.params import number
from scrm.web.request_limits import body_limit, with_files
from scrm.web.upload_limits import MAX_FILE_BYTES, MAX_SCANS


@body_limit(with_files(MAX_SCANS * MAX_FILE_BYTES))
@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    """Log a call, a letter or another offline contact.

    The button “Search” and the tabs also submit the form. In this case nothing is logged, and the
    form is shown again with the input.
    """
    if request.method == "POST" and not {"search", "tab"} & set(request.POST):
        return _log(request)
    typed = request.POST if request.method == "POST" else request.GET
    case = _case(request, typed.get("case", ""))
    initial: dict[str, Any] = {key: value for key, value in typed.items() if value}
    initial["kind"] = typed.get("tab") or typed.get("kind") or "call"
    initial["case"] = case
    if case and "profile" not in typed:
        initial["profile"] = str(case.profile_id)
    form = OfflineForm(user=request.user, initial=initial)
    if initial.get("profile"):
        form.fields["text"].widget.attrs["autofocus"] = True
    return _page(request, form, case)


@require_safe
@worker_only
def who(request: StaffRequest) -> HttpResponse:
    """Show the search results for a person while the user types."""
    words, value = request.GET.get("profile_q", ""), request.GET.get("profile", "")
    # Ignore a choice of “new”, which was for earlier search words: these may find a person.
    people = _people(words, "" if value == NEW else value)
    return render(request, "routing/_new_who.html", people)


def _log(request: StaffRequest) -> HttpResponse:
    """Validate the form, and log the offline contact with its scans."""
    form = OfflineForm(request.POST, request.FILES, user=request.user)
    case = _case(request, request.POST.get("case", ""))
    if not form.is_valid():
        return _page(request, form, case, status=422)
    scans = [
        *form.cleaned_data["kept"].filter(interaction=None),
        *as_attachments(form.cleaned_data["scans"], by=request.user),
    ]
    try:
        return _logged(request, form, scans)
    except record.LoggedAlready as before:
        form.renew(
            _("This form was already logged in %(case)s. Nothing "
              "was added. Your text was kept: log it if it is "
              "new.") % {"case": before.where}
        )  # fmt: skip
        return _page(request, form, case, status=409)
    except Stale as stale:
        form.add_error(None, str(stale))
        return _page(request, form, case, status=409)


@transaction.atomic
def _logged(request: StaffRequest, form: OfflineForm, scans: Sequence[Attachment]) -> HttpResponse:
    """Log the valid form, and plan or close a call-back. Raises LoggedAlready."""
    contact, by = form.offline_contact(), request.user
    again = f"{reverse('routing:new')}?kind={form.tab}"
    is_new = not record.recorded(contact).exists()
    if contact.direction == "out":
        interaction = record.log_outgoing(contact, by=by)
        case = contact.case
    else:
        owed = bool(form.cleaned_data.get("call_back_at"))
        case = record.log(contact, by=by, scans=scans, owes_answer=owed)
        interaction = record.recorded(contact).get()
    profile = interaction.profile
    if form.tab == "letter" and profile:
        address = form.cleaned_data["address"]
        PostalAddress.keep(profile, address, source=_("Letter from this person"), by=by)
    if case and interaction.call and is_new:
        _follow_up(case, form, by)
    if case is None:
        return after_call(request, interaction, again)
    return after(request, [case.pk], again=again)


def _follow_up(case: Case, form: OfflineForm, by: User) -> None:
    """Plan the call-back that the form asks for, or close it after somebody was reached."""
    data = form.cleaned_data
    case.refresh_from_db()
    if data["call_back_at"]:
        if case.is_closed:
            case.reopen(by=by, why=_("A call-back was planned."))
        # The rules may have given the case to a department in which the user does not work.
        works_there = Case.objects.workable_by(by).filter(pk=case.pk).exists()
        plan_call_back(
            case,
            number=form.number,
            at=data["call_back_at"],
            to=case.assignee or (by if works_there else None),
            by=by,
            seen=case.last_inbound_id,
        )
    elif data["outcome"] == REACHED:
        close_call_back(case, by=by, why=_("Reached."))


def _case(request: StaffRequest, asked: str) -> Case | None:
    """Return the case that the offline contact is to be added to; None if no case was given.

    Raises Http404 if the user may not work on the case.
    """
    if not asked:
        return None
    return get_object_or_404(Case.objects.workable_by(request.user), pk=number(asked) or 0)


def _people(words: str, value: str = "") -> dict[str, Any]:
    """Return the template context for choosing a person.

    It contains the chosen person, the search results, and whether the choice “new” is selected.
    """
    person = chosen(value)
    first = [as_person(person)] if person else []
    others = [found for found in find(words) if not first or found.value != first[0].value]
    new = not first and (value == NEW or not others)
    return {
        "people": first + others,
        "found": len(others),
        "words": words,
        "chosen": first,
        "new": new,
    }


def _kept(request: StaffRequest) -> list[Attachment]:
    """Store the valid scans of a form that is shown again; return all scans stored so far.

    A browser does not keep the chosen files, so the user would have to choose them again.
    """
    # Return only the user's own scans: a UUID in the form must not show another user's file.
    mine = Attachment.objects.filter(by=request.user, interaction=None)
    kept = list(mine.filter(uuid__in=_uuids(request.POST.getlist("kept"))))
    fresh = [file for file in request.FILES.getlist("scans") if not trouble(file)]
    for scan in as_attachments(fresh[: MAX_SCANS - len(kept)], by=request.user):
        scan.save()
        kept.append(scan)
    return kept


def _uuids(typed: list[str]) -> list[UUID]:
    return [UUID(text) for text in typed if re.fullmatch(r"[0-9a-f-]{36}", text)]


def _page(
    request: StaffRequest, form: OfflineForm, case: Case | None, *, status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "case": case,
        "tab": form.tab,
        "kept": _kept(request),
        **_people(str(form["profile_q"].value() or ""), str(form["profile"].value() or "")),
    }
    return render(request, "routing/new.html", context, status=status)
