"""The thread rule: it decides which conversation an item belongs to. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from scrm.channels.base import bounded_key

Person = tuple[str, str]
"""Identity of a profile: (network, key)."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The known facts about a parent, which is the item that another item answers.

    conversation: the key of its conversation. addressed: whether we wrote it to one person.
    people: the participants of its conversation.
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
    """Return the key, within the item's scope, of the conversation that the item joins or opens.

    author: the outside party of the item; None if we wrote to many. A private thread is one
    conversation. A public item joins the conversation of its parent if it has no author, if we
    wrote the parent to one person, or if its author already takes part there. Otherwise it gets
    the conversation of its thread root and author.
    """
    root = thread_key or key
    # First: a private item must never join a public conversation.
    if private:
        return bounded_key(f"thread {root}")
    if parent and (author is None or parent.addressed or author in parent.people):
        return parent.conversation
    return bounded_key(f"public {json.dumps([root, *(author or ())], ensure_ascii=False)}")
