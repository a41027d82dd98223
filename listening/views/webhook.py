"""Sources whose items are sent to us: receive deliveries, create such sources, change secrets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from listening import webhooks
from listening.forms import WebhookForm
from listening.models import Source
from scrm.channels.webhook.examples import KINDS, example
from scrm.channels.webhook.schema import SCHEMA_TEXT
from scrm.web.params import number
from scrm.web.request_limits import body_limit

MAX_DELIVERY = 256 * 1024
"""Bytes of a delivery. Everybody may send so many, because the signature is checked afterwards."""
_MAX_SHOWN = 30


@body_limit(MAX_DELIVERY)
@csrf_exempt  # a sender has no cookie that another site could misuse; it signs instead
@login_not_required
@require_POST
def receive(request: HttpRequest, address: UUID) -> HttpResponse:
    """Answer a delivery: 200 accepted, 401, 404, 422, 429 or 503."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return answered(webhooks.receive(address, request.body, headers))


def answered(answer: webhooks.Answer) -> HttpResponse:
    """Return the answer to a delivery as an HTTP response."""
    response = JsonResponse(
        {"message": answer.message, "errors": answer.errors}, status=answer.status
    )
    if answer.retry_after is not None:
        response["Retry-After"] = str(answer.retry_after)
    # Without this mark, Django logs each refused delivery as a warning or an error of our own.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@require_safe
def schema(_request: StaffRequest) -> HttpResponse:
    return HttpResponse(SCHEMA_TEXT, content_type="application/schema+json")


@admin_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    form = WebhookForm(request.POST or None, initial={"owner": request.user})
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "listening/webhook_new.html", {"form": form}, status=status)
    with transaction.atomic():  # a source must not exist without a secret
        source, is_new = form.keep()
        # If the form was sent twice, the first answer showed the secret.
        return _show_secret(request, source) if is_new else redirect(source)


@admin_only
@never_cache
@require_POST
def add_secret(request: StaffRequest, pk: int) -> HttpResponse:
    return _show_secret(request, _source(pk))


@admin_only
@require_POST
def remove_secret(request: StaffRequest, pk: int) -> HttpResponse:
    """Remove a secret; its id is the POST parameter `secret`."""
    source = _source(pk)
    if webhooks.remove_secret(source, number(request.POST.get("secret", "")) or 0):
        messages.success(request, _("Secret removed. Deliveries signed with it are now refused."))
    else:
        messages.error(request, _("Not removed: it is the only secret, or it no longer exists."))
    return redirect(source)


@admin_only
@require_POST
def send_test(request: StaffRequest, pk: int) -> HttpResponse:
    source = _source(pk)
    answer = webhooks.send_test(source, now=timezone.now())
    tell = messages.success if answer.status == 200 else messages.error
    result = {"status": answer.status, "message": answer.message}
    tell(request, _("Test delivery answered with %(status)d: %(message)s") % result)
    return redirect(source)


def context(source: Source) -> dict[str, Any]:
    """Return the template context of a source to which items or events are sent."""
    deliveries = source.webhook_deliveries.select_related("fetch")[:_MAX_SHOWN]
    if not source.is_pushed:
        return {"webhook_deliveries": deliveries} if source.channel.events else {}
    return {
        "url": _url(source),
        "webhook_deliveries": deliveries,
        "secrets": source.webhook_secrets.select_related("made_by").defer("secret"),
        "examples": [(kind, example(kind)) for kind in KINDS],
        "max_secrets": webhooks.MAX_SECRETS,
    }


def _source(pk: int) -> Source:
    return get_object_or_404(Source, kind=webhooks.KIND, pk=pk)


def _url(source: Source) -> str:
    path = reverse("listening:webhook_receive", args=[source.address])
    return f"{settings.PUBLIC_URL}{path}"


def _show_secret(request: StaffRequest, source: Source) -> HttpResponse:
    """Create a secret and show it: this answer is the only page that ever contains it."""
    secret = webhooks.add_secret(source, by=request.user)
    if secret is None:
        messages.error(request, _("Remove the older secret first: a source has at most two."))
        return redirect(source)
    context = {"source": source, "url": _url(source), "secret": secret, "example": example("form")}
    return render(request, "listening/webhook_secret.html", context)
