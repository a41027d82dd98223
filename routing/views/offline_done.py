"""Redirect after offline contacts were logged, and show a message with a link to log another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.access import StaffRequest
from crm.models import Interaction
from routing.models import Case


def after(request: StaffRequest, cases: Sequence[int], *, again: str) -> HttpResponse:
    """Redirect to the case of the logged offline contacts.

    If there are several cases, or if the user may not see the case, redirect to the inbox.

    cases: for each offline contact, the id of its case.
    again: URL of the form for another offline contact.
    """
    rows = {row.pk: row for row in Case.objects.filter(pk__in=cases).select_related("department")}
    visible = set(Case.objects.visible_to(request.user).filter(pk__in=rows).values_list(flat=True))
    only = rows[cases[0]] if len(rows) == 1 else None
    message = _one(only, only.pk in visible) if only and len(cases) == 1 else _many(cases, rows)
    link = format_html('<a href="{}">{}</a>', again, _("Log another interaction"))
    messages.success(request, format_html("{} {}", message, link))
    return redirect(only if only and only.pk in visible else reverse("routing:inbox"))


def after_call(request: StaffRequest, call: Interaction, again: str) -> HttpResponse:
    """Redirect to the person whom we called, after a call that belongs to no case was logged."""
    link = format_html('<a href="{}">{}</a>', again, _("Log another interaction"))
    messages.success(request, format_html("{} {}", _("Logged. No case was opened."), link))
    assert call.profile
    return redirect(call.profile)


def _one(case: Case, visible: bool) -> str:
    where = {"case": f"#{case.pk}", "department": case.department}
    if visible:
        return _("Logged in %(case)s (%(department)s).") % where
    return _("Logged as %(case)s. The routing rules assigned it to %(department)s.") % where


def _many(cases: Sequence[int], rows: dict[int, Case]) -> str:
    counts = Counter(str(rows[case].department) for case in cases)
    where = ", ".join(
        _("%(n)s in %(department)s") % {"n": n, "department": department}
        for department, n in counts.most_common()
    )
    logged = ngettext("One interaction was logged", "%(n)s interactions were logged", len(cases))
    return f"{logged % {'n': len(cases)}}: {where}."
