"""Build search queries from the words of a topic.

Bluesky combines the words of a query with "and" and has neither "or" nor "not". Therefore every
word of `any_of` becomes a query of its own, and scrm itself applies `none_of` to what is found.
"""

from __future__ import annotations

from scrm.channels.base import Terms
from scrm.channels.search_query import Translation, Untranslatable

_LONGEST = 300


def queries(words: str, terms: Terms | None) -> list[str]:
    """Return the queries for the words of an address and for the terms of a topic."""
    fixed = [words.strip()[:_LONGEST]] if words.strip() else []
    fixed += [term for each in (terms.all_of if terms else ()) if (term := _term(each))]
    chosen = [term for each in (terms.any_of if terms else ()) if (term := _term(each))]
    asked = [" ".join([*fixed, term]) for term in chosen] or [" ".join(fixed)]
    return [query for query in dict.fromkeys(asked) if query]


def translate(terms: Terms) -> Translation:
    """Return the queries for a topic, and what scrm checks itself. Raises Untranslatable."""
    found = queries("", terms)
    if not found:
        raise Untranslatable("Bluesky needs at least one word. Add a word to the topic.")
    left = []
    if terms.none_of:
        words = ", ".join(f"“{term}”" for term in terms.none_of)
        left.append(f"Posts with {words} are read and left out by scrm: Bluesky excludes no words.")
    if len(found) > 1:
        left.append(f"Bluesky has no “or”, so {len(found)} queries are asked, one per alternative.")
    return Translation(tuple(found), tuple(left))


def _term(term: str) -> str:
    """Return a term as the network searches for it: literally, without operators."""
    bare = " ".join(term.replace('"', " ").split())[:_LONGEST]
    is_one_word = " " not in bare and ":" not in bare and not bare.startswith("-")
    return bare if is_one_word else f'"{bare}"'
