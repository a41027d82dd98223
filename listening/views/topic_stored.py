"""Offer to match what is stored against a topic, after the topic was made or changed."""

from __future__ import annotations

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from listening import stored_items
from listening.mention_rows import shown
from listening.models import Mention, Topic


class StoredForm(forms.Form):
    AGES = [
        ("0", _("Mark the items, open no cases")),
        ("1", _("Mark the items, and open cases for those of the last day")),
        ("3", _("Mark the items, and open cases for those of the last 3 days")),
        ("7", _("Mark the items, and open cases for those of the last week")),
        ("30", _("Mark the items, and open cases for those of the last 30 days")),
    ]
    days = forms.ChoiceField(choices=AGES, initial="0", label=_("Action"), widget=forms.RadioSelect)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def topic_stored(request: StaffRequest, pk: int) -> HttpResponse:
    """Show how many stored items the topic matches. A POST request marks them in a job."""
    topic = get_object_or_404(Topic.objects.select_related("current"), pk=pk)
    form = StoredForm(request.POST or None)
    if form.is_valid() and topic.current:
        days = int(form.cleaned_data["days"])
        return redirect(stored_items.ask(topic, days=days, by=request.user))
    stored = stored_items.count(topic)
    newest = Mention.objects.filter(pk__in=[row.pk for row in stored.newest]).order_by("-pk")
    context = {
        "topic": topic,
        "stored": stored,
        "form": form,
        "items": shown(list(newest), user=request.user),
        "most": f"{stored_items.MAX_SCANNED:,}",
    }
    status = 422 if form.is_bound else 200
    return render(request, "listening/topic_stored.html", context, status=status)
