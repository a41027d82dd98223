"""Which conversation an item belongs to. Pure: the rule of the design, nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass

from scrm.channels.base import bounded_key

Person = tuple[str, str]
"""A profile's identity: (network, key)."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What an item answers, as far as we have it.

    conversation: that item's conversation key. addressed: we wrote it, to one person.
    people: everyone who takes part in its conversation.
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
    """The key, within the item's scope, of the conversation that the item joins or opens.

    author: who outside takes part by it; None where we speak. A private thread is one
    conversation. In public an item joins its parent's conversation if it is ours, if we wrote
    the parent to someone, or if its author already takes part there; else it opens
    (thread root, author).
    """
    root = thread_key or key
    if private:
        return bounded_key(f"thread {root}")
    if parent and (author is None or parent.addressed or author in parent.people):
        return parent.conversation
    return bounded_key(f"public {json.dumps([root, *(author or ())], ensure_ascii=False)}")
