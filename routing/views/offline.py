from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, worker_only
from crm.models import Profile
from routing import offline
from routing.forms import OfflineForm, find_profiles
from routing.models import Case
from scrm.numbers import number


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    """Write down what no machine heard. “Search” looks people up and keeps what was typed."""
    if request.method == "POST" and "search" not in request.POST:
        return _log(request)
    typed = request.POST if request.method == "POST" else request.GET
    case = _case(request, typed.get("case", ""))
    words = typed.get("profile_q", "")
    initial: dict[str, Any] = {key: value for key, value in typed.items() if key != "form"}
    initial["case"] = case
    if typed.get("form"):
        initial["form"] = typed["form"]
    if case:
        initial.setdefault("profile", case.profile_id)
    form = OfflineForm(user=request.user, initial=initial)
    form.offers(_offered(initial.get("profile"), words))
    return _page(request, form, case, words)


def _log(request: StaffRequest) -> HttpResponse:
    form = OfflineForm(request.POST, user=request.user)
    words = request.POST.get("profile_q", "")
    form.offers(_offered(request.POST.get("profile"), words))
    if not form.is_valid():
        case = _case(request, request.POST.get("case", ""))
        return _page(request, form, case, words, status=422)
    typed = form.cleaned_data
    case = offline.log(
        offline.Touchpoint(
            form=typed["form"],
            kind=typed["kind"],
            text=typed["text"],
            name=typed["name"],
            phone=typed["phone"],
            profile=typed["profile"] or (typed["case"] and typed["case"].profile),
            case=typed["case"],
            said_at=typed["said_at"],
        ),
        by=request.user,
    )
    where = {"case": f"#{case.pk}", "department": case.department}
    if Case.objects.visible_to(request.user).filter(pk=case.pk).exists():
        messages.success(request, _("Logged in %(case)s, with %(department)s.") % where)
        return redirect(case)
    messages.success(
        request,
        _("Logged. The rules gave it to %(department)s as %(case)s, so it is in their inbox.")
        % where,
    )
    return redirect("routing:inbox")


def _case(request: StaffRequest, asked: str) -> Case | None:
    """The case that this is to be added to; 404 for one that is not theirs to work on."""
    if not asked:
        return None
    return get_object_or_404(Case.objects.workable_by(request.user), pk=number(asked) or 0)


def _offered(chosen: object, words: str) -> list[Profile]:
    """Whoever is chosen already, then whom the search finds."""
    first = Profile.objects.filter(pk=number(str(chosen or "")) or 0).prefetch_related(
        "links__contact"
    )
    return list({profile.pk: profile for profile in [*first, *find_profiles(words)]}.values())


def _page(
    request: StaffRequest, form: OfflineForm, case: Case | None, words: str, *, status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "case": case,
        "words": words,
        "found": len(form["profile"]) - 1,
        "first": [form["kind"], form["text"], form["said_at"]],
        "last": [form["name"], form["phone"]],
    }
    return render(request, "routing/new.html", context, status=status)
