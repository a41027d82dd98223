from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from crm.access import StaffRequest
from crm.models import Account
from responses.compose import max_length, places_for
from responses.forms import place_name
from responses.models import Draft, Response
from responses.rules import Verdict
from responses.views.lookup import case_to_work_on, departments_to_speak_for
from routing.models import Case, Issue
from scrm.numbers import number
from scrm.text import storable

KINDS = {"reply", "statement", "note", "by-hand"}
LONGEST = 200_000


@require_POST
def keep(request: StaffRequest, pk: int) -> HttpResponse:
    """Keep what is being typed, and say what the business rules make of it."""
    case = case_to_work_on(request, pk)
    return _keep(request, case=case)


@require_POST
def keep_for_issue(request: StaffRequest, pk: int) -> HttpResponse:
    issue = get_object_or_404(Issue, pk=pk)
    return _keep(request, issue=issue)


def _keep(
    request: StaffRequest, *, case: Case | None = None, issue: Issue | None = None
) -> HttpResponse:
    kind = request.POST.get("draft_kind", "reply")
    text = storable(request.POST.get("text", ""))[:LONGEST]
    draft, kept = Draft.keep(
        kind=kind if kind in KINDS else "reply",
        by=request.user,
        text=text,
        seen=number(request.POST.get("draft_version", "")) or 0,
        case=case,
        issue=issue,
        fields=_fields(request),
    )
    verdict, account = None, None
    if kept and kind in {"reply", "statement"} and text.strip():
        response, account = _as_response(request, kind, text, case, issue)
        if response is not None:
            verdict = _judge(response, account)
    limit = max_length(account) if account else None
    shown = {
        "draft": draft,
        "kept": kept,
        "reasons": [each for each in verdict.reasons if each.verdict != "allow"] if verdict else [],
        "over": len(text) - limit if limit and len(text) > limit else 0,
        "limit": limit,
        "account": account,
        "case": case,
    }
    return render(request, "responses/_kept.html", shown, status=200 if kept else 409)


def _judge(response: Response, account: Account | None) -> Verdict:
    return response.judge(channel=account.kind if account else "", now=timezone.now())


def _as_response(
    request: StaffRequest, kind: str, text: str, case: Case | None, issue: Issue | None
) -> tuple[Response | None, Account | None]:
    """What would be said, as the rules see it, without storing it."""
    facts: dict[str, Any] = {
        "text": text,
        "subject": storable(request.POST.get("subject", ""))[:300],
    }
    if kind == "reply" and case:
        places = {place_name(place): place for place in places_for(case)}
        place = places.get(request.POST.get("place", ""))
        facts |= {"audience": "one", "visibility": place.visibility if place else "private"}
        account = place.account if place else None
    else:
        facts |= {"audience": "many", "visibility": "public"}
        account = Account.objects.filter(pk=number(request.POST.get("accounts", "")) or 0).first()
    department = (
        case.department if case else next(iter(departments_to_speak_for(request.user)), None)
    )
    if department is None:
        return None, account
    response = Response(
        case=case,
        issue=issue or (case.issue if case else None),
        department=department,
        author=request.user,
        **facts,
    )
    return response, account


def _fields(request: StaffRequest) -> dict[str, str]:
    names = ("subject", "place", "how", "accounts", "corrects")
    return {name: value[:300] for name in names if (value := storable(request.POST.get(name, "")))}


def forget(
    request: StaffRequest, *, kind: str, case: Case | None = None, issue: Issue | None = None
) -> str:
    """It was sent, or thrown away → what tells the browser to forget it as well."""
    Draft.objects.filter(case=case, issue=issue, kind=kind, author=request.user).delete()
    place = f"case-{case.pk}-{kind}" if case else f"issue-{issue.pk if issue else 0}-{kind}"
    return json.dumps({"place": place})
