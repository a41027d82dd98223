from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from routing import forms, timeline
from routing.models import Case
from routing.models.case import Stale, Status
from scrm.numbers import number


@require_safe
def case(request: StaffRequest, pk: int) -> HttpResponse:
    return _page(request, get_object_or_404(Case.objects.visible_to(request.user), pk=pk))


@require_POST
def claim(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = _number(request, "assignee")
    return _do(request, case, "claim", lambda _: case.claim(by=request.user, seen=seen))


@require_POST
def give_back(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(request, case, "give_back", lambda _: case.give_back(by=request.user))


@require_POST
def hand_over(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)

    def verb(typed: dict[str, Any]) -> None:
        case.hand_over(
            to=typed["department"], person=typed["person"], by=request.user, why=typed["why"]
        )

    return _do(request, case, "hand_over", verb)


@require_POST
def note(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(request, case, "note", lambda typed: case.note(typed["text"], by=request.user))


@require_POST
def snooze(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = _number(request, "seen")

    def verb(typed: dict[str, Any]) -> None:
        case.snooze(until=typed["until"], by=request.user, seen=seen)

    return _do(request, case, "snooze", verb)


@require_POST
def done(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = _number(request, "seen")

    def verb(typed: dict[str, Any]) -> None:
        case.finish(by=request.user, seen=seen, why=typed["why"])

    return _do(request, case, "done", verb)


@require_POST
def noise(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(
        request, case, "noise", lambda typed: case.set_aside(by=request.user, why=typed["why"])
    )


@require_POST
def reopen(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(
        request, case, "reopen", lambda typed: case.reopen(by=request.user, why=typed["why"])
    )


@require_POST
def group(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(request, case, "group", lambda typed: case.group(typed["issue"], by=request.user))


_FORMS: dict[str, type[django_forms.Form]] = {
    "claim": forms.NothingForm,
    "give_back": forms.NothingForm,
    "hand_over": forms.HandOverForm,
    "note": forms.NoteForm,
    "snooze": forms.SnoozeForm,
    "done": forms.ReasonForm,
    "noise": forms.ReasonForm,
    "reopen": forms.ReasonForm,
    "group": forms.GroupForm,
}


def _workable(request: StaffRequest, pk: int) -> Case:
    """Who may only read finds nothing here."""
    cases = Case.objects.workable_by(request.user).select_related("department", "issue")
    return get_object_or_404(cases, pk=pk)


def _number(request: StaffRequest, name: str) -> int | None:
    """What the page showed when the button was pressed; nothing for nobody."""
    return number(request.POST.get(name, ""))


def _do(
    request: StaffRequest, case: Case, name: str, verb: Callable[[dict[str, Any]], object]
) -> HttpResponse:
    """Check the form, do it, say so; else the page again with what was typed."""
    form = _FORMS[name](request.POST, auto_id=f"{name}_%s")
    if not form.is_valid():
        return _page(request, case, bound={name: form}, status=422)
    try:
        verb(form.cleaned_data)
    except Stale as stale:
        fresh = Case.objects.get(pk=case.pk)
        return _page(request, fresh, bound={name: form}, error=str(stale), status=409)
    messages.success(request, _said(name, case))
    return redirect(case)


def _said(name: str, case: Case) -> str:
    """What happened, in words."""
    return {
        "claim": _("The case is yours."),
        "give_back": _("Given back: anyone in %s may take it.") % case.department,
        "hand_over": _("Handed over to %s. You can read it until it is done.") % case.department,
        "note": _("Noted. It stays inside."),
        "snooze": _("Put off. It comes back by itself, or when they write."),
        "done": _("Done. If they write within 30 days, it opens again."),
        "noise": _("Set aside as noise. Nothing is deleted: “Reopen” takes it back."),
        "reopen": _("Open again."),
        "group": _("Part of “%s”.") % case.issue if case.issue else _("Part of no issue."),
    }[name]


def _page(
    request: StaffRequest,
    case: Case,
    *,
    bound: dict[str, django_forms.Form] | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    user = request.user
    blank = {
        name: form(auto_id=f"{name}_%s", initial={"issue": case.issue_id})
        for name, form in _FORMS.items()
    }
    context = {
        "case": case,
        "error": error,
        "forms": blank | (bound or {}),
        "may_work": Case.objects.workable_by(user).filter(pk=case.pk).exists(),
        "timeline": timeline.timeline(case, user, everything="all" in request.GET),
        "why": timeline.why(case, user),
        "others": timeline.other_cases(case, user),
        "elsewhere": timeline.elsewhere(case, user),
        "late": bool(case.due_at and case.due_at < timezone.now()),
        "closed": case.status in {Status.DONE, Status.NOISE},
    }
    return render(request, "routing/case.html", context, status=status)
