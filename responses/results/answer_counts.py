"""What came of our words, summed: how many answers each drew, and what they amounted to."""

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
"""Before an outcome in an address: proposed, and judged by nobody yet."""

JUDGED = tuple(filter(None, Feedback.Outcome.values))
ASKED = frozenset({NOT_JUDGED, *JUDGED, *(f"{PROPOSED}{each}" for each in JUDGED)})
"""What an address may ask of answers; of responses it may ask for silence as well."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers by outcome, "" for those that nobody has judged, and what is proposed for these.

    hidden: those not to be read. silent: responses that drew no answer in their time.
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
        """Outcome, in words, how many: thanks first, what is not judged last."""
        words = dict(Feedback.Outcome.choices)
        found = [(each, str(words[each]), self.outcomes.get(each, 0)) for each in (*JUDGED, "")]
        return [(each or NOT_JUDGED, label, n) for each, label, n in found if n]

    @property
    def maybes(self) -> list[tuple[str, str, int]]:
        """The same, of what is proposed for those that nobody has judged."""
        words = dict(Feedback.Outcome.choices)
        found = [(each, str(words[each]), self.proposed.get(each, 0)) for each in JUDGED]
        return [(f"{PROPOSED}{each}", label, n) for each, label, n in found if n]

    def count(self, asked: str) -> int:
        """How many answers there are to what an address asked for; all, for anything else."""
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
    """The answers that an address asks for by one of `ASKED`."""
    if asked.startswith(PROPOSED):
        return Q(outcome="", proposed=asked.removeprefix(PROPOSED))
    return Q(outcome="" if asked == NOT_JUDGED else asked)


def silent(responses: ResponseQuerySet) -> ResponseQuerySet:
    """Those that drew no answer at all, some sending of which has waited its time."""
    return responses.filter(deliveries__silent_at__isnull=False, feedback=None).distinct()


def tallies(responses: Iterable[int], user: User) -> dict[int, Tally]:
    """Response id → its tally, for those that drew any answer, or none in time. Two statements."""
    asked = list(responses)
    readable = Interaction.objects.readable_by(user).filter(pk=OuterRef("interaction"))
    found = Feedback.objects.filter(response__in=asked).order_by()
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    maybes: defaultdict[int, Counter[str]] = defaultdict(Counter)
    hidden: Counter[int] = Counter()
    told = found.annotate(open=Exists(readable))
    rows = told.values_list("response", "outcome", "proposed", "open").annotate(n=Count("pk"))
    for response, outcome, proposed, is_open, n in rows:
        if not is_open:
            hidden[response] += n
            continue
        counts[response][outcome] += n
        if proposed and not outcome:
            maybes[response][proposed] += n
    quiet = set(silent(Response.objects.filter(pk__in=asked)).values_list("pk", flat=True))
    return {
        pk: Tally(counts[pk], maybes[pk], hidden[pk], int(pk in quiet))
        for pk in {*counts, *hidden, *quiet}
    }


def with_tallies(responses: Iterable[Response], user: User) -> list[Response]:
    """The same, each with its `tally`."""
    rows = list(responses)
    found = tallies([row.pk for row in rows], user)
    for row in rows:
        row.tally = found.get(row.pk, Tally())  # type: ignore[attr-defined]
    return rows
