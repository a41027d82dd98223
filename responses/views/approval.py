from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from crm.access import StaffRequest
from crm.models import User
from responses import corrections, release, signing, upload_field
from responses.forms import EditForm, SendBackForm
from responses.forms.places import NOT_CONFIRMED, place_name, place_of
from responses.models import Campaign, Draft, Response
from responses.models.approval import request_of
from responses.models.campaign import leave_campaign
from responses.models.response import Refused, State
from responses.recipients import competing, wrote_privately
from responses.reply_to_changed import offers
from responses.rule_findings import held_for
from responses.served import value_of
from responses.views.lookup import oldest, private_notes, response_to_see, words_answered
from routing.models.status import Stale
from routing.unsent_answer import withdraw_answer
from scrm.web.params import number


@require_safe
def approvals(request: StaffRequest) -> HttpResponse:
    return _approvals(request)


@require_POST
def approve(request: StaffRequest, pk: int) -> HttpResponse:
    response = _to_approve(request, pk)
    shown, instead = request.POST.get("shown", ""), bool(request.POST.get("instead"))
    return _act_on_queue(
        request,
        lambda: signing.approve(response, shown=shown, by=request.user, instead=instead),
        lambda: _approval_message(response),
    )


@require_POST
def review(request: StaffRequest, pk: int) -> HttpResponse:
    """Record that the user has reviewed a response that was already sent."""
    response = _to_approve(request, pk)
    return _act_on_queue(
        request, lambda: release.review(response, by=request.user), lambda: _("Marked as reviewed.")
    )


@require_POST
def send_back(request: StaffRequest, pk: int) -> HttpResponse:
    response = _to_approve(request, pk)
    form = SendBackForm(request.POST)
    if not form.is_valid():
        return _approvals(request, form=form, at=pk, status=422)
    why = form.cleaned_data["reason"]
    return _act_on_queue(
        request,
        lambda: release.send_back(response, by=request.user, why=why),
        lambda: _("Sent back to %(author)s.") % {"author": response.author},
        form=form,
        at=pk,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Edit an unsent response, and then keep it as a draft or send it."""
    response = response_to_see(request, pk)
    if not signing.may_edit(response, request.user):
        raise PermissionDenied
    form = EditForm(response, request.user, request.POST or None, request.FILES or None)
    if request.method != "POST":
        return _edit(request, response, form)
    # The response was sent meanwhile: show the user's input again, so that it is not lost.
    if not signing.is_unsent(response):
        return _edit(request, response, form, status=409)
    if not form.is_valid():
        return _edit(request, response, form, status=422)
    try:
        changed = _rewrite(request, response, form)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _edit(request, response, form, status=422)
    except Stale as stale:
        return _stale(request, response, form, stale)
    messages.success(request, _result_message(changed))
    return redirect(changed.case or changed)


@require_POST
def send(request: StaffRequest, pk: int) -> HttpResponse:
    """Send a draft without changes."""
    response = response_to_see(request, pk)
    if not signing.may_edit(response, request.user):
        raise PermissionDenied
    shown, seen = request.POST.get("shown", ""), number(request.POST.get("seen", ""))
    try:
        # Here too, a public answer to a private message needs the user's consent.
        if wrote_privately([response]) and not request.POST.get("publicly"):
            raise Refused(NOT_CONFIRMED)
        signing.send(response, shown=shown, seen=seen, by=request.user)
    except (Refused, Stale) as error:
        response.refresh_from_db()
        status = 422 if isinstance(error, Refused) else 409
        form = EditForm(response, request.user)
        return _edit(request, response, form, status=status, error=str(error))
    messages.success(request, _result_message(response))
    return redirect(response.case or response)


@require_POST
def cancel(request: StaffRequest, pk: int) -> HttpResponse:
    """Cancel a response that has not been sent yet. This is the “Undo” of sending."""
    response = response_to_see(request, pk)
    if not signing.may_edit(response, request.user):
        raise PermissionDenied
    try:
        messages.success(request, _cancel(request, response))
    except Stale as stale:
        messages.error(request, str(stale))
    if request.POST.get("back") == "delivery_problems":
        return redirect("responses:delivery_problems")
    if response.corrects_in_place and response.author == request.user:
        return _redirect_to_correction(request, response)
    if request.htmx:
        answer = render(request, "_messages.html", {"oob": True})
        back = {"href": response.case.get_absolute_url()} if response.case else {}
        trigger_client_event(answer, "list-changed")
        return trigger_client_event(answer, "case-back", back)
    return redirect(response.case or response)


def _redirect_to_correction(request: StaffRequest, correction: Response) -> HttpResponse:
    """Redirect to the page on which the user wrote a cancelled correction.

    The user can continue to write there.
    """
    page = reverse("responses:correct", args=[correction.corrects_id])
    url = f"{page}?again={correction.pk}"
    if request.htmx:
        return HttpResponseClientRedirect(url)
    return redirect(url)


@transaction.atomic
def _cancel(request: StaffRequest, response: Response) -> str:
    """Cancel a response, restore its draft, and reopen its case.

    Returns a message for the user. Raises Stale if a delivery was already attempted.
    """
    # This is first: it raises Stale if a delivery was attempted, and then nothing else may change.
    restored = corrections.undo(response, by=request.user)
    taken_back = response.author == request.user and _restore_draft(response)
    if response.case:
        why = _("The sending of the answer was undone.")
        withdraw_answer(response.case, by=request.user, why=why)
    if restored:
        return _("Cancelled. Nothing was sent. The earlier text will be sent instead.")
    if taken_back:
        return _("Cancelled. Nothing was sent. The text is a draft again.")
    return _("Cancelled. Nothing was sent. The text is kept in the history.")


def _restore_draft(response: Response) -> bool:
    """Store the text and files of a cancelled response as a draft of its author.

    Returns False and does nothing if the author has begun another draft. The same applies to a
    correction of a post, because its text is shown again on the page where it was written.
    """
    if response.corrects_in_place:
        return False
    kind = "statement" if response.is_macro else "reply"
    case, author = response.case, response.author
    issue = None if case else response.issue
    draft = Draft.objects.filter(case=case, issue=issue, kind=kind, author=author).first()
    # Do not overwrite another text that the author has begun.
    if draft and draft.text:
        return False
    _draft, saved = Draft.keep(
        case=case,
        issue=issue,
        kind=kind,
        by=author,
        text=response.text,
        seen=draft.version if draft else 0,
        fields={
            "subject": response.subject,
            "department": str(response.department_id),
            "accounts": list(response.deliveries.values_list("account", flat=True)),
            "corrects": str(response.corrects_id or ""),
            "place": _place_of(response),
            "publicly": "" if any(wrote_privately([response]).values()) else "on",
            **_acknowledgement_of(response),
            "serves": [value_of(*ids) for ids in response.served.values_list("profile", "message")],
            "send_at": f"{localtime(response.send_at):%Y-%m-%dT%H:%M}" if response.send_at else "",
            "also_to": response.copies,
            "campaign": _remove_from_campaign(response),
            "kept": upload_field.take_back(response),
            **{f"version_{pk}": words for pk, words in response.versions.items()},
        },
    )
    return saved


def _acknowledgement_of(response: Response) -> dict[str, str]:
    """Return the fields of the composer for the public acknowledgement of a cancelled reply."""
    public = response.acknowledgements.order_by("-pk").first()
    return {"acknowledge": "on", "acknowledgement": public.text} if public else {}


def _remove_from_campaign(response: Response) -> str:
    """Remove a cancelled post from its campaign; return the campaign's id, for the draft.

    The result is "" if the post has no campaign, or if the campaign is closed or not visible to the
    author.
    """
    running = Campaign.objects.visible_to(response.author).running()
    campaign = running.filter(links__statement=response).first()
    if campaign is None:
        return ""
    leave_campaign(response, by=response.author)
    return str(campaign.pk)


def _place_of(response: Response) -> str:
    """Return the value of the radio button in the composer that selects the place of this reply."""
    delivery = response.deliveries.first()
    if response.is_macro or delivery is None:
        return ""
    return place_name(place_of(delivery))


def _to_approve(request: StaffRequest, pk: int) -> Response:
    response = response_to_see(request, pk)
    if not signing.may_approve(response, request.user):
        raise PermissionDenied
    return response


def _act_on_queue(
    request: StaffRequest,
    act: Callable[[], None],
    done: Callable[[], str],
    form: SendBackForm | None = None,
    at: int | None = None,
) -> HttpResponse:
    try:
        act()
    except Refused as refusal:
        return _approvals(request, form=form, at=at, status=422, error=str(refusal))
    except Stale as stale:
        return _approvals(request, form=form, at=at, status=409, error=str(stale))
    messages.success(request, done())
    return redirect("responses:approvals")


def _approval_message(response: Response) -> str:
    """Return a message that says what happens after an approval.

    If another approval is missing, the message says so. Otherwise it says when the text is sent.
    """
    if response.state == State.HELD:
        return _("Approved. The text now waits for approval by a supervisor.")
    if response.send_at and response.send_at > timezone.now():
        return _("Approved. The text will be sent at the scheduled time.")
    return _("Approved. The text is being sent.")


def _approvals(
    request: StaffRequest,
    form: SendBackForm | None = None,
    at: int | None = None,
    status: int = 200,
    error: str = "",
) -> HttpResponse:
    """Show the held responses of the departments that the user leads, and responses to review.

    `form` is what the user entered for one response, and `at` is the id of that response.
    """
    held = Response.objects.approvable_by(request.user).order_by("created_at", "pk")
    held = held.select_related(
        "case__profile", "issue", "department", "author", "corrects", "approval_request"
    )
    held = held.prefetch_related(
        "deliveries__account", "deliveries__profile__links", "attachments", "approvals__by",
        "corrects__deliveries", "served__profile",
    )  # fmt: skip
    waiting, more = oldest(held)
    answered = words_answered(waiting, request.user)
    departments = {response.department_id: response.department for response in waiting}
    for response in waiting:
        response.department = departments[response.department_id]  # shared: loads its leads once
    rows = [
        {
            "response": response,
            "answers": answered.get(response.pk),
            "why_not": request_of(response).why_not_approved_by(request.user),
            "stands": _online_version(response),
            "competing": len(competing(response, waiting)),
            "form": form if form and at == response.pk else SendBackForm(),
            "open": form is not None and at == response.pk,
        }
        for response in waiting
    ]
    to_review, more_to_review = _to_review(request.user)
    shown = {
        "rows": rows,
        "more": more + more_to_review,
        "error": error,
        **private_notes(waiting),
        "offers": offers(waiting, request.user),
        "out": to_review,
        "now": timezone.now(),
    }
    return render(request, "responses/approvals.html", shown, status=status)


def _to_review(user: User) -> tuple[list[Response], int]:
    """Return the first responses to review, and the number of those that are left out."""
    rows = Response.objects.reviewable_by(user).order_by("released_at", "pk")
    rows = rows.select_related("case__profile", "issue", "department", "author", "corrects")
    return oldest(
        rows.prefetch_related(
            "deliveries__account",
            "deliveries__profile",
            "attachments",
            "corrects__deliveries",
            "served__profile",
        )
    )


def _online_version(response: Response) -> Response | None:
    """Return the version of the post that is online now and that a correction would replace.

    The result is None if the response is not a correction, or if the post was taken down.
    """
    statement = response.corrects
    if statement is None or not response.corrects_in_place or statement.is_taken_down:
        return None
    return corrections.current(statement, sent=True)


def _rewrite(request: StaffRequest, response: Response, form: EditForm) -> Response:
    words, by = form.rewritten, request.user
    shown, seen = form.cleaned_data["shown"], form.cleaned_data["seen"]
    if request.POST.get("then") == "send":
        return signing.rewrite_and_send(response, words, shown=shown, seen=seen, by=by)
    return signing.rewrite(response, words, shown=shown, by=by)


def _edit(
    request: StaffRequest, response: Response, form: EditForm, status: int = 200, error: str = ""
) -> HttpResponse:
    own = response.author_id == request.user.pk
    here = list(response.attachments.all())
    kept = upload_field.keep(request, request.user, response) if form.is_bound else here
    shown = {
        "response": response,
        "answers": words_answered([response], request.user).get(response.pk),
        "form": form,
        "error": error,
        "approves": not own and signing.may_approve(response, request.user),
        "last": response.approvals.order_by("-pk").first(),
        "kept": [*here, *(file for file in kept if file not in here)],
        "left_out": [file for file in here if file not in kept],
        "open": signing.is_unsent(response),
        **private_notes([response]),
    }
    return render(request, "responses/edit.html", shown, status=status)


def _stale(request: StaffRequest, response: Response, form: EditForm, stale: Stale) -> HttpResponse:
    response.refresh_from_db()
    if response.case:
        response.case.refresh_from_db()
    form.look_again()
    return _edit(request, response, form, status=409, error=str(stale))


def _result_message(response: Response) -> str:
    labels = {
        State.HELD: f"{held_for(response)}.",
        State.RELEASED: _("The text is being sent."),
        State.DRAFT: _("Saved as a draft. The text is not sent."),
    }
    return labels.get(State(response.state), response.get_state_display())
