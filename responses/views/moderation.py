"""Moderate a message of a case: the form for the reason, the action, and the result."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget, trigger_client_event

from crm.access import StaffRequest
from crm.models import Account, Interaction
from responses import moderation
from responses.forms import ModerationForm
from responses.models import Moderation
from responses.models.response import Refused
from responses.moderation_actions import ACTIONS, Action, label_of
from responses.moderation_panels import Panel, panels
from responses.views.lookup import case_to_see
from routing import case_page
from routing.models import Case


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for: an action on a message of a case, from one of our accounts."""

    case: Case
    message: Interaction
    account: Account
    action: Action


@require_http_methods(["GET", "HEAD", "POST"])
def moderate(request: StaffRequest, pk: int, message: int, action: str) -> HttpResponse:
    """Show the form that asks for a reason, or carry out the action.

    htmx gets the changed part of the message; a browser without JavaScript gets whole pages.
    """
    asked = _asked(request, pk, message, action)
    if "cancel" in request.GET:
        return _panel(request, asked)
    form = ModerationForm(asked.action, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _form(request, asked, form, status=422 if form.is_bound else 200)
    reason = form.cleaned_data.get("reason", "")
    try:
        row = moderation.moderate(
            asked.message, asked.action, case=asked.case, account=asked.account, by=request.user,
            reason=reason,
        )  # fmt: skip
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _form(request, asked, form, status=422)
    if request.htmx:
        return trigger_client_event(_panel(request, asked), "case-changed", {"id": pk})
    _tell(request, row, asked)
    there = "responses:thread" if _is_thread(request) else "routing:case"
    return redirect(f"{redirect(there, pk).url}#said-{message}")


def _asked(request: StaffRequest, pk: int, message: int, name: str) -> _Asked:
    """Look up what the request names.

    Raises Http404 if the user may not read the message, or if its network lacks the action. Raises
    PermissionDenied if the user's role does not allow the action.
    """
    case = case_to_see(request, pk)
    said = _message_in(case, message, request)
    account = moderation.account_for(said, moderation.moderating_accounts(case))
    action = ACTIONS.get(name)
    if account is None or action not in moderation.possible_actions(said, account):
        raise Http404
    if not action.allowed_to(moderation.rights_in(case, request.user)):
        raise PermissionDenied
    return _Asked(case, said, account, action)


def _message_in(case: Case, pk: int, request: StaffRequest) -> Interaction:
    """Return a message of the case or of its public thread. Raises Http404 if there is none."""
    readable = Interaction.objects.readable_by(request.user).filter(pk=pk)
    rows = readable.select_related("profile", "conversation")
    found = rows.filter(pk__in=case_page.interactions_of(case).values("pk")).first()
    thread = case_page.public_thread(case, request.user).order_by()
    found = found or rows.filter(pk__in=thread.values("pk")).first()
    if found is None:
        raise Http404
    return found


def _is_thread(request: StaffRequest) -> bool:
    """Return whether the request comes from the page of the public thread."""
    return (request.POST or request.GET).get("page") == "thread"


def _tell(request: StaffRequest, row: Moderation, asked: _Asked) -> None:
    if row.state == Moderation.State.FAILED:
        failed = _("%(what)s failed: %(error)s")
        label = label_of(asked.action, asked.message)
        messages.error(request, failed % {"what": label, "error": row.error})
    elif row.state == Moderation.State.PENDING:
        messages.warning(request, _("This is already in progress."))
    else:
        messages.success(request, f"{asked.action.done}.")


def _form(
    request: StaffRequest, asked: _Asked, form: ModerationForm, *, status: int
) -> HttpResponse:
    shown = {
        "case": asked.case,
        "said": asked.message,
        "action": asked.action,
        "label": label_of(asked.action, asked.message),
        "account": asked.account,
        "form": form,
        "page": "thread" if _is_thread(request) else "",
    }
    if not request.htmx:
        return render(request, "responses/moderate.html", shown, status=status)
    answer = render(request, "responses/_moderate.html", shown, status=status)
    if request.method != "POST":
        return answer
    # The button of an action that asks for no reason has another target.
    return reswap(retarget(answer, f"#moderate-{asked.message.pk}"), "innerHTML")


def _panel(request: StaffRequest, asked: _Asked) -> HttpResponse:
    """Return the panel of the message, and empty the place of the form."""
    made = panels(asked.case, request.user, [asked.message])
    shown = {
        "case": asked.case,
        "panel": made.get(asked.message.pk, Panel(asked.message)),
        "page": "thread" if _is_thread(request) else "",
        "answers": True,
    }
    answer = render(request, "responses/_moderation.html", shown)
    return reswap(retarget(answer, f"#moderation-{asked.message.pk}"), "outerHTML")
