from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from listening import events
from listening.views.webhook import answered
from scrm.web.request_limits import ANONYMOUS, body_limit


@body_limit(ANONYMOUS)
@csrf_exempt  # a network has no cookie that another site could misuse; it signs instead
@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def receive(request: HttpRequest, account: UUID) -> HttpResponse:
    """Answer an event, or (GET) a network that checks whether the address is ours."""
    if request.method == "POST":
        headers = {name.lower(): value for name, value in request.headers.items()}
        return answered(events.receive(account, request.body, headers))
    answer = events.challenge(account, request.GET.dict())
    return JsonResponse(answer or {"message": "Not valid."}, status=200 if answer else 400)
