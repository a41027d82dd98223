"""The thread rule decides which conversation an item belongs to.

This module does not access the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from scrm.channels.base import bounded_key

Person = tuple[str, str]
"""The identity of a profile: (network, key)."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The facts about a parent. The parent of an item is the item that it answers.

    conversation: the key of the conversation of the parent.
    addressed: whether we wrote the parent to one person.
    people: the participants of that conversation.
    """

    conversation: str
    addressed: bool
    people: frozenset[Person]


def conversation_key(
    *,
    key: str,
    thread_key: str,
    private: bool,
    author: Person | None,
    parent: Parent | None,
) -> str:
    """Return the key of the conversation that the item joins or opens; it is unique in its scope.

    author: the outside party of the item; None if we wrote to many.

    All items of a private thread are in one conversation. A public item joins the conversation of
    its parent if the item has no author, if we wrote the parent to one person, or if the author of
    the item already takes part in that conversation. Otherwise the conversation is that of this
    author in this thread.
    """
    root = thread_key or key
    # Check this first: a private item must never join a public conversation.
    if private:
        return bounded_key(f"thread {root}")
    if parent and (author is None or parent.addressed or author in parent.people):
        return parent.conversation
    return bounded_key(f"public {json.dumps([root, *(author or ())], ensure_ascii=False)}")
