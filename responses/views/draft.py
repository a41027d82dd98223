from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware
from django.views.decorators.http import require_POST

from crm.access import StaffRequest
from crm.models.workspace import MAX_ADDRESS
from responses import upload_field
from responses.compose import Place, places_for
from responses.forms import StatementForm, place_name
from responses.models import Draft, Response
from responses.rule_findings import Spoken, spoken
from responses.speaking_accounts import speaking_accounts
from responses.text_limits import measure
from responses.views.lookup import case_to_work_on, chosen, departments_to_speak_for
from routing.models import Case, Issue
from scrm.text.clean import storable
from scrm.web.params import number

KINDS = {"reply", "statement", "note", "by-hand"}
LONGEST = 200_000
MAX_VERSIONS = 20
MAX_SERVED = 300


@require_POST
def keep(request: StaffRequest, pk: int) -> HttpResponse:
    """Save the draft while its author types, and show what the business rules find in the text."""
    case = case_to_work_on(request, pk)
    requested = request.POST.get("draft_kind", "reply")
    kind = requested if requested in KINDS else "reply"
    # This is checked first: a save that arrives after sending must not create the draft again.
    if _was_sent(request):
        return HttpResponse(status=204)
    draft, kept = _keep(request, kind, case=case)
    reasons: list[Spoken] = []
    over: list[str] = []
    if kept and kind in {"reply", "statement"} and draft.text.strip():
        response, places = _as_response(request, kind, draft.text, case)
        reasons = spoken(response, [place.account for place in places])
        over = _too_long(request, response, places)
    shown = {"draft": draft, "kept": kept, "reasons": reasons, "over": over, "case": case}
    return render(request, "responses/_kept.html", shown, status=200 if kept else 409)


@require_POST
def keep_for_issue(request: StaffRequest, pk: int) -> HttpResponse:
    """Save the draft of a post about an issue while its author types.

    The answer contains a preview for each account, and what the business rules find in the text.
    """
    issue = get_object_or_404(Issue, pk=pk)
    # This is checked first: a save that arrives after sending must not create the draft again.
    if _was_sent(request):
        return HttpResponse(status=204)
    draft, kept = _keep(request, "statement", issue=issue)
    shown: dict[str, Any] = {"draft": draft, "kept": kept, "issue": issue}
    departments = departments_to_speak_for(request.user)
    if departments:
        department = chosen(departments, request.POST)
        form = StatementForm(department, issue, None, request.POST, user=request.user)
        shown["form"] = form
        shown["reasons"] = (
            _findings_for_statement(request, form, issue) if draft.text.strip() else []
        )
    return render(request, "responses/_issue_kept.html", shown, status=200 if kept else 409)


def _too_long(request: StaffRequest, response: Response, places: Iterable[Place]) -> list[str]:
    """Return an error message for each place for which the text is too long."""
    as_thread = bool(request.POST.get("as_thread"))
    measured = [
        measure(place.outgoing(response.words_on(place.account)), place.account) for place in places
    ]
    return [why for row in measured if (why := row.why_not(as_thread=as_thread))]


def _was_sent(request: StaffRequest) -> bool:
    """Whether this form has created a response that is not cancelled."""
    try:
        form = UUID(request.POST.get("form", ""))
    except ValueError:
        return False
    return Response.objects.filter(uuid=form).exclude(state="cancelled").exists()


def _keep(
    request: StaffRequest, kind: str, *, case: Case | None = None, issue: Issue | None = None
) -> tuple[Draft, bool]:
    return Draft.keep(
        kind=kind,
        by=request.user,
        text=_typed(request, "text", LONGEST),
        seen=number(request.POST.get("draft_version", "")) or 0,
        case=case,
        issue=issue,
        fields=_fields(request),
    )


def _as_response(
    request: StaffRequest, kind: str, text: str, case: Case
) -> tuple[Response, list[Place]]:
    """Return an unsaved response for the typed text, and the places to which it would be sent.

    The business rules can be applied to this response while its author types.
    """
    if kind == "reply":
        offered = {place_name(place): place for place in places_for(case)}
        place = offered.get(request.POST.get("place", ""))
        facts: dict[str, Any] = {
            "audience": "one",
            "visibility": place.visibility if place else "private",
            "copies": _also_to(request),
        }
        places = [place] if place else []
    else:
        facts = {"audience": "many", "visibility": "public"}
        ticked = {number(value) for value in request.POST.getlist("accounts")}
        accounts = speaking_accounts(case.department)
        places = [Place(account) for account in accounts if account.pk in ticked]
    response = Response(
        case=case, issue=case.issue, department=case.department, text=text, **facts,
        **_typed_facts(request),
    )  # fmt: skip
    return response, places


def _findings_for_statement(
    request: StaffRequest, form: StatementForm, issue: Issue
) -> list[Spoken]:
    response = Response(
        issue=issue,
        department=form.department,
        audience="many",
        visibility="public",
        text=_typed(request, "text", LONGEST),
        **_typed_facts(request),
    )
    return spoken(response, [preview.account for preview in form.previews])


def _typed_facts(request: StaffRequest) -> dict[str, Any]:
    """Return the author, title, versions and time of sending that the user typed.

    An invalid time is ignored.
    """
    versions = {name.removeprefix("version_"): words for name, words in _versions(request).items()}
    try:
        moment = parse_datetime(_typed(request, "send_at"))
    except ValueError:
        moment = None
    return {
        "author": request.user,
        "subject": _typed(request, "subject"),
        "versions": versions,
        "send_at": make_aware(moment) if moment and is_naive(moment) else moment,
    }


def _versions(request: StaffRequest) -> dict[str, str]:
    """Return name of the form field → text, for the texts that differ from the common text."""
    named = [name for name in request.POST if name.startswith("version_")][:MAX_VERSIONS]
    return {name: words for name in named if (words := _typed(request, name, LONGEST))}


def _fields(request: StaffRequest) -> dict[str, Any]:
    names = (
        "department", "subject", "place", "publicly", "how", "corrects", "campaign", "send_at",
        "acknowledge", "acknowledgement",
    )  # fmt: skip
    values: dict[str, Any] = {name: value for name in names if (value := _typed(request, name))}
    if address := _typed(request, "address", MAX_ADDRESS):
        values["address"] = address
    values |= _versions(request)
    accounts = [pk for value in request.POST.getlist("accounts") if (pk := number(value))]
    along = [
        str(file.uuid)
        for file in upload_field.named(
            upload_field.offered(request.user), request.POST.getlist("kept")
        )
    ]
    serves = [storable(value)[:40] for value in request.POST.getlist("serves")[:MAX_SERVED]]
    return values | {
        name: value_list
        for name, value_list in (
            ("accounts", accounts),
            ("kept", along),
            ("serves", serves),
            ("also_to", _also_to(request)),
        )
        if value_list
    }


def _also_to(request: StaffRequest) -> list[str]:
    return [storable(value)[:1000] for value in request.POST.getlist("also_to")[:MAX_SERVED]]


def _typed(request: StaffRequest, name: str, most: int = 300) -> str:
    """Return the value of a form field without anything that the database would refuse.

    Characters that PostgreSQL refuses are removed, and the value is cut to `most` characters. A
    draft can therefore always be saved.
    """
    return storable(request.POST.get(name, ""))[:most]


def forget(
    request: StaffRequest, *, kind: str, case: Case | None = None, issue: Issue | None = None
) -> str:
    """Delete a draft that was sent or discarded.

    Returns JSON that tells the browser to delete its own copy of the draft.
    """
    Draft.objects.filter(case=case, issue=issue, kind=kind, author=request.user).delete()
    place = f"case-{case.pk}-{kind}" if case else f"issue-{issue.pk if issue else 0}-{kind}"
    return json.dumps({"place": place})
