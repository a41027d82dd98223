"""Trace a response back to the mentions that led to it, and forward to its feedback."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from crm.models import Interaction, User
from listening.models import Fetch, Match, Mention, Sighting, Source
from responses.models import Approval, Delivery, Feedback, Response
from routing.models import Case, CaseConversation, CaseEvent, Decision, Issue, RuleRevision

MAX_MENTIONS = 100
"""Maximum number of mentions in a trace: only the first are shown if an issue has hundreds."""
MAX_ECHOES = 100
"""Maximum number of answers in a trace: only the newest are shown if a post has hundreds."""


@dataclass(frozen=True, slots=True)
class Echo:
    """An answer to a response, with the case to which the answer belongs now."""

    feedback: Feedback
    case: Case | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that the page of a trace shows.

    `cases` contains the response's own case, or the cases of its issue. `routed` is the event that
    put the response's own case into a department. `rule_revision` is the revision of the routing
    rule that was used. Both are None if the response has no case of its own. `mentions` have the
    text as it was found. `matches` are loaded with their topic revisions and topics.
    """

    response: Response
    decision: Decision
    approvals: Sequence[Approval]
    deliveries: Sequence[Delivery]
    feedback: Sequence[Echo]
    case: Case | None
    issue: Issue | None
    cases: Sequence[Case]
    routed: CaseEvent | None
    rule_revision: RuleRevision | None
    mentions: Sequence[Mention]
    matches: Sequence[Match]
    fetches: Sequence[Fetch]
    sources: Sequence[Source]

    @property
    def found(self) -> list[tuple[Mention, list[Match]]]:
        """Each mention, together with its matches."""
        hits: dict[int, list[Match]] = defaultdict(list)
        for match in self.matches:
            hits[match.mention_id or 0].append(match)
        return [(mention, hits[mention.pk]) for mention in self.mentions]


def trace(response: Response, *, by: User | None = None) -> Trace:
    """Load the trace of a response, without the rows that `by` may not see.

    If `by` is None, all rows are loaded. This takes at most twelve queries.
    """
    cases = _cases(response, by)
    case = next((row for row in cases if row.pk == response.case_id), None)
    routed = _routed(case) if case else None
    mentions = _mentions(cases, by)
    sightings = list(
        Sighting.objects.filter(mention__in=mentions)
        .select_related("source", "fetch__source")
        .order_by("pk")
    )
    return Trace(
        response=response,
        decision=response.decision,
        approvals=list(response.approvals.select_related("by").order_by("pk")),
        deliveries=list(
            response.deliveries.select_related("account", "profile", "interaction").order_by("pk")
        ),
        feedback=echoes(response.feedback.all(), by),
        case=case,
        issue=response.issue,
        cases=cases,
        routed=routed,
        rule_revision=routed.revision if routed else None,
        mentions=mentions,
        matches=list(
            Match.objects.filter(mention__in=mentions)
            .select_related("revision__topic", "mention")
            .order_by("pk")
        ),
        fetches=list({sighting.fetch_id: sighting.fetch for sighting in sightings}.values()),
        sources=list({sighting.source_id: sighting.source for sighting in sightings}.values()),
    )


def _cases(response: Response, by: User | None) -> list[Case]:
    # A trace must not show cases of departments to which the user has no access.
    cases = Case.objects.visible_to(by) if by else Case.objects.all()
    if response.case_id:
        cases = cases.filter(pk=response.case_id)
    else:
        cases = cases.filter(issue=response.issue)
    return list(cases.select_related("profile", "department").order_by("pk"))


def _routed(case: Case) -> CaseEvent | None:
    routed = case.events.filter(kind=CaseEvent.Kind.ROUTED).order_by("pk")
    return routed.select_related("revision__rule", "revision__department").first()


def _mentions(cases: Sequence[Case], by: User | None) -> list[Mention]:
    links = CaseConversation.objects.filter(case__in=cases)
    messages = Interaction.objects.readable_by(by) if by else Interaction.objects.all()
    messages = messages.filter(
        conversation__in=links.values("conversation"), direction="in", revises=None
    )
    mentions = Mention.objects.filter(interaction__in=messages.values("pk"))
    return list(mentions.select_related("fetch__source").order_by("sort_at", "pk")[:MAX_MENTIONS])


def echoes(answers: QuerySet[Feedback], by: User | None, *, most: int = MAX_ECHOES) -> list[Echo]:
    """Return the newest of these answers that `by` may read, with their cases.

    If `by` is None, all answers and cases are included. This takes two queries.
    """
    readable = Interaction.objects.readable_by(by) if by else Interaction.objects.all()
    rows = list(
        answers.filter(interaction__in=readable.values("pk"))
        .select_related("interaction__profile", "judged_by", "response__case")
        .order_by("-pk")[:most]
    )
    visible = Case.objects.visible_to(by) if by else Case.objects.all()
    links = CaseConversation.objects.filter(
        Q(ended_at=None),
        conversation__in=[row.interaction.conversation_id for row in rows],
        case__in=visible.values("pk"),
    ).select_related("case__profile", "case__department")
    cases = {link.conversation_id: link.case for link in links}
    return [Echo(row, cases.get(row.interaction.conversation_id)) for row in rows]
