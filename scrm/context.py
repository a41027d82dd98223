"""What the frame of every page shows: where one can go, and how much waits there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.db.models import IntegerField, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from crm.models import User
from responses.models import Delivery, Response
from routing.models import Case, Department, Issue, Notice, SavedView
from routing.models.status import Status
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
    counts = _counts(user)
    return {
        "notices": counts["rung"],
        "views": _views(counts),
        "departments": _department_items(user),
        "issues": _issues(),
        "saved": _saved(user),
        "records": _records(),
        "setup": _setup() if user.is_admin else [],
    }


class Number(Subquery):
    """How many rows there are: one number among others of the same statement."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _counts(user: User) -> dict[str, int]:
    """What waits for somebody, all by one statement, each along an index of what it counts."""
    theirs = Case.objects.in_departments_of(user)
    numbers = {
        "mine": theirs.active().of(user),
        "unassigned": theirs.active().unclaimed(),
        "waiting": theirs.filter(status=Status.WAITING),
        "snoozed": theirs.filter(status=Status.SNOOZED),
        "approve": Response.objects.approvable_by(user),
        "check": Delivery.objects.visible_to(user).to_check(timezone.now()),
        "rung": Notice.objects.filter(user=user).unread(),
    }
    counted = {name: Number(rows.order_by().values("pk")) for name, rows in numbers.items()}
    return cast("dict[str, int]", User.objects.filter(pk=user.pk).values(**counted).get())


def _views(counts: dict[str, int]) -> list[Item]:
    inbox = reverse("routing:inbox")
    labels = {
        "mine": _("Mine"),
        "unassigned": _("Unassigned"),
        "waiting": _("Waiting"),
        "snoozed": _("Snoozed"),
    }
    return [
        *(Item(label, f"{inbox}?view={view}", counts[view]) for view, label in labels.items()),
        Item(_("To approve"), reverse("responses:approvals"), counts["approve"]),
        Item(_("Check sending"), reverse("responses:sendings"), counts["check"], bad=True),
    ]


def _department_items(user: User) -> list[Item]:
    active = Case.objects.active().filter(department=OuterRef("pk"))
    return [
        Item(
            str(department),
            f"{reverse('routing:inbox')}?department={department.pk}",
            department.n,
            colour=department.colour,
        )
        for department in _departments(user).annotate(n=Number(active.values("pk")))
    ]


def _issues() -> list[Item]:
    """Open ones that grew last, with how many people raised them."""
    cases = Case.objects.filter(issue=OuterRef("pk"))
    heard = cases.filter(last_inbound_at__isnull=False).order_by("-last_inbound_at", "-pk")
    rows: Any = Issue.objects.filter(closed_at=None).annotate(
        people=Number(cases.values("profile").distinct()),
        heard_at=Subquery(heard.values("last_inbound_at")[:1]),
    )
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
        _("Calendar"): "responses:calendar",
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
