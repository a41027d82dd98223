"""Build the rows of the inbox. One call builds the rows of a whole page.

The number of SQL queries does not depend on the number of rows: there are four, one more if the
page has restricted conversations, and two more for a search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Left, NullIf
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from crm.interaction_kinds import channel_icon
from crm.models import Contact, Interaction, ProfileLink, User
from listening.highlight import excerpt
from listening.models import Match
from routing import above, pending_thanks
from routing.inbox import search_snippet
from routing.models import CallBack, Case, Presence

_LOOKED_AT = 2000
"""Only so many characters of a text are loaded, to find the first words that matched a topic."""
_SHOWN = (
    "profile__name", "profile__handle", "profile__key", "profile__reach",
    "profile__handle_was_of__name", "profile__handle_was_of__handle",
    "profile__handle_was_of__key", "department__name",
    "assignee__name", "assignee__email", "issue__name", "last_inbound__kind",
    "last_inbound__channel", "continues__status",
)  # fmt: skip
_NOBODY = ("", "")
Hit = tuple[list[list[str | int]], str]
"""A topic that matched: the places of the words as in `Match.spans`, and the topic's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list of cases.

    who: name of the party.
    sub: the second line, with the handle and the number of followers.
    via: icon of the network of the last message.
    snippet: start of the last message as safe HTML; words that matched a topic are highlighted.
    due: the text that says when the reply is due, and the urgency "late", "soon", "far" or "".
    held: whether a response to the case is held.
    draft: whether the user has a draft for the case.
    call_back: the text that says when to call back, or "".
    others: names of the other users who have the case open.
    mine: whether the case is assigned to the user.
    thanks: the number of messages of thanks that nobody has liked or dismissed.
    changed: "edited" or "deleted" if that happened to the last message at its source, else "".
    gone: the reason why the case no longer belongs to the list on screen, else "".
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
    call_back: str
    others: tuple[str, ...]
    mine: bool
    thanks: int
    changed: str = ""
    gone: str = ""


def rows(
    cases: QuerySet[Case], user: User, *, now: datetime | None = None, words: str = ""
) -> list[Row]:
    """Build a row for each of these cases, in the order of `cases`.

    words: the words of a search. The snippet then shows the message that contains them.
    """
    now = now or timezone.now()
    found = list(_with_last_message(cases))
    closed = _unreadable(found, user)
    # Topics of a message that the user may not read would reveal its content.
    hits = _hits(case for case in found if case.last_inbound_id not in closed)
    contacts = _contacts(found)
    marks = _marks(found, user, now)
    said = search_snippet.hits(words, [case.pk for case in found], user) if words else {}
    return [
        Row(
            case=case,
            who=contacts.get(case.profile_id, _NOBODY)[0] or str(case.profile),
            sub=_sub(case),
            initials=case.profile.initials,
            colour=case.profile_id % 8,
            via=_via(case.last_inbound),
            snippet=_snippet_of_hit(case, said[case.pk])
            if case.pk in said
            else _snippet(case, hits[case.last_inbound_id or 0], closed),
            contact_kind=contacts.get(case.profile_id, _NOBODY)[1],
            topics=tuple(sorted({topic for _spans, topic in hits[case.last_inbound_id or 0]})),
            due=due_words(case.due_at, now),
            held=bool(marks["held", case.pk]),
            draft=bool(marks["draft", case.pk]),
            call_back=_call_back_words(marks["call back", case.pk], now),
            others=tuple(marks["present", case.pk]),
            mine=case.assignee_id == user.pk,
            thanks=len(marks["thanks", case.pk]),
            changed=min(marks["changed", case.pk], default=""),  # "deleted" before "edited"
        )
        for case in found
    ]


def due_words(due_at: datetime | None, now: datetime) -> tuple[str, str]:
    """Return a text such as “due in 1 h 49 min” or “12 min overdue”, and its urgency; see `Row`.

    A script in the browser updates the text as time passes.
    """
    if due_at is None:
        return "", ""
    seconds = (due_at - now).total_seconds()
    span = _span(abs(seconds))
    if seconds < 0:
        return _("%s overdue") % span, "late"
    return _("due in %s") % span, "soon" if seconds < 4 * 3600 else "far"


def _via(message: Interaction | None) -> str:
    return channel_icon(message.channel, message.kind) if message else channel_icon("", "")


def _span(seconds: float) -> str:
    """Return a time in its two largest units, for example "1 h 49 min" or "2 d 3 h"."""
    whole = int(seconds)
    for unit, size, smaller, part in _UNITS:
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


_UNITS = (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "", 60))


def reach_words(reach: int) -> str:
    """Format a number of followers or readers, for example 1600000 as “1.6 M”."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if reach >= size:
            return f"{reach / size:.1f}".removesuffix(".0") + f" {unit}"
    return str(reach)


def _with_last_message(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Load the columns that a row shows, and the start of the last message."""
    return (
        cases.annotate(
            restricted=F("last_inbound__conversation__restricted_to"),
            # Load only the start of each text: a page of long messages would be megabytes.
            heading=Left("last_inbound__title", 160),
            begins=Left("last_inbound__text", _LOOKED_AT),
        )
        .select_related(
            "profile__handle_was_of", "department", "assignee", "issue", "last_inbound", "continues"
        )
        .only(*(field.name for field in Case._meta.concrete_fields), *_SHOWN)
    )


def _unreadable(cases: Sequence[Any], user: User) -> set[int]:
    """Return the ids of those last messages that the user may not read."""
    restricted = {case.last_inbound_id for case in cases if case.restricted}
    if not restricted or user.sees_everything:
        return set()
    readable = Interaction.objects.readable_by(user).filter(pk__in=restricted)
    return restricted - set(readable.values_list("pk", flat=True))


def _call_back_words(planned: Sequence[str], now: datetime) -> str:
    """Return for example "call back 14:30"; with the date, if it is another day."""
    if not planned:
        return ""
    at = timezone.localtime(datetime.fromisoformat(planned[0]))
    same_day = at.date() == timezone.localdate(now)
    return _("call back %s") % at.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M")


def _snippet(case: Any, hits: Iterable[Hit], closed: set[int]) -> str:
    """Return an excerpt of the last message as safe HTML.

    If the user may not read the message, return a text that names the department instead.

    closed: ids of the messages that the user may not read.
    """
    if not case.last_inbound_id:
        return ""
    if case.last_inbound_id in closed:
        return str(_("A conversation of %s") % case.department)
    spans = [span for found, _topic in hits for span in found]
    if case.heading and not case.begins:
        return excerpt(case.heading, spans, field="title")
    return excerpt(case.begins, spans)


def _snippet_of_hit(case: Case, hit: search_snippet.Hit) -> str:
    """Return an excerpt of the message that a search found, with the words marked, as safe HTML."""
    text = excerpt(hit.text, hit.spans)
    if hit.interaction == case.last_inbound_id:
        return text
    who = _("We wrote:") if hit.is_ours else _("Earlier:")
    return format_html("{} {}", who, text)


def _sub(case: Case) -> str:
    profile = case.profile
    handle = profile.handle if profile.handle != profile.name else ""
    reach = _("%s followers") % reach_words(profile.reach) if profile.reach else ""
    return " · ".join(part for part in (handle, reach) if part)


def _hits(cases: Iterable[Case]) -> defaultdict[int, list[Hit]]:
    """Return a dict from the id of a case's last message to the topics that the message matched."""
    messages = [case.last_inbound_id for case in cases]
    hits: defaultdict[int, list[Hit]] = defaultdict(list)
    found = Match.objects.filter(interaction__in=messages)
    for pk, *hit in found.values_list("interaction", "spans", "revision__topic__name"):
        hits[pk].append((hit[0], hit[1]))
    return hits


def _contacts(cases: Sequence[Case]) -> dict[int, tuple[str, str]]:
    """Return a dict from profile id to the name and kind of the profile's contact.

    Profiles that are linked to no contact are left out.
    """
    kinds = dict(Contact.Kind.choices)
    links = ProfileLink.objects.filter(
        profile__in={case.profile_id for case in cases}, ended_at=None
    )
    found = links.values_list("profile", "contact__name", "contact__kind")
    return {profile: (name, str(kinds[kind])) for profile, name, kind in found}


def _marks(
    cases: Sequence[Case], user: User, now: datetime
) -> defaultdict[tuple[str, int], list[str]]:
    """Return a dict from (mark, case id) to a list of values.

    Mark "held": the list is not empty if a response to the case is held.
    Mark "draft": the list is not empty if the user has a draft for the case.
    Mark "call back": the list contains the time of the call-back, in ISO format.
    Mark "thanks": the list contains the id of each message of thanks that waits.
    Mark "changed": the list contains "edited" and "deleted" if that happened to the last message
    at its source.
    Mark "present": the list contains the names of the other users who have the case open.

    One SQL query loads the marks of all cases.
    """
    pks = [case.pk for case in cases]
    present = Presence.objects.fresh(now).filter(case__in=pks).exclude(user=user)
    names = Coalesce(NullIf("user__name", Value("")), "user__email", output_field=CharField())
    marked: Any = present.order_by().annotate(mark=Value("present"), value=names)
    calls: Any = CallBack.objects.filter(case__in=pks, closed_at=None)
    calls = calls.annotate(mark=Value("call back"), value=Cast("at", CharField()))
    thanks: Any = pending_thanks.pending(pks)
    thanks = thanks.annotate(mark=Value("thanks"), value=Cast("interaction", CharField()))
    changes: Any = Case.objects.filter(pk__in=pks, last_inbound__mention__changes__isnull=False)
    kind = F("last_inbound__mention__changes__kind")
    changes = changes.order_by().annotate(mark=Value("changed"), value=kind)
    rows = marked.values_list("mark", "case", "value").union(
        changes.values_list("mark", "pk", "value"),
        calls.values_list("mark", "case", "value"),
        thanks.values_list("mark", "case", "value"),
        *above.response_marks(pks, user),
    )
    marks: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for mark, case, value in rows:
        marks[mark, case].append(value)
    return marks
