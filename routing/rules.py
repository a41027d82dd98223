"""Routing rules decide the department of a new case. The rules are tried in order.

The first rule that matches decides. The verdict states for every other rule why that rule did not
decide. The module also decides what a new message does to an existing case. These functions do
not access the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from crm.interaction_kinds import WORK_KINDS
from routing.joining import asks_what_was_said
from scrm.conditions.explain import explain
from scrm.conditions.language import Condition, Field, Schema
from scrm.conditions.language import compile as predicate

Assign = Literal["nobody", "person", "last"]
Status = Literal["new", "open", "waiting", "snoozed", "done", "noise"]
Inbound = Literal["keep", "reopen", "new"]

STANCES = ("for us", "about us", "offline")
KINDS = tuple(WORK_KINDS)
VISIBILITIES = ("public", "private")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an incoming interaction. The values None and "" mean unknown.

    topics: names of all topics that matched.
    stance: one of `STANCES`.
    reach: number of the author's followers or readers.
    known: whether the author's profile is linked to a contact.
    contact_kind: the kind of this contact.
    weekday, time: when it was written, in the workspace's time zone. `weekday` is one of
      `WEEKDAYS`, and `time` is the number of minutes since midnight.
    """

    topics: frozenset[str] = frozenset()
    channel: str = ""
    network: str = ""
    source: str = ""
    stance: str = ""
    kind: str = ""
    visibility: str = ""
    reach: int | None = None
    known: bool = False
    contact_kind: str = ""
    handle: str = ""
    text: str = ""
    language: str = ""
    weekday: str = ""
    time: int | None = None


_SAID, _BY, _WHERE = "What was said", "Who said it", "Where and when"
SCHEMA: Schema = {
    field.name: field
    for field in (
        Field("topics", "set", "topic", section=_SAID),
        Field("channel", "choice", "channel", section=_WHERE),
        Field("network", "choice", "network", section=_WHERE),
        Field("source", "choice", "source", section=_WHERE),
        Field("stance", "choice", "source type", STANCES, section=_WHERE),
        Field("kind", "choice", "message type", KINDS, section=_SAID),
        Field("visibility", "choice", "visibility", VISIBILITIES, section=_WHERE),
        Field("reach", "number", "reach", section=_BY),
        Field("known", "bool", "contact is known", section=_BY),
        Field("contact_kind", "choice", "contact kind", section=_BY),
        Field("handle", "text", "handle", section=_BY),
        Field("text", "text", "text", section=_SAID),
        Field("language", "choice", "language", section=_SAID),
        Field("weekday", "choice", "weekday", WEEKDAYS, section=_WHERE),
        Field("time", "time", "time of day", section=_WHERE),
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One revision of a rule.

    department: id of the department for the case.
    person: id of the user to assign, if `assign` is "person".
    """

    revision: int
    name: str
    condition: Condition
    department: int
    assign: Assign = "nobody"
    person: int | None = None
    priority: str = NORMAL
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules decide on a new case, and the reason.

    If no rule matched, `department` is the fallback department, `revision` is None, and `rule` is
    an empty string.

    person: id of the user to assign, if `assign` is "person".
    revision: id of the revision of the rule that decided.
    rule: name of the rule that decided.
    why: the reason for the decision.
    why_not: for each other rule, its name and the reason why it did not decide, in rule order.
    asks_what_was_said: whether the rule asks what was said or who said it.
    """

    department: int
    assign: Assign
    person: int | None
    priority: str
    tags: tuple[str, ...]
    revision: int | None
    rule: str
    why: str
    why_not: tuple[tuple[str, str], ...]
    asks_what_was_said: bool = False


class Router:
    """The rules in their order. They are compiled once and can then route many interactions."""

    def __init__(self, rules: Iterable[Rule], fallback: int) -> None:
        self._rules = [(rule, predicate(rule.condition)) for rule in rules]
        self._fallback = fallback

    def route(self, facts: Facts) -> Verdict:
        """Return the verdict of the first rule that matches.

        If no rule matches, the verdict contains the fallback department.
        """
        known = _known(facts)
        place = next((i for i, (_, matches) in enumerate(self._rules) if matches(known)), None)
        tried = [rule for rule, _ in self._rules[:place]]
        failed = tuple((rule.name, explain(rule.condition, known).sentence) for rule in tried)
        if place is None:
            why = "No rule matched, so the case went to the fallback department."
            return Verdict(self._fallback, "nobody", None, NORMAL, (), None, "", why, failed)
        rule = self._rules[place][0]
        after = tuple(
            (later.name, f"“{rule.name}” matched first") for later, _ in self._rules[place + 1 :]
        )
        return Verdict(
            department=rule.department,
            assign=rule.assign,
            person=rule.person if rule.assign == "person" else None,
            priority=rule.priority,
            tags=rule.tags,
            revision=rule.revision,
            rule=rule.name,
            why=explain(rule.condition, known).sentence or "This rule always matches.",
            why_not=failed + after,
            asks_what_was_said=asks_what_was_said(rule.condition),
        )


def route(facts: Facts, rules: Iterable[Rule], fallback: int) -> Verdict:
    return Router(rules, fallback).route(facts)


def _known(facts: Facts) -> Mapping[str, object]:
    """Return a dict from fact name to value. An unknown value is None, as conditions require."""
    return {name: None if fact == "" else fact for name, fact in asdict(facts).items()}


def after_inbound(
    status: Status, done_at: datetime | None, now: datetime, *, reopens_within: timedelta
) -> Inbound:
    """Decide what a new inbound message does to the current case of its conversation.

    "keep": the message joins the case, and the status does not change. This applies to new and
      open cases.
    "reopen": the message joins the case, and the case becomes open. This applies to waiting and
      snoozed cases. It also applies to cases that were done within `reopens_within` or have no
      `done_at`.
    "new": the message opens a new case that continues the old case. This applies to cases that
      were done longer ago, and to noise. The mark “noise” is a judgement of the earlier messages,
      not of their author.

    `done_at` and `now` are aware times. `reopens_within` is the fact of the message's channel.
    """
    if status in ("waiting", "snoozed"):
        return "reopen"
    if status == "noise":
        return "new"
    if status != "done":
        return "keep"
    if done_at is None or now - done_at <= reopens_within:
        return "reopen"
    return "new"
