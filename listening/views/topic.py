from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from crm.models import Workspace
from listening import stored_items
from listening.forms import LISTS, TopicForm
from listening.mention_rows import shown
from listening.models import Mention, Topic, TopicRevision
from scrm.db.locks import locked

_LAST = 50


@require_safe
def topics(request: StaffRequest) -> HttpResponse:
    week = timezone.now() - timedelta(days=7)
    lately = Count("revisions__matches", filter=Q(revisions__matches__at__gte=week))
    rows = Topic.objects.select_related("owner", "current").annotate(lately=lately)
    return render(request, "listening/topics.html", {"topics": rows})


@require_safe
def topic(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Topic.objects.select_related("owner", "current"), pk=pk)
    hits = Mention.objects.filter(matches__revision__topic=row).order_by("-sort_at", "-pk")
    context = {
        "topic": row,
        "items": shown(list(hits.distinct()[:_LAST]), user=request.user),
        "history": _history(list(row.revisions.select_related("made_by"))),
    }
    return render(request, "listening/topic.html", context)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def new(request: StaffRequest) -> HttpResponse:
    form = TopicForm(request.POST or None, initial={"owner": request.user, **_initial_values()})
    if form.is_valid():
        row = form.keep(by=request.user)
        message = _("Topic saved. New items are matched against “%(topic)s” from now on.")
        messages.success(request, message % {"topic": row})
        return _saved(row)
    return _form(request, form)


def _saved(topic: Topic) -> HttpResponse:
    """Offer to match stored items, if the topic matches some of the newest."""
    if topic.is_active and stored_items.count(topic).matching:
        return redirect("listening:topic_stored", topic.pk)
    return redirect(topic)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    # Locked until the save: another user may change the topic at the same moment.
    row = get_object_or_404(locked(Topic.objects.all()), pk=pk)
    form = TopicForm(request.POST or None, instance=row)
    if form.is_valid():
        form.keep(by=request.user)
        messages.success(request, _("Saved. Earlier matches keep the terms that they matched."))
        return _saved(row)
    return _form(request, form)


@admin_only
@require_POST
def pause(request: StaffRequest, pk: int) -> HttpResponse:
    """Pause listening for a topic, or resume it if the POST parameter `to` is "active"."""
    row = get_object_or_404(Topic, pk=pk)
    row.is_active = request.POST.get("to") == "active"
    row.save(update_fields=["is_active"])
    paused = _("Paused. New items are not matched until you resume the topic.")
    message = _("Resumed. New items are matched again.") if row.is_active else paused
    messages.success(request, message)
    return redirect(row)


def _initial_values() -> dict[str, Any]:
    """Return initial values for the first topic: the organisation's name and its handles.

    If a topic exists already, the result is empty.
    """
    here = Workspace.objects.here()
    if here is None or Topic.objects.exists():
        return {}
    return {"name": here.organisation[:120], "any_of": [here.organisation, *here.handles]}


def _form(request: StaffRequest, form: TopicForm) -> HttpResponse:
    status = 200
    if form.is_bound:
        status = 409 if form.is_stale else 422
    if form.is_stale and form.instance.current:
        # The user has now seen the conflict, so saving again replaces the stored words.
        form.data = data = request.POST.copy()
        data["seen"] = str(form.instance.current.number)
    return render(request, "listening/topic_form.html", {"form": form}, status=status)


@dataclass(frozen=True, slots=True)
class Change:
    """The words that were added to and removed from one list of a topic, for example "any of"."""

    label: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


def _history(revisions: list[TopicRevision]) -> list[tuple[TopicRevision, list[Change]]]:
    """Return all revisions, newest first, each with its changes."""
    pairs = pairwise([*revisions, None])
    return [(revision, _changes(revision, before)) for revision, before in pairs if revision]


def _changes(revision: TopicRevision, before: TopicRevision | None) -> list[Change]:
    labels = dict(zip(LISTS, [_("any of"), _("all of"), _("none of")], strict=True))
    changes = []
    for name, label in labels.items():
        now, then = getattr(revision, name), getattr(before, name, [])
        added = tuple(word for word in now if word not in then)
        removed = tuple(word for word in then if word not in now)
        if added or removed:
            changes.append(Change(label, added, removed))
    return changes
