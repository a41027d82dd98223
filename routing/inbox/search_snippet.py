"""Find the message that a search found in a case, and the places of the words in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models.functions import Left

from crm.models import Interaction, User
from crm.search import prefix_query
from routing.models import CaseConversation
from scrm.text.fold import UNBROKEN
from scrm.text.search import RUN, search_form, search_origins

MAX_READ = 2_000
"""At most this many messages of the cases on a page are searched, the newest first."""
MAX_CHARACTERS = 20_000
"""The maximum number of characters of a message that are loaded."""
PASSAGE = 80
"""The number of characters of an excerpt that a row shows in any case."""
MAX_HITS = 50
MAX_TYPED = 2_000
"""The number of typed characters that are looked for in the messages."""
_PIECE = re.compile(rf"[{UNBROKEN}]+|[^\W{UNBROKEN}]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """The newest message of a case that contains the words.

    text: the start of the message. spans: the places of the words, as in `Match.spans`.
    """

    interaction: int
    is_ours: bool
    text: str
    spans: list[list[str | int]]


def hits(words: str, cases: Iterable[int], user: User) -> dict[int, Hit]:
    """Return a dict from case id to the message that contains the words, with two SQL statements.

    Cases that were found by a name or a number are left out, and so are messages that the user may
    not read.
    """
    query = prefix_query(words)
    if query is None:
        return {}
    links = CaseConversation.objects.filter(case__in=list(cases), ended_at=None)
    case_of = dict(links.values_list("conversation", "case"))
    # The inner query is limited: PostgreSQL reads the messages of these cases only, and never all
    # messages that contain a common word.
    newest = Interaction.objects.filter(conversation__in=list(case_of)).order_by("-pk")
    found = Interaction.objects.readable_by(user).filter(
        words=query, pk__in=newest.values("pk")[:MAX_READ]
    )
    by_case: dict[int, Hit] = {}
    rows = found.order_by("-pk").annotate(begins=Left("text", MAX_CHARACTERS))
    for row in rows.values("pk", "conversation", "direction", "title", "begins"):
        case = case_of[row["conversation"]]
        text = " · ".join(part for part in (row["title"], row["begins"]) if part)
        if case not in by_case and (spans := places(text, words)):
            is_ours = row["direction"] == Interaction.Direction.OUT
            by_case[case] = Hit(row["pk"], is_ours, text, spans)
    return by_case


def places(text: str, words: str) -> list[list[str | int]]:
    """Return the places of the words that begin with the typed ones, as in `Match.spans`.

    The places before the passage that has the most of the words are left out, because an excerpt
    begins at the first place.
    """
    where = search_origins(text)
    pieces = set(_PIECE.findall(search_form(words[:MAX_TYPED])))
    found = [
        (where[start][0], where[end - 1][1], begun)
        for hit in _PIECE.finditer(search_form(text))
        for start, end, begun in _hits_in(hit, pieces)
    ]
    if not found:
        return []
    found.sort(key=lambda hit: hit[:2])
    best = max(range(len(found)), key=lambda first: (_distinct(found, first), -first))
    return [["text", start, end] for start, end, _begun in found[best:]]


def _hits_in(word: re.Match[str], pieces: set[str]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield (start, end, pieces) of the hits in a word, or in a run of a script without spaces.

    A word is a hit if it begins with a piece. In a run, pieces are hits wherever they are.
    """
    if RUN.match(word[0]):
        for piece in pieces:
            at = word[0].find(piece)
            while at >= 0:
                yield word.start() + at, word.start() + at + len(piece), frozenset([piece])
                at = word[0].find(piece, at + len(piece))
    elif begun := frozenset(piece for piece in pieces if word[0].startswith(piece)):
        yield word.start(), word.end(), begun


def _distinct(found: list[tuple[int, int, frozenset[str]]], first: int) -> int:
    """Return how many of the words stand in the passage that begins with this hit."""
    until = found[first][0] + PASSAGE
    inside = (begun for start, _end, begun in found[first : first + MAX_HITS] if start < until)
    return len(frozenset().union(*inside))
