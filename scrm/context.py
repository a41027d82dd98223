"""What the frame of every page shows: where one can go, and how much waits there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from crm.models import User
from responses.models import Delivery, Response
from routing.models import Case, Department, Issue, Notice, SavedView
from routing.models.status import ACTIVE
from scrm import live


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    url: str
    count: int | None = None
    bad: bool = False
    colour: str = ""
    unit: str = ""


SCRIPTS = tuple(
    f"js/{name}.js" for name in ("times", "live", "keys", "desk", "composer", "palette")
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Nothing for strangers; the lazy parts cost nothing on a partial that leaves them out."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {
        "scripts": SCRIPTS,
        "nav": SimpleLazyObject(lambda: _nav(user)),
        "live_token": SimpleLazyObject(lambda: live.token(_topics(user))),
    }


def token(request: HttpRequest) -> HttpResponse:
    """A new one for the stream, when the page's has run out."""
    assert isinstance(request.user, User)
    return HttpResponse(live.token(_topics(request.user)), content_type="text/plain")


def nav(request: HttpRequest) -> HttpResponse:
    """The counts again, for the live frame."""
    return render(request, "_nav_inbox.html", {"at": request.GET.get("at", "")})


def _topics(user: User) -> list[str]:
    departments = _departments(user).values_list("pk", flat=True)
    return [f"user:{user.pk}", *(f"department:{pk}" for pk in departments)]


def _departments(user: User) -> Any:
    return Department.objects.visible_to(user)


def _nav(user: User) -> dict[str, Any]:
    return {
        "notices": Notice.objects.filter(user=user).unread().count(),
        "views": _views(user),
        "departments": _department_items(user),
        "issues": _issues(),
        "saved": _saved(user),
        "records": _records(),
        "setup": _setup() if user.is_admin else [],
    }


def _views(user: User) -> list[Item]:
    inbox = reverse("routing:inbox")
    visible = Case.objects.visible_to(user)
    counts = visible.living().aggregate(
        mine=Count("pk", filter=Q(status__in=ACTIVE, assignee=user)),
        unassigned=Count("pk", filter=Q(status__in=ACTIVE, assignee=None)),
        waiting=Count("pk", filter=Q(status="waiting")),
        snoozed=Count("pk", filter=Q(status="snoozed")),
    )
    labels = {
        "mine": _("Mine"),
        "unassigned": _("Unassigned"),
        "waiting": _("Waiting"),
        "snoozed": _("Snoozed"),
    }
    items = [Item(label, f"{inbox}?view={view}", counts[view]) for view, label in labels.items()]
    approve = Response.objects.approvable_by(user).count()
    check = Delivery.objects.visible_to(user).to_check(timezone.now()).count()
    return [
        *items,
        Item(_("To approve"), reverse("responses:approvals"), approve),
        Item(_("Check sending"), reverse("responses:sendings"), check, bad=True),
    ]


def _department_items(user: User) -> list[Item]:
    active = Count("cases", filter=Q(cases__status__in=ACTIVE))
    return [
        Item(
            str(department),
            f"{reverse('routing:inbox')}?department={department.pk}",
            department.n,
            colour=department.colour,
        )
        for department in _departments(user).annotate(n=active)
    ]


def _issues() -> list[Item]:
    """Open ones that grew last, with how many people raised them."""
    people = Count("cases__profile", distinct=True)
    grown = Max("cases__last_inbound_at")
    rows: Any = Issue.objects.filter(closed_at=None).annotate(people=people, heard_at=grown)
    return [
        Item(str(row), row.get_absolute_url(), row.people, unit=_("people"))
        for row in rows.open_first()[:5]
    ]


def _saved(user: User) -> list[Item]:
    views = SavedView.objects.visible_to(user)[:20]
    return [Item(str(view), view.get_absolute_url()) for view in views]


def _records() -> list[Item]:
    pages = {
        _("Map"): "reports:map",
        _("What was heard"): "listening:mentions",
        _("Issues"): "routing:issues",
        _("Contacts"): "crm:contacts",
        _("Saved replies"): "responses:saved_replies",
        _("Response history"): "responses:history",
    }
    return [Item(label, reverse(name)) for label, name in pages.items()]


def _setup() -> list[Item]:
    pages = {
        _("Topics"): "listening:topics",
        _("Sources"): "listening:sources",
        _("Accounts"): "crm:accounts",
        _("Routing rules"): "routing:rules",
        _("Response rules"): "responses:rules",
        _("Departments"): "routing:departments",
        _("People"): "crm:people",
        _("Organisation"): "crm:workspace",
    }
    return [Item(label, reverse(name)) for label, name in pages.items()]
