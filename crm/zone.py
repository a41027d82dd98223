"""Middleware that shows dates and times in the workspace's time zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from crm.models import Workspace


class WorkspaceZone:
    """Middleware that activates the workspace's time zone for pages that need a login.

    For other pages the time zone is not read, because the health check must answer without the
    database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            # The thread will serve other requests, which must not get this time zone.
            timezone.deactivate()

    def process_view(self, _request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> None:
        """Activate the time zone if the Django view needs a login.

        Django calls this method after it has checked the login.
        """
        if getattr(view, "login_required", True) and (workspace := Workspace.objects.here()):
            timezone.activate(workspace.tzinfo)
