"""The SQL of intake: load the cases that arrivals may belong to, and write the changed cases.

The number of SQL statements does not depend on the number of arrivals.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from django.db import connection
from django.db.models import Q

import routing.above
from crm.models import Conversation, Department, Interaction, Membership, User
from listening.models import Match
from routing.arrival import Arrival, Party, parties_of
from routing.models import (
    BystanderReply,
    Case,
    CaseConversation,
    CaseEvent,
    RoutingRule,
)
from routing.models.case_conversation import restrict
from routing.models.status import LIVING, Status
from routing.rules import Router
from routing.unanswered import oldest_unanswered
from scrm.channels.network_facts import SLOW_JOINS

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Above:
    """The message that an arrival answers.

    is_ours: whether we wrote it.
    conversation: the id of its conversation.
    case: the case of this conversation, or below which the message was written; None if none.
    """

    is_ours: bool
    conversation: int
    case: Case | None


def lock_cases(
    arrivals: Sequence[Arrival],
    parties: Mapping[int, Party],
    answered: Iterable[Above],
    now: datetime,
) -> dict[int, Case]:
    """Lock every case that an arrival may belong to, and return a dict from case id to case."""
    # Only its own party moves a case: replies of bystanders must not lock it.
    below = [row.case.pk for row in answered if row.case and row.case.profile_id in parties]
    conversations = [arrival.conversation for arrival in arrivals]
    current = CaseConversation.objects.filter(conversation__in=conversations, ended_at=None)
    named = [arrival.case for arrival in arrivals if arrival.case]
    earliest = min((arrival.said_at for arrival in arrivals), default=now)
    # A date that was typed may be in the year 1, before which there is no time.
    since = min(max(earliest, _FIRST), now) - SLOW_JOINS
    lately = Q(last_inbound_at__gte=since) | ~Q(status=Status.WAITING)
    recent = Q(profile__in=list(parties), status__in=LIVING) & lately
    wanted = Q(pk__in=current.values("case")) | Q(pk__in=[*named, *below]) | recent
    wanted |= Q(pk__in=Case.objects.filter(pk__in=named).values("merged_into"))
    found = [case.pk for case in Case.objects.filter(wanted).lock()]
    # Join in a second query: a locking query with joins leaves out cases transferred meanwhile.
    cases = Case.objects.filter(pk__in=found).select_related("profile", "department")
    return {case.pk: case for case in cases.order_by("pk")}


def above(arrivals: Sequence[Arrival]) -> dict[int, Above]:
    """Return {interaction id: the public message that it answers}, for public answers only."""
    public = [row.message for row in arrivals if row.facts.visibility == "public"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT said.id, answered.direction, answered.conversation_id "
            "FROM crm_interaction said JOIN crm_interaction answered "
            "ON answered.scope = said.scope AND answered.key = said.in_reply_to "
            "WHERE said.id = ANY(%s) AND said.in_reply_to <> '' "
            "AND answered.visibility = 'public'",
            [public],
        )
        rows = cursor.fetchall()
    cases = _cases_of({conversation for _said, _direction, conversation in rows})
    return {
        said: Above(direction == Interaction.Direction.OUT, conversation, cases.get(conversation))
        for said, direction, conversation in rows
    }


def _cases_of(conversations: set[int]) -> dict[int, Case]:
    """Return {conversation id: its case, or the case below which its items were written}."""
    replies = BystanderReply.objects.filter(interaction__conversation__in=conversations)
    below = dict(replies.order_by("pk").values_list("interaction__conversation", "case"))
    links = CaseConversation.objects.filter(conversation__in=conversations, ended_at=None)
    found = below | dict(links.values_list("conversation", "case"))
    cases = Case.objects.select_related("profile", "department").in_bulk(found.values())
    return {conversation: cases[case] for conversation, case in found.items()}


def starters(conversations: Iterable[int]) -> dict[int, int | None]:
    """Return {conversation id: id of the profile that wrote first in it}."""
    first = Interaction.objects.filter(
        conversation__in=list(conversations), direction="in", revises=None
    )
    first = first.order_by("conversation", "pk").distinct("conversation")
    return dict(first.values_list("conversation", "profile"))


def topics_of(cases: Iterable[Case]) -> defaultdict[int, set[int]]:
    """Return {case id: ids of the topics that matched its items}, without brand topics."""
    links = CaseConversation.objects.filter(case__in=[case.pk for case in cases], ended_at=None)
    hits = Match.objects.filter(
        interaction__conversation__case_links__in=links, revision__topic__is_brand=False
    )
    topics: defaultdict[int, set[int]] = defaultdict(set)
    pairs = hits.values_list("interaction__conversation__case_links__case", "revision__topic")
    for case, topic in pairs.distinct():
        topics[case].add(topic)
    return topics


def last_handlers(parties: Mapping[int, Party]) -> dict[int, int]:
    """Return {profile id: assignee of the party's newest case that has an active assignee}."""
    handled = (
        Case.objects.filter(profile__in=list(parties), assignee__is_active=True)
        .order_by("pk")
        .values_list("profile_id", "assignee_id")
    )
    by_party = {parties[profile]: assignee for profile, assignee in handled}
    return {profile: by_party[party] for profile, party in parties.items() if party in by_party}


def transferred_by_users(cases: Iterable[int]) -> set[int]:
    """Return the ids of those cases whose department a user chose."""
    moved = CaseEvent.objects.filter(
        case__in=list(cases), kind=CaseEvent.Kind.TRANSFERRED, by__isnull=False
    )
    return set(moved.values_list("case", flat=True))


def update_cases(cases: Iterable[Case]) -> None:
    """Write all columns of these cases that routing can change, with one SQL statement."""
    rows = sorted(cases, key=lambda case: case.pk)
    columns = (
        "status", "issue_id", "last_inbound_id", "last_inbound_at", "done_at",
        "snoozed_until", "assignee_id", "department_id", "priority",
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE routing_case SET status = heard.status, issue_id = heard.issue_id, "
            "last_inbound_id = heard.last_inbound_id, last_inbound_at = heard.last_inbound_at, "
            "done_at = heard.done_at, snoozed_until = heard.snoozed_until, "
            "assignee_id = heard.assignee_id, department_id = heard.department_id, "
            "priority = heard.priority, "
            "tags = ARRAY(SELECT jsonb_array_elements_text(heard.tags::jsonb)) "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], "
            "%s::timestamptz[], %s::timestamptz[], %s::timestamptz[], "
            "%s::bigint[], %s::bigint[], %s::text[]) "
            "AS heard (id, tags, status, issue_id, last_inbound_id, last_inbound_at, "
            "done_at, snoozed_until, assignee_id, department_id, priority) "
            "WHERE routing_case.id = heard.id",
            [
                [case.pk for case in rows],
                [json.dumps(list(case.tags)) for case in rows],
                *([getattr(case, name) for case in rows] for name in columns),
            ],
        )


def restrict_texts(
    links: Iterable[CaseConversation], left: Iterable[Case], departments: Mapping[int, Department]
) -> None:
    """Restrict newly linked conversations of restricted departments. Lift no restriction.

    left: the cases that a rule moved out of a department.
    """
    linked = {link.conversation_id: link.case.department_id for link in links}
    restricted = [pk for pk, to in linked.items() if departments[to].is_restricted]
    wanted = Q(pk__in=restricted) | Q(restricted_to__isnull=False, pk__in=linked)
    moved = [case.pk for case in left]
    of_moved = CaseConversation.objects.filter(case__in=moved, ended_at=None)
    wanted |= Q(pk__in=of_moved.values("conversation"))
    restrict(Conversation.objects.filter(wanted), may_open=False)


@dataclass
class Loaded:
    """What routing must know before it can decide on a batch of arrivals.

    cases: {case id: case}, for every case that an arrival may belong to; they are locked.
    by_party: {party: its living cases among `cases`}.
    starters: {conversation id: id of the profile that wrote first}, for public conversations.
    unanswered: the ids of those of `cases` that have an unanswered item.
    being_answered: the ids of those of `cases` for which a user has an unsent text.
    topics: {id() of a case: ids of its topics, without brand topics}.
    """

    now: datetime
    router: Router
    departments: dict[int, Department]
    parties: dict[int, Party]
    by_conversation: dict[int, Case]
    by_party: dict[Party, list[Case]]
    cases: dict[int, Case]
    last_handler: dict[int, int]
    workers: set[tuple[int, int]]
    everywhere: set[int]
    above: dict[int, Above]
    starters: dict[int, int | None]
    unanswered: set[int]
    transferred_by_users: set[int]
    being_answered: set[int]
    topics: dict[int, set[int]]

    @classmethod
    def open(cls, arrivals: Sequence[Arrival], now: datetime) -> Self:
        """Lock the cases that the arrivals may belong to, and load all data that routing needs."""
        parties = parties_of(arrivals)
        answered = above(arrivals)
        # Lock first: an agent must not close or transfer a case between the reads and write().
        cases = lock_cases(arrivals, parties, answered.values(), now)
        conversations = [arrival.conversation for arrival in arrivals]
        current = CaseConversation.objects.filter(conversation__in=conversations, ended_at=None)
        by_party: dict[Party, list[Case]] = defaultdict(list)
        for case in cases.values():
            if case.status in LIVING:
                by_party[parties.get(case.profile_id, ("profile", case.profile_id))].append(case)
        departments = {department.pk: department for department in Department.objects.all()}
        fallback = next(pk for pk, row in departments.items() if row.is_fallback)
        topics = topics_of(cases.values())
        return cls(
            now=now,
            router=Router(RoutingRule.objects.in_force(), fallback),
            departments=departments,
            parties=parties,
            by_conversation={
                link.conversation_id: cases[link.case_id]
                for link in current
                if link.case_id in cases
            },
            by_party=by_party,
            cases=cases,
            last_handler=last_handlers(parties),
            workers=set(Membership.objects.working().values_list("department_id", "user_id")),
            everywhere=set(User.objects.seeing_everything().values_list("pk", flat=True)),
            above=answered,
            starters=starters(
                row.conversation for row in arrivals if row.facts.visibility == "public"
            ),
            unanswered=set(oldest_unanswered(cases)),
            transferred_by_users=transferred_by_users(cases),
            being_answered=routing.above.being_answered(cases),
            topics={id(case): topics[pk] for pk, case in cases.items()},
        )
