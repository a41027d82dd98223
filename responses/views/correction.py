"""The pages on which a user corrects or takes down a published post."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest
from responses import corrections
from responses.forms import CorrectForm, TakeDownForm
from responses.models import Response
from responses.models.response import Refused, State
from responses.views.compose import tell
from responses.views.lookup import may_speak_for, response_to_see
from routing.models.status import Stale
from scrm.web.params import number


@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: StaffRequest, pk: int) -> HttpResponse:
    """Correct the text of a published post.

    The correction must pass the same business rules as a post.
    """
    statement = _statement(request, pk)
    form = _form(statement, request.POST or None)
    if undone := _undone(request, statement):
        form.initial.update(subject=undone.subject, text=undone.text)
    if not form.is_valid():
        return _correct(request, statement, form, status=422 if form.is_bound else 200)
    words, over = form.words(visibility=statement.visibility), form.cleaned_data["seen"]
    try:
        correction = corrections.correct(statement, words, over=over, by=request.user)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _correct(request, statement, form, status=422)
    except Stale as stale:
        form = _form(statement, request.POST)
        form.look_again(form.newest.pk)
        return _correct(request, statement, form, status=409, stale=str(stale))
    tell(request, correction)
    return redirect(correction)


@require_http_methods(["GET", "HEAD", "POST"])
def take_down(request: StaffRequest, pk: int) -> HttpResponse:
    statement = _statement(request, pk)
    if statement.department.only_drafts(request.user):
        raise PermissionDenied
    initial = {"seen": corrections.newest(statement).pk}
    form = TakeDownForm(request.POST or None, initial=initial)
    if not form.is_valid():
        return _take_down(request, statement, form, status=422 if form.is_bound else 200)
    why, over = form.cleaned_data["why"], form.cleaned_data["seen"]
    try:
        corrections.take_down(statement, why=why, over=over, by=request.user)
    except Stale as stale:
        form.look_again(corrections.newest(statement).pk)
        return _take_down(request, statement, form, status=409, stale=str(stale))
    messages.success(request, _("The post is being taken down. The status is shown below."))
    return redirect(statement)


def _undone(request: StaffRequest, statement: Response) -> Response | None:
    """Return the cancelled correction that the user wants to continue to write.

    The URL parameter `again` is the id of the correction. It must be a correction by this user.
    """
    again = number(request.GET.get("again", "")) or 0
    mine = statement.corrections.filter(author=request.user, state=State.CANCELLED)
    return mine.filter(pk=again).first()


def _form(statement: Response, typed: QueryDict | None) -> CorrectForm:
    """Return the form for a correction, filled with the current text of the post."""
    newest = corrections.newest(statement)
    return CorrectForm(
        corrections.current(statement), newest, corrections.posts_of(statement), typed
    )


def _statement(request: StaffRequest, pk: int) -> Response:
    """Return the post with this primary key.

    Raises PermissionDenied if the user may not publish in the name of its department. Raises
    Http404 if the response is not visible to the user, is not a post, or is a correction.
    """
    found = response_to_see(request, pk)
    if not found.is_macro or found.corrects_in_place:
        raise Http404
    if not may_speak_for(found.department, request.user):
        raise PermissionDenied
    return found


def _correct(
    request: StaffRequest, statement: Response, form: CorrectForm, status: int, stale: str = ""
) -> HttpResponse:
    shown = {"response": statement, "form": form, "posts": form.posts, "newest": form.newest}
    shown["stale"] = stale
    return render(request, "responses/correct.html", shown, status=status)


def _take_down(
    request: StaffRequest, statement: Response, form: TakeDownForm, status: int, stale: str = ""
) -> HttpResponse:
    shown = {
        "response": statement,
        "form": form,
        "posts": corrections.posts_of(statement),
        "newest": corrections.newest(statement),
        "now": corrections.current(statement, sent=True),
        "coming": corrections.current(statement),
        "stale": stale,
    }
    return render(request, "responses/take_down.html", shown, status=status)
