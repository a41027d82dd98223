"""What came of our words, summed: how many answers each drew, and what they amounted to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef

from crm.models import Interaction, User
from responses.models import Feedback, Response


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers by outcome, "" for those that nobody has judged; hidden: those not to be read."""

    outcomes: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """Outcome, in words, how many: thanks first, what is not judged last."""
        order = [*filter(None, Feedback.Outcome.values), ""]
        words = dict(Feedback.Outcome.choices)
        return [(each, str(words[each]), n) for each in order if (n := self.outcomes.get(each))]

    def __add__(self, other: Tally) -> Tally:
        both = Counter(self.outcomes)
        both.update(other.outcomes)
        return Tally(both, self.hidden + other.hidden)


def tallies(responses: Iterable[int], user: User) -> dict[int, Tally]:
    """Response id → its tally, for those that drew any answer. One statement."""
    readable = Interaction.objects.readable_by(user).filter(pk=OuterRef("interaction"))
    found = Feedback.objects.filter(response__in=list(responses)).order_by()
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    hidden: Counter[int] = Counter()
    rows = found.annotate(open=Exists(readable)).values_list("response", "outcome", "open")
    for response, outcome, is_open, n in rows.annotate(n=Count("pk")):
        if is_open:
            counts[response][outcome] += n
        else:
            hidden[response] += n
    return {pk: Tally(counts[pk], hidden[pk]) for pk in {*counts, *hidden}}


def with_tallies(responses: Iterable[Response], user: User) -> list[Response]:
    """The same, each with its `tally`."""
    rows = list(responses)
    found = tallies([row.pk for row in rows], user)
    for row in rows:
        row.tally = found.get(row.pk, Tally())  # type: ignore[attr-defined]
    return rows
