"""Search for the words of a topic, where the server has full-text search.

Mastodon finds only statuses that contain all words of a query. For a topic with alternatives, each
of them is searched for. scrm itself applies `none_of` to what is found: the server reduces words to
their stems, so it would also exclude posts with other forms of a word. Results come newest first
and are read back to the newest status of the last fetch; the index of the server lags behind, so
the first page is always read completely. A short page does not mean the end, because the server
removes filtered statuses after it has cut the page. An empty first page proves nothing, because the
server also returns one if its index fails.
"""

from __future__ import annotations

from typing import Any

from scrm.channels.base import Batch, ChannelError, FetchRequest, Json, Terms
from scrm.channels.mastodon.client import Server
from scrm.channels.mastodon.read import Place
from scrm.channels.mastodon.reading import NAMELESS, Reading, order, restored, row_name
from scrm.channels.search_query import Translation, Untranslatable

PAGE, PAGES, OVERLAP, REMEMBERED = 40, 5, 5, 80
QUERIES = 5
"""The most queries of one fetch; the next fetch continues with the others."""
_LONGEST_QUERY = 400


def listen(server: Server, place: Place, words: str, request: FetchRequest) -> Batch:
    queries, cursor = queries_of(words, request.terms), request.cursor
    if not queries:
        raise ChannelError("This search has no words. Enter the words to search for.",
                           permanent=True)  # fmt: skip
    first = int(cursor.get("turn", 0)) % len(queries)
    reading = Reading(server, place, restored(cursor.get("recent")))
    floors = {text: state for text, state in dict(cursor.get("queries", {})).items()
              if text in queries}  # fmt: skip
    waits = False
    for text in queries[first : first + QUERIES]:
        before = floors.get(text, {})
        floors[text] = _sweep(reading, text, before)
        # Only after progress: a search whose index fails is not repeated at once.
        waits = waits or floors[text].get("offset", 0) > before.get("offset", 0)
    turn = (first + QUERIES) if first + QUERIES < len(queries) else 0
    reading.recheck("")
    cursor = {"turn": turn, "queries": floors, "recent": reading.stored(REMEMBERED)}
    return reading.batch(cursor, 0 if turn or waits else None)


def queries_of(words: str, terms: Terms | None) -> list[str]:
    """Return the queries for the typed words, or one for each alternative of a topic."""
    if terms is None:
        return [words.strip()[:_LONGEST_QUERY]] if words.strip() else []
    needed = [_quoted(term) for term in terms.all_of]
    choices = [[_quoted(term)] for term in terms.any_of] or ([[]] if needed else [])
    return list(dict.fromkeys(_query([*choice, *needed]) for choice in choices))


def _query(terms: list[str]) -> str:
    """Join the terms. Those that do not fit are left out, because a cut word finds nothing."""
    query = terms[0][:_LONGEST_QUERY]
    for term in terms[1:]:
        if len(query) + 1 + len(term) <= _LONGEST_QUERY:
            query = f"{query} {term}"
    return query


def translate(terms: Terms) -> Translation:
    """Return the queries for a topic, and what scrm checks itself. Raises Untranslatable."""
    found = queries_of("", terms)
    if not found:
        raise Untranslatable("Mastodon needs at least one word. Add a word to the topic.")
    left = ["Servers without full-text search find only hashtags, or nothing."]
    if len(found) > 1:
        left.append(
            f"Mastodon has no “or”, so {len(found)} queries are asked, one per alternative."
        )
    if terms.none_of:
        words = ", ".join(f"“{term}”" for term in terms.none_of)
        left.append(
            f"Posts with {words} are read and left out by scrm: Mastodon would also exclude other "
            "forms of these words."
        )
    return Translation(tuple(found), tuple(left))


def _quoted(term: str) -> str:
    """Return a term of a query; quoted if it has spaces or signs with a meaning in a query."""
    term = " ".join(term.replace('"', " ").split())
    return f'"{term}"' if " " in term or ":" in term or term.startswith(("-", "+")) else term


def _sweep(reading: Reading, text: str, state: Json) -> dict[str, Any]:
    """Read results back to `state["floor"]`; if there are too many, the next fetch continues."""
    floor, offset = str(state.get("floor", "")), int(state.get("offset", 0))
    rows = page = _page(reading.server, text, 0)
    if not rows:
        return {**state, "floor": floor or "0"}
    top = str(state.get("top") or max(_names(rows), key=order, default=floor or "0"))
    if offset:
        page = _page(reading.server, text, offset)
        rows = rows + page
    done = _reaches(page, floor)
    for _ in range(PAGES):
        if done:
            break
        offset += PAGE - OVERLAP
        page = _page(reading.server, text, offset)
        rows, done = rows + page, _reaches(page, floor)
    for row in sorted(rows, key=lambda row: order(row_name(row))):
        reading.take(row)
    return {"floor": top} if done else {"floor": floor, "top": top, "offset": offset}


def _reaches(page: list[Any], floor: str) -> bool:
    """Whether no further page is needed. A first fetch, without a floor, reads only one."""
    if not floor or not page:
        return True
    lowest = min(_names(page), key=order, default="0")
    return order(lowest) <= order(floor)


def _names(rows: list[Any]) -> list[str]:
    return [name for name in map(row_name, rows) if not name.startswith(NAMELESS)]


def _page(server: Server, text: str, offset: int) -> list[Any]:
    found = server.row(
        lambda api: api.search_v2(
            text, resolve=False, result_type="statuses", limit=PAGE, offset=offset or None
        )
    ).get("statuses")
    return list(found) if isinstance(found, list) else []
