"""What a row of the inbox says, for a whole page at once: six statements, whatever its length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Interaction, ProfileLink, User
from listening.highlight import excerpt
from listening.models import Match
from routing.models import Case, Presence

_LOOKED_AT = 2000
"""Code points of a text among which the first hit is sought."""
VIA = {
    "call": "phone", "letter": "mail", "survey answer": "clipboard-list",
    "comment card": "ticket", "event": "calendar", "message": "mail",
    "comment": "message-circle", "post": "rss",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list. due: words and how urgent they are ("late", "soon", "far", "").

    snippet: safe HTML, hits marked. gone: why it no longer belongs to this list, if so.
    others: who else looks at it now.
    """

    case: Case
    who: str
    sub: str
    initials: str
    colour: int
    via: str
    snippet: str
    contact_kind: str
    topics: tuple[str, ...]
    due: tuple[str, str]
    held: bool
    draft: bool
    others: tuple[str, ...]
    mine: bool
    gone: str = ""


def rows(cases: QuerySet[Case], user: User, *, now: datetime | None = None) -> list[Row]:
    """The rows of these cases, in their order."""
    now = now or timezone.now()
    found = list(_with_last_words(cases, user))
    hits = _hits(found)
    contacts = _contacts(found)
    held, drafts = _held(found), _drafts(found, user)
    others = _others(found, user, now)
    return [
        Row(
            case=case,
            who=str(contacts.get(case.profile_id) or case.profile),
            sub=_sub(case, case.profile_id in contacts),
            initials=case.profile.initials,
            colour=case.profile_id % 8,
            via=VIA.get(case.last_inbound.kind if case.last_inbound else "", "message-circle"),
            snippet=_snippet(case, hits[case.last_inbound_id or 0]),
            contact_kind=_kind(contacts.get(case.profile_id)),
            topics=tuple(
                sorted({hit.revision.topic.name for hit in hits[case.last_inbound_id or 0]})
            ),
            due=due_words(case.due_at, now),
            held=case.pk in held,
            draft=case.pk in drafts,
            others=tuple(others[case.pk]),
            mine=case.assignee_id == user.pk,
        )
        for case in found
    ]


def due_words(due_at: datetime | None, now: datetime) -> tuple[str, str]:
    """“due 41 m” or “12 m over”, and how urgent that is. The browser keeps it up to date."""
    if due_at is None:
        return "", ""
    seconds = (due_at - now).total_seconds()
    span = _span(abs(seconds))
    if seconds < 0:
        return _("%s over") % span, "late"
    return _("due %s") % span, "soon" if seconds < 4 * 3600 else "far"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def reach_words(reach: int) -> str:
    """1600000 → “1.6 M”."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if reach >= size:
            return f"{reach / size:.1f}".removesuffix(".0") + f" {unit}"
    return str(reach)


def _with_last_words(cases: QuerySet[Case], user: User) -> QuerySet[Case]:
    may_read = Interaction.objects.readable_by(user).filter(pk=OuterRef("last_inbound"))
    return (
        cases.annotate(
            readable=Value(True) if user.sees_everything else Exists(may_read),
            heading=Left("last_inbound__title", 160),
            begins=Left("last_inbound__text", _LOOKED_AT),
        )
        .select_related("profile", "department", "assignee", "issue", "last_inbound")
        .defer(*(f"last_inbound__{name}" for name in ("text", "html", "title", "words")))
    )


def _snippet(case: Any, hits: Iterable[Match]) -> str:
    if not case.last_inbound_id:
        return ""
    if not case.readable:
        return str(_("A conversation with %s") % case.department)
    spans = [span for hit in hits for span in hit.spans]
    if case.heading and not case.begins:
        return excerpt(case.heading, spans, field="title")
    return excerpt(case.begins, spans)


def _sub(case: Case, known: bool) -> str:
    profile = case.profile
    handle = profile.handle if profile.handle != profile.name else ""
    reach = reach_words(profile.reach) if profile.reach else ""
    stranger = "" if known else _("stranger")
    return " · ".join(part for part in (handle, reach, stranger) if part)


def _kind(contact: Any) -> str:
    return str(contact.get_kind_display()) if contact else ""


def _hits(cases: Sequence[Any]) -> defaultdict[int, list[Match]]:
    """What the last words of each hit, by interaction, as far as they may be read."""
    said = [case.last_inbound_id for case in cases if case.readable]
    hits: defaultdict[int, list[Match]] = defaultdict(list)
    found = Match.objects.filter(mention__interaction__in=said).select_related("revision__topic")
    for match in found.annotate(said=F("mention__interaction")):
        hits[match.said].append(match)  # type: ignore[attr-defined]
    return hits


def _contacts(cases: Sequence[Case]) -> dict[int, Any]:
    links = ProfileLink.objects.filter(
        profile__in=[case.profile_id for case in cases], ended_at=None
    )
    return {link.profile_id: link.contact for link in links.select_related("contact")}


def _held(cases: Sequence[Case]) -> set[int]:
    mine = Case.objects.filter(pk__in=[case.pk for case in cases])
    return set(mine.filter(responses__state="held").values_list("pk", flat=True))


def _drafts(cases: Sequence[Case], user: User) -> set[int]:
    mine = Case.objects.filter(pk__in=[case.pk for case in cases], drafts__author=user)
    return set(mine.exclude(drafts__text="").values_list("pk", flat=True))


def _others(cases: Sequence[Case], user: User, now: datetime) -> defaultdict[int, list[str]]:
    names: defaultdict[int, list[str]] = defaultdict(list)
    present = Presence.objects.fresh(now).filter(case__in=[case.pk for case in cases])
    for each in present.exclude(user=user).select_related("user"):
        names[each.case_id].append(str(each.user))
    return names
