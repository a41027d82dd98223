"""Mute a profile for a department, and find the items that a mute keeps out of the inbox."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import About, Department, Membership, Notice, Profile, User
from listening.topic_hits import FoundTopic
from routing.models import Case, ItemDecision, Mute
from routing.models.mute import MUTED_FOR
from routing.models.status import Stale

WEEK = timedelta(days=7)


@transaction.atomic
def mute(
    profile: Profile, department: Department, *, reason: str, by: User, now: datetime | None = None
) -> Mute:
    """Mute the profile for 30 days from now; a present mute is renewed, with the new reason."""
    now = now or timezone.now()
    row, _created = Mute.objects.update_or_create(
        profile=profile,
        department=department,
        ended_at=None,
        defaults={"reason": reason, "by": by, "at": now, "until": now + MUTED_FOR},
    )
    return row


@transaction.atomic
def mute_person_of(case: Case, *, reason: str, by: User) -> None:
    """Mute the profile of a case for its department. Raises Stale if the case is sensitive."""
    # Lock first: a message that arrives at this moment may make the case sensitive.
    case.lock()
    if case.sensitive:
        raise Stale(_("This case is sensitive. Its person cannot be muted here."))
    mute(case.profile, case.department, reason=reason, by=by)


def unmute(row: Mute, *, by: User, now: datetime | None = None) -> None:
    """End the mute. Idempotent: a second call changes nothing."""
    Mute.objects.filter(pk=row.pk, ended_at=None).update(
        ended_at=now or timezone.now(), ended_by=by
    )


def muted_pairs(profiles: Collection[int], now: datetime) -> set[tuple[int, int]]:
    """Return (profile id, department id) of the current mutes of these profiles."""
    rows = Mute.objects.current(now).filter(profile__in=profiles)
    return set(rows.values_list("profile", "department"))


def may_be_muted(visibility: str, topics: Collection[FoundTopic]) -> bool:
    """Return whether a mute applies to an item: it is public, and no topic is sensitive."""
    return visibility == "public" and not any(topic.sensitivity for topic in topics)


def weekly_digest(*, now: datetime) -> int:
    """Tell the team leads of each department once a week whom it has muted; return the number."""
    rows = Mute.objects.current(now).values("department").annotate(n=Count("pk")).order_by()
    told = 0
    for department, number in rows.values_list("department", "n"):
        place = Department.objects.get(pk=department)
        items = ItemDecision.objects.current().filter(
            Q(interaction__profile__mutes__department=department)
            & Q(interaction__profile__mutes__ended_at=None),
            outcome=ItemDecision.Outcome.MUTED,
            at__gt=now - WEEK,
        )
        about = About(f"mutes:{department}", _("Muted people"), str(place), "/mutes/")
        given = Notice.give(
            _leads_without_digest(place, now),
            Notice.Kind.MUTE_DIGEST,
            about=about,
            now=now,
            text=_digest_text(number, items.count()),
        )
        told += len(given)
    return told


def _leads_without_digest(department: Department, now: datetime) -> list[int]:
    leads = department.memberships.filter(role=Membership.Role.LEAD, user__is_active=True)
    recent = Notice.objects.filter(
        kind=Notice.Kind.MUTE_DIGEST, about=f"mutes:{department.pk}", at__gt=now - WEEK
    )
    return list(leads.exclude(user__in=recent.values("user")).values_list("user", flat=True))


def _digest_text(people: int, items: int) -> str:
    profiles = ngettext("%d profile is muted", "%d profiles are muted", people) % people
    said = ngettext("%d item this week", "%d items this week", items) % items
    return f"{profiles}; {said}."
