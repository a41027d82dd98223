"""Decide which case a new item joins. These functions do not access the database.

A party is a contact with all linked profiles, or a single profile that is linked to no contact.
A bystander is somebody else who writes in public below the messages of a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrm.conditions.language import Condition, Leaf

FOLLOW_UP_WITHIN = timedelta(minutes=60)
"""A party that writes again within this time writes about the same matter."""
_QUESTION_MARKS = frozenset("?\uff1f\u061f\u2e2e\u037e")
_WHAT_OR_WHO = frozenset({"text", "handle", "reach", "contact_kind"})
"""Fields of routing rules that ask what was said or who said it. Others only ask where and how."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item in a conversation that belongs to no case.

    department: id of the department that a rule names; None if no rule matched.
    only_there: whether that department is restricted, so that no other department may read the
      item.
    topics: ids of the topics that matched, without brand topics.
    joins_within: fact of the item's channel; see `Channel.joins_within`.
    """

    said_at: datetime
    department: int | None
    only_there: bool
    topics: frozenset[int]
    joins_within: timedelta


@dataclass(frozen=True, slots=True)
class OpenCase:
    """An open case of the author's party.

    key: any number by which the caller recognises the case.
    topics: ids of the topics that matched its items, without brand topics.
    """

    key: int
    department: int
    last_inbound_at: datetime
    is_answered: bool
    topics: frozenset[int]


@dataclass(frozen=True, slots=True)
class Joined:
    """The case that an item joins, and the reason."""

    key: int
    why: str


def case_of_party(item: NewItem, cases: Sequence[OpenCase]) -> Joined | None:
    """Return the open case of the same party that the item joins; None if it needs its own.

    If several cases qualify, the one with a shared topic is preferred, then the one in which the
    party wrote last.
    """
    found = [(case, why) for case in cases if (why := _why_joined(item, case))]
    if not found:
        return None
    case, why = max(
        found,
        key=lambda pair: (_shares(item, pair[0]), pair[0].last_inbound_at, -pair[0].key),
    )
    return Joined(case.key, why)


def _why_joined(item: NewItem, case: OpenCase) -> str:
    """Return why the item joins this case; "" if it does not."""
    # Joining shows the text to everybody who may read the case.
    if item.only_there and item.department != case.department:
        return ""
    apart = abs(item.said_at - case.last_inbound_at)
    if apart <= FOLLOW_UP_WITHIN:
        return "The same person wrote again within 60 minutes."
    if not case.is_answered:
        return "The same person wrote again before we answered."
    if apart <= item.joins_within and _shares(item, case):
        return "The same person wrote again about a topic of this case."
    return ""


def _shares(item: NewItem, case: OpenCase) -> bool:
    """Return whether item and case share a topic, and no rule names another department."""
    same_department = item.department is None or item.department == case.department
    return same_department and not item.topics.isdisjoint(case.topics)


@dataclass(frozen=True, slots=True)
class BystanderItem:
    """An item of a bystander.

    is_to_us: whether it answers a text of ours or comes from a source that is addressed to us.
    has_topic: whether a topic matched that is no brand topic.
    rule: the name of a matching rule that asks what was said or who said it; "" if there is none.
    """

    text: str
    is_to_us: bool
    has_topic: bool
    rule: str = ""


def why_own_case(item: BystanderItem) -> str:
    """Return why the item of a bystander needs a case of its own; "" if it needs none."""
    if item.rule:
        return f"The rule “{item.rule}” matched."
    if item.has_topic:
        return "A topic matched."
    if item.is_to_us and not _QUESTION_MARKS.isdisjoint(item.text):
        return "It asks us a question."
    return ""


def asks_what_was_said(condition: Condition) -> bool:
    """Return whether a condition asks what was said or who said it.

    A rule that matches every message of a channel must not open a case for each reply of a
    bystander. Topics are left out, because a topic counts on its own, unless it is a brand topic.
    """
    if isinstance(condition, Leaf):
        return condition.field.name in _WHAT_OR_WHO
    return any(asks_what_was_said(member) for member in condition.members)


def topics_asked(condition: Condition) -> frozenset[str]:
    """Return the names of the topics for which a condition asks."""
    if isinstance(condition, Leaf):
        named = condition.value if condition.field.name == "topics" else ()
        return frozenset(named if isinstance(named, tuple) else ())
    return frozenset().union(*(topics_asked(member) for member in condition.members))
