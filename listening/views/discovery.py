"""Add a source in two steps at one URL.

In step 1 the user enters an address, and scrm finds what can be fetched there. In step 2 the user
chooses one of the addresses found, and the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from crm.renewal import fresh_credentials
from listening.forms import AddressForm, SourceForm
from listening.highlight import excerpt
from listening.matching import Matcher
from listening.models import Source, Topic, TopicRevision
from listening.preset_form import PresetForm
from listening.topic_hits import current_matcher
from scrm.bus.nudge import nudge
from scrm.channels.base import ChannelError, Found, Item
from scrm.channels.feed.presets import PRESETS
from scrm.channels.registry import channel

_FIRST = 3
"""The number of samples that are shown immediately; further samples are collapsed."""


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Ask for an address, or for what the preset in the parameter `preset` needs."""
    where = _address_form(request)
    if not where.is_valid():
        return _ask(request, where, status=422 if where.is_bound else 200)
    if "change" in request.POST:
        return _ask(request, where)
    try:
        found = _discover(where)
    except ChannelError as error:
        where.add_error(where.address_field, error.message)
        return _ask(request, where, status=422)
    return _choose(request, where, found)


def _address_form(request: StaffRequest) -> AddressForm | PresetForm:
    typed = request.POST or None
    preset = PRESETS.get((request.POST if typed else request.GET).get("preset", ""))
    if preset:
        return PresetForm(preset, typed)
    return AddressForm(typed, initial={"address": request.GET.get("address", "")})


def _ask(request: StaffRequest, where: AddressForm | PresetForm, status: int = 200) -> HttpResponse:
    context = {"where": where, "presets": PRESETS.values()}
    return render(request, "listening/source_new.html", context, status=status)


def _discover(where: AddressForm | PresetForm) -> list[Found]:
    account = where.cleaned_data.get("account")
    listener = channel(where.kind).listener
    if listener is None:
        raise ChannelError(_("This account cannot be listened to."), permanent=True)
    credentials = fresh_credentials(account) if account else None
    found = listener.discover(where.target, credentials)
    if not found:
        raise ChannelError(_("Nothing there can be listened to."), permanent=True)
    return found


def _choose(
    request: StaffRequest, where: AddressForm | PresetForm, found: list[Found]
) -> HttpResponse:
    form = SourceForm(
        request.POST if "found" in request.POST else None,
        found=found,
        kind=where.kind,
        account=where.cleaned_data.get("account"),
        initial={"owner": request.user},
    )
    if form.is_valid() and (source := _keep(form)):
        nudge("scrm.pipeline.poll", source.pk)
        messages.success(
            request, _("Source added. The first fetch is in progress; its items appear here.")
        )
        return redirect(source)
    settings = [form[name] for name in ("name", "stance", "since")]
    context = {
        "where": where,
        "form": form,
        "settings": settings,
        "more": [form["rhythm"], form["owner"]],
        "found": _previews(found),
        "chosen": form["found"].value(),
        "has_topics": Topic.objects.active().exists(),
    }
    status = 422 if form.is_bound else 200
    return render(request, "listening/source_choose.html", context, status=status)


def _keep(form: SourceForm) -> Source | None:
    """Save the source and return it.

    If another admin has added the same source in the meantime, this adds a field error to the form
    and returns None.
    """
    # The unique constraint decides: another admin may add the same source after the form's check.
    try:
        with transaction.atomic():
            return form.keep()
    except IntegrityError:
        form.add_error("found", _("Another user has just added this source."))
        return None


@dataclass(frozen=True, slots=True)
class Sample:
    """One recent item and the topics that match it.

    age: in seconds; None if the item has no date.
    """

    item: Item
    title: SafeString
    text: SafeString
    topics: tuple[str, ...]
    age: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    found: Found
    first: list[Sample]
    more: list[Sample]
    matched: int


def _previews(found: list[Found]) -> list[Preview]:
    matcher = current_matcher()
    names = dict(
        TopicRevision.objects.filter(current_of__in=Topic.objects.active()).values_list(
            "pk", "topic__name"
        )
    )
    now = timezone.now()
    previews = []
    for place in found:
        samples = [_sample(item, matcher, names, now) for item in place.items]
        matched = sum(bool(sample.topics) for sample in samples)
        previews.append(Preview(place, samples[:_FIRST], samples[_FIRST:], matched))
    return previews


def _sample(item: Item, matcher: Matcher, names: dict[int, str], now: datetime) -> Sample:
    hits = matcher.match(item.title, item.text)
    spans = [(span.field, span.start, span.end) for hit in hits for span in hit.spans]
    at = item.occurred_at
    return Sample(
        item=item,
        title=excerpt(item.title, spans, field="title", most=160),
        text=excerpt(item.text, spans, most=200),
        topics=tuple(names[hit.key] for hit in hits if hit.key in names),
        age=max(int((now - at).total_seconds()), 0) if at else None,
    )
