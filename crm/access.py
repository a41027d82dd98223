"""Who may read the text of a conversation, who may act, and who may open a page.

What a list shows is up to the `visible_to` of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from crm.models.membership import Membership
from crm.models.user import User

P = ParamSpec("P")


def readable(user: User) -> Q:
    """Condition on interactions: all but those of conversations restricted to other departments."""
    if user.sees_everything:
        return Q()
    # Membership in any role is enough: every role may read.
    mine = Q(conversation__restricted_to__in=user.memberships.values("department"))
    return Q(conversation__restricted_to=None) | mine


def works(user: User) -> bool:
    """Whether the user may act in some department, and not only read."""
    return user.sees_everything or Membership.objects.working().filter(user=user).exists()


class StaffRequest(HttpRequest):
    """A request of a logged-in user; the request type of every view that needs a login."""

    user: User
    htmx: HtmxDetails


Page = Callable[Concatenate[StaffRequest, P], HttpResponse]


def _only(is_allowed: Callable[[User], bool]) -> Callable[[Page[P]], Page[P]]:
    def decorate(view: Page[P]) -> Page[P]:
        @wraps(view)
        def guarded(request: StaffRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not (isinstance(request.user, User) and is_allowed(request.user)):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def admin_only(view: Page[P]) -> Page[P]:
    """Answer 403 to all users but admins."""
    return _only(lambda user: user.is_admin)(view)


def supervisor_only(view: Page[P]) -> Page[P]:
    """Answer 403 to all users but supervisors and admins."""
    return _only(lambda user: user.sees_everything)(view)


def worker_only(view: Page[P]) -> Page[P]:
    """Answer 403 to users who may not act on cases in any department."""
    return _only(works)(view)
