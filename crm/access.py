"""Decide who may read the text of a conversation, act on cases, or open a page.

This module does not select the rows of lists. The method `visible_to` of a queryset does that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from crm.models.user import User

P = ParamSpec("P")


def readable(user: User) -> Q:
    """Return the condition that selects the interactions whose text the user may read.

    If a conversation is restricted to a department, the condition excludes its interactions for all
    users who are not members of this department. Supervisors and admins may read all texts.
    """
    if user.sees_everything:
        return Q()
    # The role is not checked: every role in a department may read.
    mine = Q(conversation__restricted_to__in=user.memberships.values("department"))
    return Q(conversation__restricted_to=None) | mine


def works(user: User) -> bool:
    """Return whether the user may act on cases in at least one department."""
    return user.sees_everything or any(row.permissions.works for row in user.memberships.all())


class StaffRequest(HttpRequest):
    """The type of a request by a logged-in user.

    All Django views that need a login declare their `request` argument with this type.
    """

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
    """Decorate a view so that it answers 403 to every user who is not an admin."""
    return _only(lambda user: user.is_admin)(view)


def supervisor_only(view: Page[P]) -> Page[P]:
    """Decorate a view so that it answers 403 to users who are neither supervisor nor admin."""
    return _only(lambda user: user.sees_everything)(view)


def worker_only(view: Page[P]) -> Page[P]:
    """Decorate a view for users who may act on cases in at least one department.

    To all other users, the view answers 403.
    """
    return _only(works)(view)
