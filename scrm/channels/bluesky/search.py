"""Build search queries from the words of a topic.

Bluesky combines the words of a query with "and" and has neither "or" nor "not". Therefore every
word of `any_of` becomes a query of its own, and scrm itself applies `none_of` to what is found.
"""

from __future__ import annotations

from scrm.channels.base import Terms

_LONGEST = 300


def queries(words: str, terms: Terms | None) -> list[str]:
    """Return the queries for the words of an address and for the terms of a topic."""
    fixed = [words.strip()[:_LONGEST]] if words.strip() else []
    fixed += [term for each in (terms.all_of if terms else ()) if (term := _term(each))]
    chosen = [term for each in (terms.any_of if terms else ()) if (term := _term(each))]
    asked = [" ".join([*fixed, term]) for term in chosen] or [" ".join(fixed)]
    return [query for query in dict.fromkeys(asked) if query]


def _term(term: str) -> str:
    """Return a term as the network searches for it: literally, without operators."""
    bare = " ".join(term.replace('"', " ").split())[:_LONGEST]
    is_one_word = " " not in bare and ":" not in bare and not bare.startswith("-")
    return bare if is_one_word else f'"{bare}"'
