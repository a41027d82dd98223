from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, trigger_client_event

from crm.access import StaffRequest
from crm.models import Account, Attachment, Interaction, User
from responses import changed_items, compose, upload_field
from responses.acknowledgement import reply_and_acknowledge
from responses.by_hand import log_by_hand
from responses.case_verbs import CLOSE_WITHOUT_REPLY
from responses.forms import (
    ByHandForm,
    Composing,
    NoteForm,
    NothingForm,
    ReplyForm,
    StatementForm,
)
from responses.models import Draft, Response
from responses.models.response import Refused, State
from responses.reply_to_changed import offers
from responses.rule_findings import held_for
from responses.saved_reply_variables import replies_for
from responses.shown_case import check_shown, marker
from responses.views.draft import forget
from responses.views.lookup import (
    case_to_see,
    case_to_work_on,
    changeable,
    may_work_on,
    private_notes,
)
from routing import at_names
from routing.case_verb import VerbInput
from routing.models import Case
from routing.models.status import Stale
from routing.undo import snapshot
from routing.views.case_verbs import with_undo
from scrm.web.params import number
from scrm.web.request_limits import body_limit, with_files
from scrm.web.upload_limits import MAX_FILE_BYTES, MAX_FILES

TABS = ("reply", "statement", "by-hand", "note", "nothing")
Act = Callable[[], Response | None]


@require_safe
def composer(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the form of one tab of the composer, as a part of a page (htmx) or as a whole page."""
    case = case_to_see(request, pk)
    requested = request.GET.get("tab", "")
    tab = requested if requested in TABS else _tab_of_latest_draft(case, request.user)
    form = _form(request, case, tab)
    # One line, until the user goes into it; not where they asked for a tab or a draft goes on.
    collapsed = bool(
        request.htmx
        and not request.GET
        and isinstance(form, ReplyForm)
        and form.places
        and not form["text"].value()
    )
    return _composer(request, case, tab, form, collapsed=collapsed)


@body_limit(with_files(MAX_FILES * MAX_FILE_BYTES))
@require_POST
def reply(request: StaffRequest, pk: int) -> HttpResponse:
    case = case_to_work_on(request, pk)
    form = ReplyForm(case, request.user, request.POST, request.FILES)

    def act() -> Response:
        facts: dict[str, Any] = {"place": form.chosen, "by": request.user}
        words = form.words(visibility=form.chosen.visibility)
        along = form.attachments()
        if wanted := form.wanted_acknowledgement(form.chosen):
            facts["public"], facts["public_text"] = wanted
            return reply_and_acknowledge(case, words, along=along, **facts)
        serves = form.served_at(form.chosen)
        return compose.reply(case, words, along=along, serves=serves, **facts)

    return _submit(request, case, "reply", form, act)


@require_POST
def statement(request: StaffRequest, pk: int) -> HttpResponse:
    case = case_to_work_on(request, pk)
    seen, user = case.last_inbound_id, request.user
    form = StatementForm(case.department, case.issue, seen, request.POST, user=user)

    def act() -> Response:
        return _publish(request, form, case)

    return _submit(request, case, "statement", form, act)


@require_POST
def by_hand(request: StaffRequest, pk: int) -> HttpResponse:
    case = case_to_work_on(request, pk)
    form = ByHandForm(case, request.POST)

    def act() -> Response:
        receipt = form.receipt
        account = form.network_account if receipt else None
        words = form.words(visibility="public" if receipt else "private")
        account = account or _manual_account(case)
        return log_by_hand(
            case,
            words,
            account=account,
            by=request.user,
            receipt=receipt,
            letter=form.letter,
        )

    return _submit(request, case, "by-hand", form, act)


@require_POST
def note(request: StaffRequest, pk: int) -> HttpResponse:
    """Add a note to a case, and notify the colleagues whose @names are in the note.

    If a reply cannot be sent to the party, the user can save its text as a note. The draft of the
    reply is then deleted.
    """
    case = get_object_or_404(Case.objects.workable_by(request.user), pk=pk)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _composer(request, case, "note", form, status=422)
    text = form.cleaned_data["text"]
    form_uuid = form.cleaned_data["form"]
    named = at_names.read(text, case)
    if named.problems:
        form.add_error("text", list(named.problems))
        return _composer(request, case, "note", form, status=422)
    notified = list(named.users)
    case.note(text, by=request.user, mentioned=notified, form=form_uuid)
    typed_as = request.POST.get("draft_kind", "")
    gone = forget(request, kind="reply" if typed_as == "reply" else "note", case=case)
    _confirm_note(request, notified)
    if not request.htmx:
        return redirect(case)
    answer = _composer(request, case, "note", NoteForm())
    trigger_client_event(answer, "case-changed", {"id": case.pk})
    return trigger_client_event(answer, "draft-gone", json.loads(gone))


def _confirm_note(request: StaffRequest, notified: list[User]) -> None:
    """Show a message that says which colleagues were notified."""
    if notified:
        names = ", ".join(str(user) for user in notified)
        messages.success(request, _("Note saved. Notified: %s.") % names)
    else:
        messages.success(request, _("Note saved. It is internal."))


@require_POST
def nothing(request: StaffRequest, pk: int) -> HttpResponse:
    case = case_to_work_on(request, pk)
    form = NothingForm(case, request.user, request.POST)

    def act() -> None:
        entered = form.cleaned_data
        asked = VerbInput(request.user, entered, entered["seen"], case.assignee_id)
        CLOSE_WITHOUT_REPLY.run(case, asked)

    return _submit(request, case, "nothing", form, act)


@require_safe
def case_responses(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the responses to a case, and the state of each delivery."""
    case = case_to_see(request, pk)
    responses = Response.objects.visible_to(request.user).filter(case=case)
    if request.htmx:
        responses = responses.unsettled()
    responses = responses.select_related("author", "case", "corrects").order_by("-created_at")
    responses = responses.prefetch_related(
        "deliveries__account", "deliveries__profile", "attachments", "approvals__by",
        "corrects__deliveries", "served__profile",
    )  # fmt: skip
    found = {
        "case": case,
        "responses": responses,
        "changeable": changeable(responses, request.user),
        **private_notes(responses),
        "offers": offers(responses, request.user),
        "workable": may_work_on(case, request.user),
        "now": timezone.now(),
    }
    template = "_case_responses" if request.htmx else "case_responses"
    return render(request, f"responses/{template}.html", found)


@transaction.atomic
def _publish(request: StaffRequest, form: StatementForm, case: Case) -> Response:
    """Publish a post about a case.

    Raises Stale if the case has a message that the author of the post has not seen, or was closed.
    """
    words = form.words(visibility="public")
    # If the form was submitted before, its response is returned; Stale must not be raised.
    if not Response.objects.filter(uuid=words.form).exists():
        case.check_seen(words.seen)
        check_shown(case, words.shown, by=request.user)
    return compose.state_publicly(
        words,
        accounts=list(form.cleaned_data["accounts"]),
        by=request.user,
        department=case.department,
        case=case,
        corrects=form.cleaned_data.get("corrects"),
        campaign=form.cleaned_data["campaign"],
    )


def _tab_of_latest_draft(case: Case, user: User) -> str:
    """Return the composer tab of the user's latest draft, or “reply” if there is no draft."""
    mine = case.drafts.filter(author=user).exclude(text="").order_by("-updated_at").first()
    return mine.kind if mine and mine.kind in TABS else "reply"


def _form(request: StaffRequest, case: Case, tab: str) -> Composing:
    """Return the form of a tab, filled with a draft if there is one.

    The draft is the user's own draft. If the URL parameter `from` has the id of a colleague's
    draft, the form contains the colleague's text.
    """
    form = _blank(request, case, tab)
    draft = _draft(request, case, tab)
    if draft and draft.text:
        form.resume(draft.fields, draft.text)
    form.initial["shown"] = marker(case)
    return form


def _draft(request: StaffRequest, case: Case, tab: str) -> Draft | None:
    colleague_draft = number(request.GET.get("from", ""))
    if colleague_draft is not None:
        return case.drafts.filter(pk=colleague_draft, kind=tab).first()
    return case.drafts.filter(kind=tab, author=request.user).first()


def _blank(request: StaffRequest, case: Case, tab: str) -> Composing:
    if tab == "statement":
        seen, user = case.last_inbound_id, request.user
        return StatementForm(case.department, case.issue, seen, user=user)
    if tab == "by-hand":
        return ByHandForm(case)
    if tab == "note":
        return NoteForm(initial={"seen": case.last_inbound_id})
    if tab == "nothing":
        return NothingForm(case, request.user)
    return ReplyForm(case, request.user)


def _submit(request: StaffRequest, case: Case, tab: str, form: Composing, act: Act) -> HttpResponse:
    """Call `act`, which stores the response; if that fails, show the form again with the error.

    After success, the draft is deleted.
    """
    if not form.is_valid():
        return _composer(request, case, tab, form, status=422)
    before = snapshot(case)
    try:
        response = act()
    except Refused as refusal:
        form.add_error(refusal.field, str(refusal))
        return _composer(request, case, tab, form, status=422)
    except Stale as stale:
        return _look_again(request, case, tab, form, stale)
    # The draft is deleted only now, because a text that was refused must stay a draft.
    gone = forget(request, kind=tab, case=case)
    if response:
        tell(request, response)
        if request.POST.get("then") == "done" and response.state == State.RELEASED:
            _finish_case(request, case, form)
    else:
        message = CLOSE_WITHOUT_REPLY.message(case)
        messages.success(request, with_undo(request, case, before, message))
    if not request.htmx:
        return redirect(case)
    if response and response.state == State.HELD:
        answer = _composer(request, case, tab, _form(request, case, tab))
        trigger_client_event(answer, "case-changed", {"id": case.pk})
    else:
        answer = reswap(render(request, "_messages.html", {"oob": True}), "none")
        trigger_client_event(answer, "case-finished", {"id": case.pk})
    return trigger_client_event(answer, "draft-gone", json.loads(gone))


def _finish_case(request: StaffRequest, case: Case, form: Composing) -> None:
    """Close the case after “Send and mark done”, unless the party has written again meanwhile."""
    case.refresh_from_db()
    try:
        seen = form.cleaned_data["seen"]
        case.finish(by=request.user, seen=seen, why=_("Answered."), is_answered=True)
    except Stale:
        messages.warning(request, _("A new message arrived meanwhile, so the case stays open."))


def _look_again(
    request: StaffRequest, case: Case, tab: str, form: Composing, stale: Stale
) -> HttpResponse:
    """Show the form again, with the user's input below the new messages.

    When the user submits the form again, the new messages count as seen.
    """
    case.refresh_from_db()
    seen = form.cleaned_data["seen"] or 0
    news = Interaction.objects.readable_by(request.user).filter(
        conversation__in=case.conversations, direction="in", revises=None, pk__gt=seen
    )
    form.look_again(case.last_inbound_id, marker(case))
    shown = news.select_related("profile").order_by("pk")
    return _composer(request, case, tab, form, status=409, news=shown, stale=stale)


def _composer(
    request: StaffRequest, case: Case, tab: str, form: Composing, status: int = 200, **more: Any
) -> HttpResponse:
    shown = {
        "case": case,
        "tab": tab,
        "form": form,
        "workable": may_work_on(case, request.user),
        "version": _version(case, tab, request.user),
        "others_begun": case.drafts.exclude(author=request.user)
        .exclude(text="")
        .select_related("author"),
        "saved": replies_for(case, request.user) if tab in {"reply", "statement"} else [],
        "kept": _stored_files(request, case, tab, form),
        "change": changed_items.change_to_show(case),
        "colleagues": at_names.colleagues(case) if tab == "note" else [],
        **more,
    }
    template = "_composer" if request.htmx else "composer"
    return render(request, f"responses/{template}.html", shown, status=status)


def _stored_files(request: StaffRequest, case: Case, tab: str, form: Composing) -> list[Attachment]:
    """Return the stored files that the form shows.

    If the form is shown again with errors, these are the files of the submitted form. Otherwise
    these are the files of the draft.
    """
    if form.is_bound:
        return upload_field.keep(request, request.user)
    draft = _draft(request, case, tab) if tab == "reply" else None
    return (
        upload_field.named(upload_field.offered(request.user), draft.fields.get("kept", ()))
        if draft
        else []
    )


def _version(case: Case, tab: str, user: User) -> int:
    mine = case.drafts.filter(kind=tab, author=user)
    return mine.values_list("version", flat=True).first() or 0


def tell(request: StaffRequest, response: Response) -> None:
    """Show a message about the new state of a response.

    While the response is queued, the message has an undo button.
    """
    if response.state == "held":
        why = " ".join(r["sentence"] for r in response.verdict if r["verdict"] == "hold")
        messages.warning(request, f"{held_for(response)}: {why}")
    elif response.deliveries.filter(state="queued").exists():
        shown = {"response": response, "undo_seconds": settings.UNDO_SECONDS}
        undo = render_to_string("responses/_undo.html", shown, request)
        messages.success(request, undo)
    else:
        messages.success(request, _("Response logged."))


def _manual_account(case: Case) -> Account:
    """Return the account for replies that users record by hand. The first call creates it."""
    account = Account.objects.active().filter(kind="manual").first()
    if account:
        return account
    # Two users may create the account at the same time.
    return Account.objects.get_or_create(
        network="offline",
        self_key="",
        defaults={"kind": "manual", "name": "Logged manually", "owner": case.department.owner},
    )[0]
