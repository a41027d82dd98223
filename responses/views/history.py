from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from crm.cases import works
from responses.compose import posts_of
from responses.forms import HistoryForm, JudgeForm
from responses.models import Feedback, Response
from responses.models.response import ResponseQuerySet, State
from responses.signing import may_edit, why_not
from responses.tally import with_tallies
from responses.views.lookup import answers, may_deal_with, may_speak_for, response_to_see
from responses.walk import echoes, walk
from scrm.numbers import midnight, place

PAGE = 50


@require_safe
def history(request: StaffRequest) -> HttpResponse:
    """All that was said, newest first; the address holds the filters."""
    form = HistoryForm(request.GET)
    valid = form.is_valid()
    found = _filtered(Response.objects.visible_to(request.user), form.cleaned_data)
    rows = list(_with_facts(_before(found, request.GET.get("before", "")))[: PAGE + 1])
    shown = {
        "form": form,
        "responses": with_tallies(rows[:PAGE], request.user),
        "next": _next(request, rows[PAGE - 1]) if len(rows) > PAGE else "",
    }
    return render(request, "responses/history.html", shown, status=200 if valid else 422)


@require_safe
def response(request: StaffRequest, pk: int) -> HttpResponse:
    """Everything about one response: where it came from, and what came of it."""
    found = response_to_see(request, pk)
    return _response(request, found)


@require_POST
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    """What an answer to us amounts to."""
    visible = Feedback.objects.filter(response__in=Response.objects.visible_to(request.user))
    feedback = get_object_or_404(visible.select_related("response__case"), pk=pk)
    if not may_deal_with(feedback.response, request.user):
        raise PermissionDenied
    form = JudgeForm(request.POST, instance=feedback)
    if not form.is_valid():
        return _response(request, response_to_see(request, feedback.response_id), status=422)
    form.instance.judged_by = request.user if form.cleaned_data["outcome"] else None
    form.save()
    if request.headers.get("HX-Request"):
        return _judged(request, feedback)
    messages.success(request, _("Outcome written down."))
    return redirect(feedback.response)


def _judged(request: StaffRequest, feedback: Feedback) -> HttpResponse:
    """The row again, as it stands now; the sums beside it look again."""
    (echo,) = echoes(Feedback.objects.filter(pk=feedback.pk), request.user)
    shown = {
        "echo": echo,
        "judgeable": {feedback.response_id},
        "outcomes": Feedback.Outcome.choices,
        "of_many": bool(request.POST.get("of_many")),
    }
    answer = render(request, "responses/_echo.html", shown)
    answer["HX-Trigger"] = "judged"
    return answer


def _response(request: StaffRequest, found: Response, status: int = 200) -> HttpResponse:
    shown = {
        "response": found,
        "here": found.get_absolute_url(),
        "walk": walk(found, by=request.user),
        "events": found.events.select_related("by"),
        "corrections": found.corrections.select_related("author")
        .prefetch_related("deliveries__account", "deliveries__profile")
        .order_by("-pk"),
        "may_change": may_speak_for(found.department, request.user) and bool(posts_of(found)),
        "works": works(request.user),
        **answers(request, [found.pk]),
        "may_edit": may_edit(found, request.user) and found.state in {State.DRAFT, State.HELD},
        "may_cancel": may_edit(found, request.user) and _may_stop(found),
        "may_sign": found.state == State.HELD and not why_not(found, request.user),
    }
    return render(request, "responses/response.html", shown, status=status)


def _may_stop(response: Response) -> bool:
    waiting = response.state in {State.DRAFT, State.HELD, State.RELEASED}
    return waiting and not response.deliveries.exclude(state="queued").exists()


def _filtered(found: ResponseQuerySet, typed: dict[str, Any]) -> ResponseQuerySet:
    if typed.get("issue"):
        found = found.about(typed["issue"])
    for name in ("state", "audience", "department", "author"):
        if typed.get(name) == HistoryForm.MICRO:
            found = found.exclude(audience="many")
        elif typed.get(name):
            found = found.filter(**{name: typed[name]})
    if typed.get("since"):
        found = found.filter(created_at__gte=midnight(typed["since"]))
    if typed.get("until"):
        found = found.filter(created_at__lt=midnight(typed["until"], days=1))
    if typed.get("q"):
        words = typed["q"]
        found = found.filter(Q(text__icontains=words) | Q(subject__icontains=words))
    return found


def _before(found: ResponseQuerySet, mark: str) -> ResponseQuerySet:
    """The rows after a page's last one; a mark that is not ours shows the first page."""
    last = place(mark)
    if last is None:
        return found
    when, pk = last
    return found.filter(created_at__lte=when).exclude(created_at=when, pk__gte=pk)


def _with_facts(found: ResponseQuerySet) -> ResponseQuerySet:
    return (
        found.select_related("case__profile", "issue", "department", "author")
        .prefetch_related(
            "deliveries__account", "deliveries__profile", "attachments", "approvals__by"
        )
        .order_by("-created_at", "-pk")
    )


def _next(request: StaffRequest, last: Response) -> str:
    query = request.GET.copy()
    query["before"] = f"{last.created_at.isoformat()},{last.pk}"
    return f"?{query.urlencode()}"
