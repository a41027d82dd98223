"""Load the data of the case page, for example the timeline and the reason for the department.

A party is a contact with all linked profiles, or a single profile that is linked to no contact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from crm.missing_files import ListedFile, missing_files
from crm.models import Conversation, Interaction, User
from crm.models.interaction import InteractionQuerySet
from listening.highlight import Passage, highlight, passages
from listening.models import Match, TopicRevision
from routing import above
from routing.bystander_stack import Stack, stack_of
from routing.forwarded_sender import has_forwarded_sender
from routing.merge_preview import undoable_events
from routing.models import Case, CaseClock, CaseEvent
from routing.party import party
from routing.shown_changes import ShownChange, shown_change, version_matches
from scrm.text.clean import plain

MAX_MESSAGES = 200
"""Maximum number of messages on a page; `?all=1` shows the older ones too."""

_HTML_READ = 20_000
"""Only so many characters of a message's HTML are compared with its text."""

_FOLD_WITHIN = timedelta(minutes=2)
"""Events of one user within this time share one line of the timeline."""

Kind = CaseEvent.Kind
_ALONE = frozenset({Kind.NOTED, Kind.MERGED, Kind.SPLIT})
_NOT_SHOWN = (Kind.HEARD, Kind.BYSTANDER, Kind.OPENED, Kind.LEFT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline: one interaction, or one or more case events.

    title, passages: title and text of the interaction as safe HTML, in which the words that matched
      a topic are highlighted.
    event: the case event; None if the line shows an interaction.
    can_undo: whether `event` can be undone, such as a merge.
    also: further events of the same user, each less than `_FOLD_WITHIN` after `event`.
    changes: the edits and deletions of the interaction at its network, oldest first.
    unrecorded_changes: how many more edits were only counted, because there were too many.
    readable: whether the user may read the interaction.
    has_quotation: whether the whole message has more words than the text, which is without quotes.
    has_forwarded_sender: whether a colleague forwarded a mail whose sender can become the customer.
    missing_files: the files of a large mail that were not fetched with it.
    stack: the replies of bystanders, if the line shows them.
    moderation: the panel with the moderation actions of the interaction, or None; see
      `routing.above.moderation`.
    """

    at: datetime
    interaction: Interaction | None = None
    event: CaseEvent | None = None
    also: tuple[CaseEvent, ...] = ()
    title: str = ""
    passages: Sequence[Passage] = ()
    topics: tuple[str, ...] = ()
    changes: tuple[ShownChange, ...] = ()
    unrecorded_changes: int = 0
    readable: bool = True
    has_quotation: bool = False
    has_forwarded_sender: bool = False
    missing_files: Sequence[ListedFile] = ()
    moderation: object | None = None
    stack: Stack | None = None
    can_undo: bool = False

    @property
    def colour(self) -> int:
        """Return the colour number of the avatar, from 0 to 7.

        The number is computed from the profile's id: a profile has the same colour on every page.
        """
        return (self.interaction.profile_id or 0) % 8 if self.interaction else 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The timeline of a case.

    entries: the lines of the timeline, sorted by time, the oldest first.
    older: the number of older interactions that are left out.
    """

    entries: list[Entry]
    older: int

    @property
    def can_split(self) -> bool:
        """Return whether there is more than one message of the person, so that one can leave."""
        said = [entry.interaction for entry in self.entries if entry.interaction]
        return sum(not row.is_ours for row in said) > 1

    @property
    def has_public_thread(self) -> bool:
        """Return whether one of the interactions belongs to a public thread."""
        said = (entry.interaction for entry in self.entries)
        return any(
            row and row.visibility == "public" and row.conversation.thread_key for row in said
        )


@dataclass(frozen=True, slots=True)
class Why:
    """The reason why the case is in its department.

    event: the case event of kind `ROUTED`.
    why_not: for each rule that did not decide, its name and the reason why it did not.
    topics: the topic revisions that matched the interaction of `event`.
    """

    event: CaseEvent
    why_not: list[tuple[str, str]]
    topics: list[TopicRevision]


def timeline(case: Case, user: User, *, everything: bool = False) -> Timeline:
    """Return the interactions and the events of a case, oldest first.

    If `everything` is false, only the newest `MAX_MESSAGES` interactions are returned. If older
    interactions are therefore left out, events before the first returned interaction are left out
    too. A note of a restricted department is returned only to its author, to members of the
    department, and to users who see all departments.
    """
    messages = (
        interactions_of(case)
        .with_later()
        .select_related("profile", "staff", "account", "conversation")
    )
    messages = messages.prefetch_related("attachments", "mention__changes").annotate(
        came_back=above.bounced()
    )
    latest = list(messages.order_by("-sort_at", "-pk")[: None if everything else MAX_MESSAGES])
    older = 0 if everything or len(latest) < MAX_MESSAGES else messages.count() - len(latest)
    readable = _readable(latest, user)
    matches = _matches(latest)
    of_versions = version_matches([row.pk for row in latest])
    panels = above.moderation(case, user, [row for row in latest if row.pk in readable])
    entries = [
        replace(
            _entry(row, matches[row.pk], of_versions[row.pk], row.pk in readable),
            moderation=panels.get(row.pk),
            has_forwarded_sender=row.pk in readable and has_forwarded_sender(row, case),
            missing_files=missing_files(row, row.attachments.all()) if row.pk in readable else (),
        )
        for row in latest
    ]
    events = events_of(case).exclude(kind__in=_NOT_SHOWN).select_related("by", "revision__rule")
    # A note of a restricted department may quote text that the user may not read.
    if case.department.is_restricted and not _works_there(case, user):
        events = events.exclude(~Q(by=user), kind=Kind.NOTED)
    # Leave out events older than the oldest message shown: they belong to messages not shown.
    since = min((entry.at for entry in entries), default=None) if older else None
    # “Merged into this case” says the same as the event of the case that was merged.
    events = events.exclude(~Q(case=case), kind=Kind.MERGED, data={})
    shown = [event for event in events if since is None or event.at >= since]
    undoable = undoable_events(shown)
    entries += [Entry(event.at, event=event, can_undo=event.pk in undoable) for event in shown]
    if stack := stack_of(case, user):
        entries.append(Entry(at=stack.at, stack=stack))
    return Timeline(_folded(sorted(entries, key=lambda entry: entry.at)), older)


def events_of(case: Case) -> QuerySet[CaseEvent]:
    """Return the events of the case and of the cases that were merged into it."""
    cases = Case.objects.filter(Q(pk=case.pk) | Q(merged_into=case))
    return CaseEvent.objects.filter(case__in=cases.values("pk"))


def _folded(entries: list[Entry]) -> list[Entry]:
    """Combine consecutive events of the same user into one entry.

    An event is added to the entry before it if `_may_fold` allows it.
    """
    lines: list[Entry] = []
    for entry in entries:
        last = lines[-1] if lines else None
        if last and _may_fold(last, entry):
            events = (*last.also, entry.event)
            lines[-1] = replace(last, also=tuple(event for event in events if event))
        else:
            lines.append(entry)
    return lines


def _may_fold(one: Entry, other: Entry) -> bool:
    """Return whether the event of `other` may be added to the entry `one`.

    Both must be events of the same user, and `other` must be less than `_FOLD_WITHIN` later.
    Notes, merges and splits are never combined: each of them has an entry of its own. The same is
    true for an event that can be undone.
    """
    first, second = one.event, other.event
    if first is None or second is None or not _ALONE.isdisjoint({first.kind, second.kind}):
        return False
    if one.can_undo or other.can_undo:
        return False
    return first.by_id == second.by_id and other.at - one.at < _FOLD_WITHIN


def interactions_of(case: Case) -> InteractionQuerySet:
    """Return the case's interactions: its conversations, and our posts about the case or its issue.

    A conversation may have moved to another case. Then only its interactions that were recorded
    before the move are included.
    """
    links = case.conversation_links.all()
    here = links.filter(ended_at=None).values("conversation")
    before = links.filter(ended_at__isnull=False, took_along=False)
    parts = [
        Interaction.objects.filter(
            conversation__case_links__in=before,
            recorded_at__lt=F("conversation__case_links__ended_at"),
        ),
        *above.posts_about(case),
    ]
    # Use UNION instead of OR: with OR, PostgreSQL would read every interaction ever recorded.
    own = Interaction.objects.filter(conversation__in=here).values("pk")
    rows = Interaction.objects.filter(pk__in=own.union(*(part.values("pk") for part in parts)))
    # The versions of an edited message are shown at the message; see `Entry.changes`.
    return rows.filter(Q(direction="out") | Q(revises=None))


def _works_there(case: Case, user: User) -> bool:
    return user.sees_everything or case.department.memberships.filter(user=user).exists()


def _entry(
    interaction: Interaction, matches: list[Match], of_versions: list[Match], readable: bool
) -> Entry:
    # Topics of a message that the user may not read would reveal what it says.
    hits = [] if interaction.is_ours or not readable else matches
    spans = [span for match in hits for span in match.spans]
    # Only an interaction that has a mention can have changes.
    mention = getattr(interaction, "mention", None)
    return Entry(
        at=interaction.sort_at,
        interaction=interaction,
        title=highlight(interaction.title, spans, field="title"),
        passages=passages(interaction.text, spans, interaction.mail.folded),
        changes=tuple(shown_change(change, of_versions) for change in mention.changes.all())
        if mention and readable
        else (),
        unrecorded_changes=mention.unrecorded_changes if mention and readable else 0,
        topics=tuple(sorted(match.revision.topic.name for match in hits)),
        readable=readable,
        has_quotation=readable and _has_quotation(interaction),
    )


def _has_quotation(interaction: Interaction) -> bool:
    """Return whether the HTML, of which only the start is read, has more words than the text."""
    if interaction.is_ours or not interaction.html:
        return False
    whole = f"{interaction.title} {interaction.text}".split()
    return len(plain(interaction.html[:_HTML_READ]).split()) > len(whole)


def _readable(interactions: Sequence[Interaction], user: User) -> set[int]:
    """Return the ids of the interactions that the user may read.

    The database is queried only if one of the interactions belongs to a restricted conversation
    and the user does not see all departments.
    """
    keys = {message.pk for message in interactions}
    closed = [message.pk for message in interactions if message.conversation.restricted_to_id]
    if not closed or user.sees_everything:
        return keys
    readable = Interaction.objects.readable_by(user).filter(pk__in=closed)
    return keys.difference(closed).union(readable.values_list("pk", flat=True))


def _matches(interactions: Iterable[Interaction]) -> defaultdict[int, list[Match]]:
    by_interaction: defaultdict[int, list[Match]] = defaultdict(list)
    found = Match.objects.filter(interaction__in=[message.pk for message in interactions])
    for match in found.select_related("revision__topic"):
        by_interaction[match.interaction_id or 0].append(match)
    return by_interaction


def why(case: Case, user: User) -> Why | None:
    """Return why the case is in its department, and why the other rules did not decide.

    Returns None if the rules never routed the case. Also returns None if the user may not read
    the routed interaction, because the reasons could quote its text.
    """
    routed = case.events.filter(kind=Kind.ROUTED).select_related(
        "revision__rule", "interaction__conversation"
    )
    event = routed.order_by("pk").last()
    if event is None or event.interaction is None or not _readable([event.interaction], user):
        return None
    pairs = [(name, reason) for name, reason in event.data.get("why_not", [])]
    return Why(event=event, why_not=pairs, topics=_topics_of(event))


def _topics_of(event: CaseEvent) -> list[TopicRevision]:
    """Return the topic revisions that are stored in the facts of a routing event.

    If the event has no facts, return the revisions that matched the event's interaction.
    """
    revisions = TopicRevision.objects.select_related("topic").order_by("topic__name")
    if event.facts:
        stored = [topic["revision"] for topic in event.facts["topics"]]
        return list(revisions.filter(pk__in=stored))
    return list(revisions.filter(matches__interaction=event.interaction_id))


def due_clock(case: Case) -> CaseClock | None:
    """Return the clock that says when the case is due; None if the case has no due time."""
    if case.due_at is None:
        return None
    return case.clocks.current().filter(due_at=case.due_at).order_by("pk").first()


def public_thread(case: Case, user: User) -> InteractionQuerySet:
    """Return the interactions of the case's public threads that the user may read, oldest first.

    Other people can write in the same thread. Their conversations are included.
    """
    roots = case.conversations.filter(visibility="public").exclude(thread_key="")
    threads = Q(pk__in=[])
    for network, root in roots.values_list("network", "thread_key").distinct():
        threads |= Q(network=network, thread_key=root)
    conversations = Conversation.objects.filter(threads, visibility="public")
    readable = Interaction.objects.readable_by(user)
    rows = readable.filter(Q(direction="out") | Q(revises=None))
    return rows.filter(conversation__in=conversations.values("pk")).order_by("sort_at", "pk")


def other_cases(case: Case, user: User) -> list[Case]:
    """Return the ten newest other cases of the same party.

    Each case gets an attribute `open_to_user`, which says whether the user may see the case.
    """
    others = Case.objects.unmerged().filter(profile__in=party(case)).exclude(pk=case.pk)
    rows = list(others.select_related("department").order_by("-opened_at")[:10])
    visible = Case.objects.visible_to(user).filter(pk__in=[row.pk for row in rows])
    open_to_user = set(visible.values_list("pk", flat=True))
    for row in rows:
        row.open_to_user = row.pk in open_to_user  # type: ignore[attr-defined]
    return rows
