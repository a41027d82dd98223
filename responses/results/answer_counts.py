"""Count the answers to responses, by outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef, Q

from crm.models import Interaction, User
from responses.models import Feedback, Response
from responses.models.response import ResponseQuerySet

NOT_JUDGED = "none"
SILENT = "silent"
PROPOSED = "maybe-"
"""Prefix of an outcome in a URL that is proposed and that no user has judged yet."""

JUDGED = tuple(filter(None, Feedback.Outcome.values))
ASKED = frozenset({NOT_JUDGED, *JUDGED, *(f"{PROPOSED}{outcome}" for outcome in JUDGED)})
"""Values by which a URL may filter answers; responses can also be filtered by `SILENT`."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The numbers of answers to one response, or to several responses together.

    `outcomes` maps each outcome to a number of answers; the key "" is for answers without an
    outcome. `proposed` counts the answers without an outcome by their proposed outcomes. `hidden`
    is the number of answers that the user may not read. `silent` is the number of responses that
    were not answered in time.
    """

    outcomes: Mapping[str, int] = field(default_factory=dict)
    proposed: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0
    silent: int = 0

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """A list of (outcome, label, number), with one entry for each outcome that occurs.

        “Thanks” comes first. Answers without an outcome come last.
        """
        labels = dict(Feedback.Outcome.choices)
        counts = [(outcome, self.outcomes.get(outcome, 0)) for outcome in (*JUDGED, "")]
        return [(outcome or NOT_JUDGED, str(labels[outcome]), n) for outcome, n in counts if n]

    @property
    def maybes(self) -> list[tuple[str, str, int]]:
        """A list of (outcome, label, number) for proposed outcomes of answers without an outcome.

        Each outcome has the prefix PROPOSED.
        """
        labels = dict(Feedback.Outcome.choices)
        counts = [(outcome, self.proposed.get(outcome, 0)) for outcome in JUDGED]
        return [(f"{PROPOSED}{outcome}", str(labels[outcome]), n) for outcome, n in counts if n]

    def count(self, asked: str) -> int:
        """Return the number of answers with the outcome `asked`, one of `ASKED`."""
        if asked.startswith(PROPOSED):
            return self.proposed.get(asked.removeprefix(PROPOSED), 0)
        return self.outcomes.get("" if asked == NOT_JUDGED else asked, 0)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            Counter(self.outcomes) + Counter(other.outcomes),
            Counter(self.proposed) + Counter(other.proposed),
            self.hidden + other.hidden,
            self.silent + other.silent,
        )


def outcome_is(asked: str) -> Q:
    """Return a condition for the answers with the outcome `asked`, one of `ASKED`."""
    if asked.startswith(PROPOSED):
        return Q(outcome="", proposed=asked.removeprefix(PROPOSED))
    return Q(outcome="" if asked == NOT_JUDGED else asked)


def silent(responses: ResponseQuerySet) -> ResponseQuerySet:
    """Return the responses that were not answered in time and have no answer now.

    At least one of their deliveries is marked as unanswered.
    """
    return responses.filter(deliveries__silent_at__isnull=False, feedback=None).distinct()


def tallies(responses: Iterable[int], user: User) -> dict[int, Tally]:
    """Return response id → tally. This takes two queries.

    Responses that have no answer and are not marked as unanswered are left out.
    """
    keys = list(responses)
    readable = Interaction.objects.readable_by(user).filter(pk=OuterRef("interaction"))
    answers = Feedback.objects.filter(response__in=keys).order_by()
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    maybes: defaultdict[int, Counter[str]] = defaultdict(Counter)
    hidden: Counter[int] = Counter()
    marked = answers.annotate(open=Exists(readable))
    rows = marked.values_list("response", "outcome", "proposed", "open").annotate(n=Count("pk"))
    for response, outcome, proposed, is_open, n in rows:
        # If the user may not read an answer, its outcome is not shown either.
        if not is_open:
            hidden[response] += n
            continue
        counts[response][outcome] += n
        if proposed and not outcome:
            maybes[response][proposed] += n
    unanswered = set(silent(Response.objects.filter(pk__in=keys)).values_list("pk", flat=True))
    return {
        pk: Tally(counts[pk], maybes[pk], hidden[pk], int(pk in unanswered))
        for pk in {*counts, *hidden, *unanswered}
    }


def with_tallies(responses: Iterable[Response], user: User) -> list[Response]:
    """Return the same responses, with their tallies in the attribute `tally`."""
    rows = list(responses)
    found = tallies([row.pk for row in rows], user)
    for row in rows:
        row.tally = found.get(row.pk, Tally())  # type: ignore[attr-defined]
    return rows
