"""Record and route items as the product does, in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from crm.ledger import Entry, record
from crm.models import Contact, Profile
from routing.intake import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm.channels.base import Author

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

_keys = iter(range(10**9))


def arrival(who: str = "anna", text: str = "hello", **facts: Any) -> Arrival:
    """Return a recorded item that the person `who` wrote in a private thread."""
    return arrivals((who, text), **facts)[0]


def arrivals(
    *said: tuple[str, str],
    thread: str = "",
    at: datetime = NOW,
    written: datetime | None = None,
    **more: Any,
) -> list[Arrival]:
    """Return recorded items; `written`, if given, is before `at`, when we receive them."""
    written = written or at
    entries = [
        Entry(
            "x", str(next(_keys)), Author("x", who), "sandbox", "message", "private", text,
            thread_key=thread or who, occurred_at=written,
        )
        for who, text in said
    ]  # fmt: skip
    rows = record(entries, now=at)
    return [
        Arrival(
            row.interaction, row.conversation, row.profile or 0, row.contact, written,
            Facts(text=entry.text, channel="sandbox", visibility="private"), **more,
        )
        for entry, row in zip(entries, rows, strict=True)
    ]  # fmt: skip


def place(*said: Arrival, now: datetime = NOW) -> list[Case]:
    placed = take_in(said, now=now)
    return [Case.objects.get(pk=placed[each.interaction]) for each in said]


def hear(who: str = "anna", text: str = "hello", *, now: datetime = NOW, **facts: Any) -> Case:
    return place(arrival(who, text, at=now, **facts), now=now)[0]


def kinds(case: Case) -> list[str]:
    return list(case.events.order_by("pk").values_list("kind", flat=True))


def contact(*profiles: str) -> Contact:
    """Create one contact that is linked to all these profiles."""
    known = Contact.objects.create(name="Anna K")
    for key in profiles:
        profile, _ = Profile.objects.get_or_create(network="x", key=key)
        profile.link_to(known, by=None, evidence="she said so")
    return known
