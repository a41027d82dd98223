from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import StaffRequest, worker_only
from crm.forms.away import AwayForm
from crm.models import User
from crm.views.away import users_led_by
from routing import above
from routing.forms.take_over import TakeOverForm
from routing.models import CallBack, Case
from routing.reassign import reassign_cases, undo_reassignment
from routing.undo import UNDO_WITHIN

_SALT = "take-over"
MAX_SHOWN = 200


@worker_only
@require_http_methods(["GET", "HEAD", "POST"])
def take_over(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the open cases of a colleague, and reassign them to another user in one step."""
    person = get_object_or_404(User, pk=pk)
    cases = _cases(person, request.user)
    form = TakeOverForm(request.POST or None, cases=cases, person=person, user=request.user)
    if not form.is_valid():
        return _page(request, person, cases, form, status=422 if form.is_bound else 200)
    to = form.cleaned_data["to"]
    reassigned = reassign_cases(cases, person=person, to=to, by=request.user)
    if reassigned.stayed:
        stayed = ngettext(
            "%(n)d case was not reassigned, because %(to)s does not work in its department.",
            "%(n)d cases were not reassigned, because %(to)s does not work in their departments.",
            reassigned.stayed,
        )
        messages.error(request, stayed % {"n": reassigned.stayed, "to": to})
    if not reassigned.cases:
        return redirect("routing:take_over", pk)
    message = _("%(what)s were reassigned to %(to)s.") % {"what": reassigned.sentence, "to": to}
    messages.success(request, message)
    done = {"to": to.pk, "cases": reassigned.cases, "texts": reassigned.texts}
    token = signing.dumps(done, salt=f"{_SALT}:{request.user.pk}:{person.pk}", compress=True)
    return _page(request, person, _cases(person, request.user), form, undo=token)


@worker_only
@require_POST
def undo(request: StaffRequest, pk: int) -> HttpResponse:
    """Return the cases that were just reassigned, as far as the new assignee still has them."""
    person = get_object_or_404(User.objects.active(), pk=pk)
    salt = f"{_SALT}:{request.user.pk}:{person.pk}"
    try:
        done = signing.loads(request.POST.get("token", ""), salt=salt, max_age=UNDO_WITHIN)
    except signing.BadSignature:
        messages.error(request, _("This can no longer be undone. Nothing was changed."))
        return redirect("routing:take_over", pk)
    to = get_object_or_404(User, pk=done["to"])
    count = undo_reassignment(done["cases"], done["texts"], person=person, to=to, by=request.user)
    message = ngettext(
        "Undone: %(n)d case was returned to %(who)s.",
        "Undone: %(n)d cases were returned to %(who)s.",
        count,
    )
    messages.success(request, message % {"n": count, "who": person})
    return redirect("routing:take_over", pk)


def _cases(person: User, user: User) -> QuerySet[Case]:
    """Return the open cases of a person in the departments in which the user works."""
    return Case.objects.living().of(person).workable_by(user)


def _page(
    request: StaffRequest,
    person: User,
    cases: QuerySet[Case],
    form: TakeOverForm,
    *,
    status: int = 200,
    undo: str = "",
) -> HttpResponse:
    calls = CallBack.objects.filter(case=OuterRef("pk"), closed_at=None)
    rows = cases.select_related("profile", "department").annotate(call=Exists(calls))
    shown = list(rows.order_by("due_at", "pk")[:MAX_SHOWN])
    pks = [case.pk for case in shown]
    context: dict[str, Any] = {
        "person": person,
        "cases": shown,
        "count": cases.count() if len(shown) == MAX_SHOWN else len(shown),
        "texts": above.drafts_of(person, pks),
        "calls": sum(case.call for case in shown),  # type: ignore[attr-defined]
        "form": form,
        "undo": undo,
        "may_mark": users_led_by(request.user).filter(pk=person.pk).exists(),
        "away_form": AwayForm(initial={"back_on": person.back_on}),
    }
    return render(request, "routing/take_over.html", context, status=status)
