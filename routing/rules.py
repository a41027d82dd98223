"""Routing rules decide the department of a new case. The rules are tried in order.

The first rule that matches decides. The verdict states for every other rule why that rule did not
decide. Beside it, rules that always run add tags, issues and notices. The module also decides what
a new message does to an existing case. These functions do not access the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from crm.interaction_kinds import WORK_KINDS
from routing.joining import asks_what_was_said, topics_asked
from scrm.conditions.explain import explain
from scrm.conditions.language import Condition, Field, Schema
from scrm.conditions.language import compile as predicate

Assign = Literal["nobody", "person", "last"]
Outcome = Literal["case", "aside", "record"]
Status = Literal["new", "open", "waiting", "snoozed", "done", "noise"]
Inbound = Literal["keep", "reopen", "new"]

STANCES = ("for us", "about us", "offline")
KINDS = tuple(WORK_KINDS)
VISIBILITIES = ("public", "private")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NORMAL = "normal"
PRIORITIES = ("urgent", "high", NORMAL, "low")
"""All priorities, the most urgent first."""
EFFECT_LABELS = {
    "outcome": "Outcome", "department": "Department", "person": "Assignee", "priority": "Priority",
    "tags": "Tags", "issue": "Issue", "notify": "Notices",
}  # fmt: skip
ALWAYS = "This rule always matches."
_NO_MATCH = "No rule matched, so the case went to the fallback department."


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an incoming interaction. The values None and "" mean unknown.

    topics: names of all topics that matched.
    stance: one of `STANCES`.
    reach: number of the author's followers or readers.
    known: whether the author's profile is linked to a contact.
    contact_kind: the kind of this contact.
    recipient_address: our address that received a mail; it may be an alias.
    weekday, time: when it was written, in the workspace's time zone. `weekday` is one of
      `WEEKDAYS`, and `time` is the number of minutes since midnight.
    working_hours: whether the default calendar was open then.
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
    recipient_address: str = ""
    language: str = ""
    weekday: str = ""
    time: int | None = None
    working_hours: bool | None = None


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
        Field("recipient_address", "text", "recipient address", section=_WHERE),
        Field("language", "choice", "language", section=_SAID),
        Field("weekday", "choice", "weekday", WEEKDAYS, section=_WHERE),
        Field("time", "time", "time of day", section=_WHERE),
        Field("working_hours", "bool", "within working hours", section=_WHERE),
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One revision of a rule.

    department: id of the department for the case; None for rules that do not decide it.
    person: id of the user to assign, if `assign` is "person".
    priority: one of `PRIORITIES`; "" leaves it unchanged.
    always: whether the rule runs beside the first rule that matches. Such a rule adds tags, an
      issue and notices and may raise the priority, and decides nothing else.
    outcome: "case" opens a case, "aside" opens it as noise, and "record" opens none.
    issue: id of the issue that the case is added to.
    notify: ids of users to notify. notify_leads: whether the leads of the department are notified.
    """

    revision: int
    name: str
    condition: Condition
    department: int | None
    assign: Assign = "nobody"
    person: int | None = None
    priority: str = NORMAL
    tags: tuple[str, ...] = ()
    always: bool = False
    outcome: Outcome = "case"
    issue: int | None = None
    notify: tuple[int, ...] = ()
    notify_leads: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a rule does to a case, with the reason.

    what: "department", "person", "priority", "tags", "issue", "notify" or "outcome".
    """

    what: str
    rule: str
    revision: int
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules decide on a new case, and the reason.

    If no rule matched, `department` is the fallback department, `revision` is None, and `rule` is
    an empty string.

    person: id of the user to assign, if `assign` is "person".
    revision: id of the revision of the rule that decided.
    rule: name of the rule that decided.
    why: the reason for the decision.
    asks_what_was_said: whether the rule asks what was said or who said it.
    topics_asked: names of the topics for which the rule asks.
    why_not: for each other rule that could have decided, its name and the reason why it did not, in
      rule order.
    outcome, issue, notify, notify_leads: see `Rule`.
    effects: every effect with the rule that caused it; effects of rules that always run come first.
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
    topics_asked: frozenset[str] = frozenset()
    outcome: Outcome = "case"
    issue: int | None = None
    notify: frozenset[int] = frozenset()
    notify_leads: bool = False
    effects: tuple[Effect, ...] = ()

    @property
    def opens_case(self) -> bool:
        return self.outcome != "record"

    @property
    def names_department(self) -> bool:
        """Return whether a rule chose the department."""
        return self.revision is not None and self.opens_case

    def agrees_with(self, department: int) -> bool:
        """Return whether no rule matched, or the rule that matched names this department."""
        return not self.names_department or self.department == department


class Router:
    """The rules in their order. They are compiled once and can then route many interactions."""

    def __init__(self, rules: Iterable[Rule], fallback: int) -> None:
        compiled = [(rule, predicate(rule.condition)) for rule in rules]
        self._always = [pair for pair in compiled if pair[0].always]
        self._rules = [pair for pair in compiled if not pair[0].always]
        self._fallback = fallback

    def route(self, facts: Facts, *, needs_case: bool = False) -> Verdict:
        """Return the verdict of the first rule that matches, and of all rules that always run.

        If no rule matches, the verdict contains the fallback department.

        needs_case: whether a user logged the interaction, who expects an open case, or it is
          sensitive. Rules that only record or set aside are then passed over.
        """
        known = _known(facts)
        decider, why_not = self._first_match(known, needs_case)
        acting = [rule for rule, matches in self._always if matches(known)]
        acting += [decider] if decider else []
        reasons = {rule.revision: _reason(rule, known) for rule in acting}
        decided = (decider and decider.priority) or NORMAL
        priorities = [decided, *(rule.priority for rule in acting if rule.priority)]
        issues = [rule.issue for rule in reversed(acting) if rule.issue]
        return Verdict(
            asks_what_was_said=bool(decider and asks_what_was_said(decider.condition)),
            topics_asked=topics_asked(decider.condition) if decider else frozenset(),
            department=(decider and decider.department) or self._fallback,
            assign=decider.assign if decider else "nobody",
            person=decider.person if decider and decider.assign == "person" else None,
            priority=min(priorities, key=PRIORITIES.index),
            tags=tuple(dict.fromkeys(tag for rule in acting for tag in rule.tags)),
            revision=decider.revision if decider else None,
            rule=decider.name if decider else "",
            why=reasons[decider.revision] if decider else _NO_MATCH,
            why_not=why_not,
            outcome=decider.outcome if decider else "case",
            issue=issues[0] if issues else None,
            notify=frozenset(user for rule in acting for user in rule.notify),
            notify_leads=any(rule.notify_leads for rule in acting),
            effects=tuple(
                Effect(what, rule.name, rule.revision, reasons[rule.revision])
                for rule in acting
                for what in _effects(rule)
            ),
        )

    def _first_match(
        self, known: Mapping[str, object], needs_case: bool
    ) -> tuple[Rule | None, tuple[tuple[str, str], ...]]:
        """Return the first rule that matches, and why each other rule did not decide."""
        decider: Rule | None = None
        why_not = []
        for rule, matches in self._rules:
            if decider:
                why_not.append((rule.name, f"“{decider.name}” matched first"))
            elif not matches(known):
                why_not.append((rule.name, explain(rule.condition, known).sentence))
            elif needs_case and rule.outcome != "case":
                why_not.append((rule.name, "this rule opens no case, and this message needs one"))
            else:
                decider = rule
        return decider, tuple(why_not)


def _reason(rule: Rule, known: Mapping[str, object]) -> str:
    return explain(rule.condition, known).sentence or ALWAYS


def _effects(rule: Rule) -> list[str]:
    """Return what a rule does, as the values of `Effect.what`."""
    done = {
        "outcome": not rule.always and rule.outcome != "case",
        "department": rule.department is not None,
        "person": rule.assign != "nobody",
        "priority": bool(rule.priority),
        "tags": bool(rule.tags),
        "issue": rule.issue is not None,
        "notify": bool(rule.notify) or rule.notify_leads,
    }
    return [what for what, is_done in done.items() if is_done]


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
