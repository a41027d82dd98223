from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm.access import StaffRequest, works
from responses.corrections import posts_of
from responses.forms import JudgeForm
from responses.forms.campaign import CountInForm
from responses.history.export import lines
from responses.history.filters import (
    HistoryForm,
    HistoryViewForm,
    before,
    mark_of,
    query_of,
    with_facts,
)
from responses.models import Campaign, Feedback, HistoryView, Response
from responses.models.response import State
from responses.reply_to_changed import offers
from responses.results.answer_counts import with_tallies
from responses.signing import may_edit, why_not
from responses.trace import echoes, trace
from responses.views.lookup import (
    answers,
    changeable,
    may_deal_with,
    may_speak_for,
    private_notes,
    response_to_see,
)
from scrm.text.clean import storable

PAGE = 50


@require_safe
def history(request: StaffRequest) -> HttpResponse:
    """List the responses that match the filters in the URL, newest first."""
    form = HistoryForm(request.GET, user=request.user)
    found = before(form.found, request.GET.get("before", ""))
    rows = list(with_facts(found)[: PAGE + 1])
    query = query_of(request.GET)
    views = list(HistoryView.objects.visible_to(request.user).select_related("owner"))
    shown = {
        "form": form,
        "responses": with_tallies(rows[:PAGE], request.user),
        "next": _next(request, rows[PAGE - 1]) if len(rows) > PAGE else "",
        "query": query,
        "campaigns": set(Campaign.objects.visible_to(request.user).values_list("pk", flat=True)),
        "views": views,
        "view": next((view for view in views if query and view.query == query), None),
        "view_form": HistoryViewForm(),
    }
    return render(request, "responses/history.html", shown, status=200 if form.is_valid() else 422)


@require_safe
def export(request: StaffRequest) -> HttpResponseBase:
    """Export all responses that match the filters in the URL as a streamed CSV file."""
    form = HistoryForm(request.GET, user=request.user)
    if not form.is_valid():
        messages.error(request, _("A filter is invalid. Nothing was exported."))
        return redirect(f"{reverse('responses:history')}?{query_of(request.GET)}")
    # Errors are checked first, because they cannot be shown once the stream has begun.
    rows = lines(form.found, request.user, timezone.get_current_timezone())
    answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    name = f"responses-{timezone.localdate():%Y-%m-%d}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_POST
def save_view(request: StaffRequest) -> HttpResponse:
    """Save the current filters as a named view."""
    typed = storable(request.POST.get("query", "")).lstrip("?")
    query = query_of(QueryDict(typed))[:1000]
    mine = HistoryView(owner=request.user, query=query)
    form = HistoryViewForm(request.POST, instance=mine)
    if not form.is_valid():
        messages.error(request, _("Enter a view name that you have not used yet."))
        return redirect(f"{reverse('responses:history')}?{query}")
    view = form.save()
    messages.success(request, _("View “%s” saved.") % view)
    return redirect(view)


@require_POST
def drop_view(request: StaffRequest, pk: int) -> HttpResponse:
    view = get_object_or_404(HistoryView, pk=pk, owner=request.user)
    view.delete()
    messages.success(request, _("View “%s” deleted. The responses are unchanged.") % view)
    return redirect("responses:history")


@require_safe
def response(request: StaffRequest, pk: int) -> HttpResponse:
    """Show a response with its trace, deliveries, history and feedback."""
    found = response_to_see(request, pk)
    return _response(request, found)


@require_POST
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    """Set the outcome of an answer."""
    visible = Feedback.objects.filter(response__in=Response.objects.visible_to(request.user))
    feedback = get_object_or_404(visible.select_related("response__case"), pk=pk)
    if not may_deal_with(feedback.response, request.user):
        raise PermissionDenied
    form = JudgeForm(request.POST, instance=feedback)
    if not form.is_valid():
        return _response(request, response_to_see(request, feedback.response_id), status=422)
    # The database refuses an outcome without the user who set it.
    form.instance.judged_by = request.user if form.cleaned_data["outcome"] else None
    form.save()
    if request.htmx:
        return _judged_row(request, feedback)
    messages.success(request, _("Outcome saved."))
    return redirect(feedback.response)


def _judged_row(request: StaffRequest, feedback: Feedback) -> HttpResponse:
    """Return the updated row of an answer.

    The htmx event `judged` makes the page reload its totals.
    """
    (echo,) = echoes(Feedback.objects.filter(pk=feedback.pk), request.user)
    shown = {
        "echo": echo,
        "judgeable": {feedback.response_id},
        "outcomes": Feedback.Outcome.choices,
        "of_many": bool(request.POST.get("of_many")),
    }
    answer = render(request, "responses/_echo.html", shown)
    return trigger_client_event(answer, "judged")


def _response(request: StaffRequest, found: Response, status: int = 200) -> HttpResponse:
    shown = {
        "response": found,
        "here": found.get_absolute_url(),
        "trace": trace(found, by=request.user),
        "events": found.events.select_related("by"),
        "corrections": Response.objects.visible_to(request.user)
        .filter(corrects=found)
        .select_related("author")
        .prefetch_related("deliveries__account", "deliveries__profile")
        .order_by("-pk"),
        "corrected": Response.objects.visible_to(request.user).filter(corrects=found).alive(),
        "may_change": may_speak_for(found.department, request.user) and bool(posts_of(found)),
        "works": works(request.user),
        "campaign": _campaign(found, request),
        "campaign_form": _campaign_form(found, request),
        **answers(request, [found.pk]),
        **private_notes([found]),
        "offers": offers([found], request.user),
        "may_edit": bool(changeable([found], request.user)),
        "may_cancel": may_edit(found, request.user) and _may_stop(found),
        "may_sign": found.state == State.HELD and not why_not(found, request.user),
    }
    return render(request, "responses/response.html", shown, status=status)


def _campaign(found: Response, request: StaffRequest) -> Campaign | None:
    """Return the campaign of a post, if there is one and the user may see it."""
    visible = Campaign.objects.visible_to(request.user)
    return visible.filter(links__statement=found).first()


def _campaign_form(found: Response, request: StaffRequest) -> CountInForm | None:
    if not (found.is_macro and may_deal_with(found, request.user)):
        return None
    return CountInForm(user=request.user, initial={"campaign": _campaign(found, request)})


def _may_stop(response: Response) -> bool:
    waiting = response.state in {State.DRAFT, State.HELD, State.RELEASED}
    return waiting and not response.deliveries.exclude(state="queued").exists()


def _next(request: StaffRequest, last: Response) -> str:
    query = request.GET.copy()
    query["before"] = mark_of(last)
    return f"?{query.urlencode()}"
