from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest, works
from crm.models import Interaction, User
from routing.forms import InboxForm, SaveViewForm
from routing.inbox import query as inbox_query
from routing.inbox.pinned import in_order, pinned
from routing.inbox.query import LABELS, PAGE, SORTS, Asked
from routing.inbox.rows import Row, rows
from routing.models import Case, SavedView
from routing.models.status import ACTIVE
from scrm.text.clean import storable
from scrm.web.params import number

EMPTY = {
    "mine": __("You have no cases. Take one from “Unassigned”."),
    "unassigned": __("No unassigned cases."),
    "open": __("No open cases."),
    "waiting": __("No cases waiting for reply."),
    "snoozed": __("No snoozed cases."),
    "done": __("No finished cases yet."),
    "noise": __("No cases marked as noise."),
    "all": __(
        "No cases yet. Mentions from sources and interactions that you log with “New” appear here."
    ),
}
MAX_SHOWN = 200
"""Maximum number of rows that a browser may ask about in one request."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The list of cases in the inbox.

    query: the filters as a query string, with the "?" and without pagination.
    older: the query string of the next page; "" if there is none.
    heard: the highest id of an interaction when the list was built. Cases with a newer message are
      counted as new, no matter when the message was written.
    """

    form: InboxForm
    asked: Asked
    query: str
    rows: list[Row]
    older: str
    heard: int

    @property
    def title(self) -> str:
        department = self.asked.filters.get("department")
        if self.asked.filters.get("q"):
            return _("Search")
        return str(department or LABELS[self.asked.view])

    @property
    def place(self) -> str:
        """Return the URL of this list without an open case."""
        filters = self.query.lstrip("?")
        return f"/?{filters or f'view={self.asked.view}'}"

    @property
    def narrowed(self) -> list[tuple[str, str, str]]:
        """Return the active filters, each as (label, value in words, query string).

        The query string contains all other filters; it is the link that removes the filter.
        """
        without = []
        for name, label, value in self.form.narrowed:
            rest = QueryDict(self.query.lstrip("?"), mutable=True)
            rest.pop(name, None)
            without.append((label, value, f"?{rest.urlencode()}"))
        return without


@require_safe
def inbox(request: StaffRequest) -> HttpResponse:
    """Show the list of cases.

    On a wide screen, there is an empty space for a case next to the list.
    """
    shown = listing(request)
    context = {"listing": shown, **list_context(request, shown)}
    part = request.htmx.target == "cases"
    template = "routing/_cases.html" if part else "routing/inbox.html"
    return render(request, template, context, status=200 if shown.form.is_valid() else 422)


@require_safe
def news(request: StaffRequest) -> HttpResponse:
    """Update a list of cases on screen: render the changed rows again, and count the new cases.

    Parameters of the URL: `heard` is `Listing.heard` of the list on screen, `ids` are the cases
    that changed, and `shown` are all cases on screen.
    """
    asked, _form = _parse(request.GET, request.user)
    heard = number(request.GET.get("heard", ""))
    ids = _ids(request.GET.get("ids", ""))
    shown = _ids(request.GET.get("shown", ""))
    own = inbox_query.cases_asked_for(asked, request.user).in_departments_of(request.user)
    # Leave out transferred cases: a list shows only the latest; older ones would seem to be new.
    newer = own.none() if heard is None else own.filter(last_inbound_id__gt=heard)
    fresh = newer.exclude(pk__in=shown[:MAX_SHOWN])
    query = _query(request.GET)
    context = {
        "rows": rows_in(asked, request.user, ids[:MAX_SHOWN]),
        "query": query,
        "current": number(request.GET.get("current", "")),
        "oob": True,
        "fresh": fresh[:100].count(),
        "listing": {"query": query},
        "show_fresh": _address(query, view=asked.view),
    }
    return render(request, "routing/_news.html", context)


def rows_on_screen(request: StaffRequest, case: Case) -> list[Row]:
    """Return the row of the case as the list on screen shows it.

    The browser sends the query string of the list in the header `Scrm-List`. If the header is
    missing, an empty list is returned.
    """
    header = request.headers.get("Scrm-List")
    if header is None:
        return []
    asked, _form = _parse(QueryDict(header), request.user)
    return rows_in(asked, request.user, [case.pk])


def with_row_of(case: Case, shown: Listing, user: User) -> Listing:
    """Return the list with the row of the open case, which comes first if the page lacks it.

    That happens if a user follows a link to a case of another list or another page.
    """
    if any(row.case.pk == case.pk for row in shown.rows):
        return shown
    rows = rows_in(shown.asked, user, [case.pk])
    own = [replace(row, gone=_("not in this list") if row.gone else "") for row in rows]
    return replace(shown, rows=[*own, *shown.rows])


def rows_in(asked: Asked, user: User, ids: list[int]) -> list[Row]:
    """Return the rows of these cases.

    If a case no longer belongs to the list, its row contains the reason.
    """
    words = asked.filters.get("q", "")
    drawn = rows(Case.objects.visible_to(user).filter(pk__in=ids), user, words=words)
    wanted = inbox_query.cases_asked_for(asked, user).filter(pk__in=ids)
    belonging = set(wanted.values_list("pk", flat=True))
    return [row if row.case.pk in belonging else _gone(row) for row in drawn]


@require_POST
def save_view(request: StaffRequest) -> HttpResponse:
    """Save the current filters as a saved view."""
    query = storable(request.POST.get("query", "")).lstrip("?")[:1000]
    form = SaveViewForm(request.POST, instance=SavedView(owner=request.user, query=query))
    if not form.is_valid():
        messages.error(request, _("Enter a view name that you have not used yet."))
        return redirect(f"/?{query}")
    view = form.save()
    message = (
        _("View “%s” saved and shared with everyone.") if view.is_shared else _("View “%s” saved.")
    )
    messages.success(request, message % view)
    return redirect(view)


@require_POST
def drop_view(request: StaffRequest, pk: int) -> HttpResponse:
    # Only the owner may delete a saved view, even if it is shared with everyone.
    view = get_object_or_404(SavedView, pk=pk, owner=request.user)
    view.delete()
    messages.success(request, _("View “%s” deleted. The cases are unchanged.") % view)
    return redirect("routing:inbox")


def listing(request: StaffRequest) -> Listing:
    """Build the list of cases that the URL's query string asks for."""
    now = timezone.now()
    # Before the cases are read: what is heard in between must count as new.
    heard = Interaction.objects.aggregate(last=Max("pk"))["last"] or 0
    asked, form = _parse(request.GET, request.user)
    page = inbox_query.page(asked, request.user, request.GET.get("before", ""))
    words = asked.filters.get("q", "")
    found = rows(page, request.user, now=now, words=words)
    query = _query(request.GET)
    older = ""
    if len(found) > PAGE:
        mark = inbox_query.mark_of(found[PAGE - 1].case, asked.sort)
        older = _address(query, view=asked.view, before=mark)
    shown = found[:PAGE]
    if "before" not in request.GET and (first := pinned(asked, request.user)):
        top = in_order(Case.objects.filter(pk__in=first))
        on_top = rows(top, request.user, now=now, words=words)
        shown = [*on_top, *(row for row in shown if row.case.pk not in first)]
    return Listing(form, asked, query, shown, older, heard)


def list_context(request: StaffRequest, shown: Listing) -> dict[str, Any]:
    """Return the template context of the list of cases, in addition to the listing itself."""
    saved = SavedView.objects.visible_to(request.user).filter(query=shown.query.lstrip("?"))
    asked = shown.asked
    return {
        "rows": shown.rows,
        "query": shown.query,
        "at": shown.place,
        "may_take": works(request.user),
        "departments": not asked.filters.get("department") and request.user.sees_everything,
        "sorts": SORTS.items(),
        "views": LABELS.items(),
        "empty": EMPTY[asked.view],
        "saved_view": SimpleLazyObject(saved.first),  # lazy: needed only with active filters
        "save_form": SimpleLazyObject(lambda: SaveViewForm(auto_id="save_%s")),
    }


def _parse(address: QueryDict, user: User) -> tuple[Asked, InboxForm]:
    """Parse a URL's query string; return the list of cases that it asks for, and the form.

    If the URL names no view of the inbox, the view in the parameter `shows` is used. It contains
    the view of the list on screen. The default view would be wrong for this list: the default view
    changes when the user claims a first case, but the list keeps its view.
    """
    form = InboxForm(address, user=user)
    form.is_valid()
    data = form.cleaned_data
    names = ("q", *InboxForm.FILTERS)
    filters = {name: data[name] for name in names if data.get(name)}
    view = data.get("view") or _shown_view(address)
    if not view:
        view = inbox_query.default_view(Case.objects.in_departments_of(user), user, filters)
    sort = data.get("sort") or inbox_query.default_sort(view, filters)
    return Asked(view, sort, filters), form


def _shown_view(address: QueryDict) -> str:
    """Return the name of the inbox view in the parameter `shows`; "" if it names no view.

    When the browser asks for news, it sends the query string of the list on screen and adds this
    parameter.
    """
    shows = address.get("shows", "")
    return shows if shows in LABELS else ""


def _address(query: str, **more: str) -> str:
    """Return the query string with these parameters set or replaced."""
    address = QueryDict(query.lstrip("?"), mutable=True)
    for name, value in more.items():
        address[name] = value
    return f"?{address.urlencode()}"


def _query(data: QueryDict) -> str:
    """Return the query string without empty values, pagination, and the parameters of `news`."""
    filters = data.copy()
    for name in ("before", "heard", "ids", "shown", "shows", "current", "all", "tab"):
        filters.pop(name, None)
    for name in [name for name, value in filters.items() if not value]:
        filters.pop(name)
    return f"?{filters.urlencode()}" if filters else ""


def _ids(text: str) -> list[int]:
    """Parse comma-separated ids. Invalid ids are left out."""
    return [pk for part in text.split(",") if (pk := number(part))]


_MOVED_TO = {
    "new": __("not in this list"),
    "done": __("marked done"),
    "noise": __("marked as noise"),
}


def _gone(row: Row) -> Row:
    """Return the row with the reason why its case no longer belongs to the list."""
    case = row.case
    reason = str(_MOVED_TO.get(case.status, "")) or _("moved to %s") % case.get_status_display()
    if case.assignee_id and case.status in ACTIVE:
        reason = _("assigned to you") if row.mine else _("assigned to %s") % case.assignee
    return replace(row, gone=reason)
