"""The frame that surrounds every page: the navigation with its counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import IntegerField, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property
from django.utils.translation import gettext as _

from crm.models import Department, Membership, Notice, Pause, User
from responses.case_verbs import CASE_VERBS
from responses.models import Delivery, Response
from routing.models import Case, Issue, SavedView
from routing.models.status import Status
from scrm.bus import live


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    url: str
    count: int | None = None
    bad: bool = False
    colour: str = ""
    unit: str = ""
    icon: str = ""

    @property
    def said(self) -> str:
        """Return the count as text: the number, or “999+” if it is larger than 999."""
        return f"{MAX_COUNTED - 1}+" if (self.count or 0) >= MAX_COUNTED else str(self.count)


def _script_files(names: str) -> tuple[str, ...]:
    return tuple(f"js/{name}.js" for name in names.split())


SCRIPTS = _script_files(
    "times live connection refused fields case_pane leaving dialogs small_forms typed_text "
    "typed_fields typeahead shortcuts forms messages palette menu"
)
"""JavaScript modules of every page. Modules that others import are listed too, so that the browser
fetches all of them at once and not one after another."""

TYPING_SCRIPTS = _script_files("drafts completion_list completion composer early_keys typed_resume")
"""JavaScript modules of every page that run after those of the page itself, in this order: text
that was typed ahead goes into a field only after the page has asked for its case again, and after
a draft is back in that field."""


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the template context of the frame. The context is empty if nobody is logged in."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    frame = Frame(user)
    return {
        "scripts": SCRIPTS,
        "typing_scripts": TYPING_SCRIPTS,
        "nav": frame,
        "case_verbs": CASE_VERBS,
        "live_token": SimpleLazyObject(lambda: frame.token),
    }


def token(request: HttpRequest) -> HttpResponse:
    """Return a new token for the live stream.

    A page requests a new token when its own token has expired.
    """
    assert isinstance(request.user, User)
    return HttpResponse(Frame(request.user).token, content_type="text/plain")


def nav(request: HttpRequest) -> HttpResponse:
    """Render the navigation again, so that an open page can update its counts."""
    return render(request, "_nav_inbox.html", {"at": request.GET.get("at", "")})


MAX_COUNTED = 1000
"""Counts stop here: larger numbers need not be exact, and counting them would become slow."""


class Number(Subquery):
    """A subquery that counts rows, up to MAX_COUNTED. One SQL query can contain several of them."""

    def __init__(self, rows: Any) -> None:
        super().__init__(rows[:MAX_COUNTED])

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class Frame:
    """The data of the frame for one user. Each part is loaded when a template first uses it."""

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def token(self) -> str:
        """Return the token with which the browser opens the live stream."""
        topics = (f"department:{department.pk}" for department in self._departments)
        return live.token([f"user:{self.user.pk}", *topics])

    @cached_property
    def notices(self) -> int:
        return self._counts["rung"]

    @cached_property
    def works(self) -> bool:
        """Whether the user may act on cases in at least one department."""
        return self.user.sees_everything or bool(self._counts["working"])

    @cached_property
    def paused(self) -> bool:
        """Return whether a user has paused all sending."""
        return bool(self._counts["paused"])

    @cached_property
    def restored(self) -> bool:
        """Return whether all sending is stopped because the database was restored from a copy."""
        return bool(self._counts["restored"])

    @cached_property
    def views(self) -> list[Item]:
        inbox, counts = reverse("routing:inbox"), self._counts
        labels = {
            "mine": (_("Mine"), "inbox"),
            "unassigned": (_("Unassigned"), "users"),
            "waiting": (_("Waiting for reply"), "clock"),
            "snoozed": (_("Snoozed"), "alarm-clock"),
        }
        return [
            *(
                Item(label, f"{inbox}?view={view}", counts[view], icon=icon)
                for view, (label, icon) in labels.items()
            ),
            Item(
                _("To approve"),
                reverse("responses:approvals"),
                counts["approve"],
                icon="check-check",
            ),
            Item(
                _("Delivery problems"),
                reverse("responses:delivery_problems"),
                counts["check"],
                bad=True,
                icon="triangle-alert",
            ),
        ]

    @cached_property
    def departments(self) -> list[Item]:
        inbox = reverse("routing:inbox")
        return [
            Item(
                str(department),
                f"{inbox}?department={department.pk}",
                department.n,
                colour=department.colour,
            )
            for department in self._departments
        ]

    @cached_property
    def issues(self) -> list[Item]:
        return _issues(self.user)

    @cached_property
    def saved(self) -> list[Item]:
        views = SavedView.objects.visible_to(self.user)[:20]
        return [Item(str(view), view.get_absolute_url()) for view in views]

    @cached_property
    def records(self) -> list[Item]:
        return _records(self.user, works=self.works)

    @cached_property
    def setup(self) -> list[Item]:
        return _setup() if self.user.is_admin else []

    @cached_property
    def _departments(self) -> list[Any]:
        active = Case.objects.active().filter(department=OuterRef("pk"))
        visible = Department.objects.visible_to(self.user)
        return list(visible.annotate(n=Number(active.values("pk"))))

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Return all counts with one SQL query. Each count in it uses an index."""
        departments = tuple(department.pk for department in self._departments)
        minute = timezone.now().replace(second=0, microsecond=0)
        statement, parameters = _counting(self.user, self.user.role, departments, minute)
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return dict(zip(_COUNTED, cursor.fetchone(), strict=True))


_COUNTED = (
    "mine", "unassigned", "waiting", "snoozed", "approve", "check", "rung", "paused", "restored",
    "working",
)  # fmt: skip


# The role is part of the cache key: a new role changes which rows a user sees.
@lru_cache(maxsize=1000)
def _counting(
    user: User, _role: str, departments: tuple[int, ...], minute: datetime
) -> tuple[str, Any]:
    """Return the SQL query that selects the counts, and its parameters.

    The query text is cached for each user and minute, because Django needs longer to build it than
    PostgreSQL needs to run it.
    """
    cases = Case.objects.filter(department__in=departments)
    to_approve, to_review = Response.objects.on_approval_page_of(user)
    counted = (
        cases.active().of(user),
        cases.active().unclaimed(),
        cases.filter(status=Status.WAITING),
        cases.filter(status=Status.SNOOZED),
        to_approve,
        Delivery.objects.at_hand_of(user).to_check(minute),
        Notice.objects.filter(user=user).unread(),
        Pause.objects.by_hand(),
        Pause.objects.restored(),
        Membership.objects.working().filter(user=user),
    )
    numbers: dict[str, Any] = {
        name: Number(rows.order_by().values("pk"))
        for name, rows in zip(_COUNTED, counted, strict=True)
    }
    numbers["approve"] += Number(to_review.order_by().values("pk"))
    me = User.objects.filter(pk=user.pk).annotate(**numbers).values_list(*_COUNTED)
    statement, parameters = me.query.sql_with_params()
    return str(statement), parameters


def _issues(user: User) -> list[Item]:
    """Return up to five open issues with the number of people whose cases the user may see.

    The issue with the newest message comes first.
    """
    cases = Case.objects.filter(issue=OuterRef("pk"))
    newest = cases.filter(last_inbound_at__isnull=False).order_by("-last_inbound_at", "-pk")
    rows: Any = (
        Issue.objects.offered_to(user)
        .filter(closed_at=None)
        .annotate(
            people=Number(cases.visible_to(user).values("profile").distinct()),
            heard_at=Subquery(newest.values("last_inbound_at")[:1]),
        )
    )
    return [
        Item(str(row), row.get_absolute_url(), row.people, unit=_("people"))
        for row in rows.open_first()[:5]
    ]


def _records(user: User, *, works: bool) -> list[Item]:
    pages = {
        _("Map"): "reports:map",
        _("Mentions"): "listening:mentions",
        _("Issues"): "routing:issues",
        _("Contacts"): "crm:contacts",
        _("Campaigns"): "responses:campaigns",
        _("Saved replies"): "responses:saved_replies",
        _("Calendar"): "responses:calendar",
        _("Response history"): "responses:history",
    }
    if works:
        pages[_("Muted people")] = "routing:mutes"
    if user.sees_everything:
        pages[_("Record check")] = "responses:record_check"
    return [Item(label, reverse(name)) for label, name in pages.items()]


def _setup() -> list[Item]:
    pages = {
        _("Topics"): "listening:topics",
        _("Sources"): "listening:sources",
        _("Accounts"): "crm:accounts",
        _("Routing rules"): "routing:rules",
        _("Business rules"): "responses:rules",
        _("Targets and hours"): "routing:hours",
        _("Departments"): "routing:departments",
        _("Reasons for Done"): "routing:done_reasons",
        _("Sensitive cases"): "routing:procedures",
        _("People"): "crm:people",
        _("Organisation"): "crm:workspace",
    }
    return [Item(label, reverse(name)) for label, name in pages.items()]
