from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest, admin_only
from listening import filters, gaps, paid
from listening.forms import UNSTORED, SettingsForm
from listening.mention_rows import Shown, shown
from listening.models import Mention, Quarantined, Source
from listening.models.source import SourceQuerySet
from listening.move_form import MoveForm
from listening.views import webhook
from scrm.bus.nudge import nudge
from scrm.web.params import number

_PAGE = 30
_MAX_FETCHES = 10
_MAX_QUARANTINED = 20


@require_safe
def sources(request: StaffRequest) -> HttpResponse:
    """List all sources, or only those that a filter selects.

    only (query parameter): the name of a filter in `filters.SOURCES`.
    """
    only = request.GET.get("only", "")
    rows, label = _with_health(), filters.SOURCES.get(only, "")
    if label:
        rows = rows.filter(filters.sources(only))
    return render(request, "listening/sources.html", {"sources": rows, "narrowed": label})


@require_safe
def source(request: StaffRequest, pk: int) -> HttpResponse:
    """Show a source with its newest items and its health.

    A request by htmx gets only the items and the health, because the page polls only for these.
    """
    row = get_object_or_404(_with_health(), pk=pk)
    if request.htmx:
        context = {"source": row, **_items_part(request, row), **webhook.context(row)}
        return render(request, "listening/_items_and_health.html", context)
    return _page(request, row, SettingsForm(instance=row))


@admin_only
@require_POST
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(_with_health(), pk=pk)
    form = SettingsForm(request.POST, instance=row)
    if not form.is_valid():
        return _page(request, row, form, status=422)
    # Save only the fields of the form: a fetch may have stored its cursor in the meantime.
    stored = [name for name in form.fields if name not in UNSTORED]
    row.save(update_fields=[*stored, "daily_budget", "sealed_secrets", "sealed_headers"])
    messages.success(request, _("Saved."))
    return redirect(row)


@admin_only
@require_POST
def pause(request: StaffRequest, pk: int) -> HttpResponse:
    """Pause fetching, or resume it if the POST parameter `to` is "active"."""
    row = get_object_or_404(Source, pk=pk)
    row.is_active = request.POST.get("to") == "active"
    if row.is_active:
        gaps.after_pause(row, now=timezone.now())
    row.save(update_fields=["is_active", *gaps.RESET])
    messages.success(request, _pause_message(row))
    return redirect(row)


def _pause_message(row: Source) -> str:
    if row.is_pushed:
        refused = _("Paused. Deliveries are refused until you resume; senders are asked to retry.")
        return _("Resumed. Deliveries are accepted again.") if row.is_active else refused
    paused = _("Paused. The source is not fetched until you resume it.")
    return _("Resumed. The source is fetched again.") if row.is_active else paused


@admin_only
@require_POST
def move(request: StaffRequest, pk: int) -> HttpResponse:
    """Fetch the source from another address, or undo a permanent redirect."""
    row = get_object_or_404(_with_health(), pk=pk)
    if row.channel.moves is None:
        raise Http404
    form = MoveForm(row, request.POST)
    if not form.is_valid():
        return _page(request, row, SettingsForm(instance=row), status=422, move_form=form)
    form.keep(now=timezone.now())
    nudge("scrm.pipeline.poll", row.pk)
    address = form.cleaned_data["address"]
    messages.success(request, _("The source is now fetched from %s.") % address)
    return redirect(row)


@admin_only
@require_POST
def fetch(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Source.objects.fetched(), pk=pk)
    row.fetch_now()
    nudge("scrm.pipeline.poll", row.pk)
    messages.success(request, _("The fetch has started. Its items appear here."))
    return redirect(row)


@admin_only
@require_POST
def bring_in(request: StaffRequest, pk: int) -> HttpResponse:
    """Process the backlog of a source, so that these older items may now open cases."""
    row = get_object_or_404(Source, pk=pk)
    count = Mention.objects.backlog_of(row).bring_in()
    nudge("scrm.pipeline.process")
    message = ngettext(
        "%(count)d older item is being routed.", "%(count)d older items are being routed.", count
    )
    messages.success(request, message % {"count": count})
    return redirect(row)


@admin_only
@require_POST
def replay(request: StaffRequest, pk: int) -> HttpResponse:
    """Process a quarantined item again."""
    row = get_object_or_404(Quarantined.objects.select_related("mention", "fetch__source"), pk=pk)
    if row.mention is None:
        messages.error(request, _("This item was never stored, so it cannot be retried."))
        return redirect(row.fetch.source)
    # Reset the number of attempts: otherwise the item would be quarantined again immediately.
    Mention.objects.filter(pk=row.mention.pk).update(processed_at=None, attempt=0, lease_until=None)
    Quarantined.objects.filter(pk=pk).update(replayed_at=timezone.now())
    nudge("scrm.pipeline.process")
    messages.success(request, _("The item is being retried."))
    return redirect(row.fetch.source)


def _with_health() -> SourceQuerySet:
    """Annotate sources with the number of new items in the last seven days.

    lately: the number for the seven days together.
    daily: the average number per day.
    """
    week = timezone.now() - timedelta(days=7)
    lately = Coalesce(Sum("fetches__new", filter=Q(fetches__started_at__gte=week)), 0)
    rows = Source.objects.select_related("owner", "account")
    return rows.annotate(lately=lately, daily=lately / 7.0)


def _page(
    request: StaffRequest,
    row: Source,
    form: SettingsForm,
    status: int = 200,
    move_form: MoveForm | None = None,
) -> HttpResponse:
    context = {
        "source": row,
        "form": form,
        "move_form": move_form or (MoveForm(row) if row.channel.moves else None),
        "cost": paid.cost_today(row, now=timezone.now()),
        **_items_part(request, row),
        **webhook.context(row),
        "quarantined": Quarantined.objects.filter(fetch__source=row).select_related("mention")[
            :_MAX_QUARANTINED
        ],
    }
    return render(request, "listening/source.html", context, status=status)


def _items_part(request: StaffRequest, row: Source) -> dict[str, Any]:
    """Return the template context of the list of items.

    refresh: the number of seconds until the page polls again. It is 2 until the first fetch has
    ended and while a fetch is due or asked for, and 10 otherwise and for sources that are not
    fetched. If it is 0, the page does not poll. It is 0 if the source is paused, and on every page
    after the first page.
    """
    items, older = _items(request, row)
    is_first_page = "before" not in request.GET
    is_unfetched = not (row.last_ok_at or row.error or row.is_pushed)
    is_due = row.is_fetched and row.next_fetch_at <= timezone.now()
    return {
        "items": items,
        "fetches": row.fetches.all()[:_MAX_FETCHES],
        "older": older,
        "backlog": Mention.objects.backlog_of(row).count(),
        "refresh": (2 if is_unfetched or is_due else 10) if is_first_page and row.is_active else 0,
    }


def _items(request: StaffRequest, row: Source) -> tuple[list[Shown], int]:
    """Return a page of the source's mentions, and the key with which to request the next page.

    The key is 0 if there is no next page. The pages follow the order in which the mentions were
    found, because an index has this order. Within each page, the newest mention comes first.
    """
    before = number(request.GET.get("before", ""))
    found = row.sightings.select_related("mention").order_by("-mention")
    if before is not None:
        found = found.filter(mention__lt=before)
    page = [sighting.mention for sighting in found[: _PAGE + 1]]
    older = page[_PAGE - 1].pk if len(page) > _PAGE else 0
    newest_first = sorted(page[:_PAGE], key=lambda row: (row.sort_at, row.pk), reverse=True)
    return shown(newest_first, user=request.user), older
