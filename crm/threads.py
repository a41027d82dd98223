"""The thread rule, which decides to which conversation an item belongs.

This module does not access the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from scrm.channels.bounded import bounded_key

SPLIT = "split:"
"""The key of a conversation to which users moved items begins with this."""

Person = tuple[str, str]
"""The identity of a profile: (network, key)."""


@dataclass(frozen=True, slots=True)
class Parent:
    """Facts about the parent of an item.

    If an item answers another item, the answered item is the parent.

    conversation: the key of the conversation of the parent.
    people: the participants of the parent's conversation.
    private: whether the parent is private.
    """

    conversation: str
    people: frozenset[Person]
    private: bool = False


def conversation_key(
    *,
    key: str,
    thread_key: str,
    private: bool,
    author: Person | None,
    parent: Parent | None,
) -> str:
    """Return the key of the conversation that the item joins or opens.

    The key is unique in the scope of the item.
    author: the outside party of the item; None if we wrote to many people.

    All items of a private thread are in one conversation. A public item joins the conversation of
    its parent in two cases: the item has no author, or the author of the item already takes part
    in that conversation. In all other cases, the item belongs to a conversation that contains only
    this author's items in this thread. So a bystander who replies to our answer to somebody else
    is never in the conversation of that person.

    If users have split the parent off into a conversation of its own, a private item that answers
    it is in that conversation too, although its thread is another one.
    """
    root = thread_key or key
    # Check this first: a private item must never join a public conversation.
    if private:
        if parent and parent.private and parent.conversation.startswith(SPLIT):
            return parent.conversation
        return bounded_key(f"thread {root}")
    if parent and (author is None or author in parent.people):
        return parent.conversation
    return bounded_key(f"public {json.dumps([root, *(author or ())], ensure_ascii=False)}")
