"""Business rules: whether and how a response may be sent, and what an approval signs. Pure.

All rules are evaluated. The strictest one that applies decides; each one that applies gives its
reason and the words that it refers to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Literal

from responses.rules.personal_data import KINDS, Finding
from scrm.conditions.explain import explain, hits
from scrm.conditions.language import Condition, Field, Group, Leaf, Schema
from scrm.text.fold import places

Outcome = Literal["allow", "review", "hold", "require", "move", "refuse"]
OUTCOMES: tuple[Outcome, ...] = (
    "allow", "review", "hold", "require", "move", "refuse",
)  # fmt: skip
"""Least strict first. review: it is reviewed after sending. require: a wording is missing."""
STOPS: frozenset[Outcome] = frozenset({"require", "move", "refuse"})

Step = Literal["lead", "supervisor"]
STEPS: tuple[Step, ...] = ("lead", "supervisor")
"""Approvers in their order: a team lead of the department, then a supervisor or admin."""

AUDIENCES = ("one", "few", "many")
VISIBILITIES = ("private", "public")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a response that is about to be released. None and "" mean unknown.

    length: code points of the text; the field `text` also contains the title. links: number of
    links in it. personal: personal data of the case's people that others could read. taken: the
    case is assigned to another user. issue: whether it is about an issue. reach: of the case's
    profile. readers: of all its places, in 30 days. hour (0 to 23) and weekday (one of
    WEEKDAYS): of the release, in the workspace's time zone.
    """

    audience: str = ""
    visibility: str = ""
    channel: str = ""
    text: str = ""
    length: int = 0
    links: int = 0
    personal: tuple[Finding, ...] = ()
    department: str = ""
    author: str = ""
    author_is_lead: bool | None = None
    taken: bool | None = None
    issue: bool | None = None
    priority: str = ""
    tags: frozenset[str] = frozenset()
    known: bool | None = None
    contact_kind: str = ""
    reach: int | None = None
    readers: int | None = None
    topics: frozenset[str] = frozenset()
    hour: int | None = None
    weekday: str = ""

    def asked(self) -> dict[str, object]:
        """The facts by name, as conditions evaluate them: None means unknown."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["personal"] = frozenset(finding.kind for finding in self.personal)
        return {name: None if fact == "" else fact for name, fact in given.items()}


SCHEMA: Schema = {
    field.name: field
    for field in (
        Field("audience", "choice", "audience", AUDIENCES),
        Field("visibility", "choice", "visibility", VISIBILITIES),
        Field("channel", "choice", "channel"),
        Field("text", "text", "text"),
        Field("length", "number", "length"),
        Field("links", "number", "number of links"),
        Field("personal", "set", "personal data", KINDS),
        Field("department", "choice", "department"),
        Field("author", "choice", "author"),
        Field("author_is_lead", "bool", "written by a team lead"),
        Field("taken", "bool", "assigned to another agent"),
        Field("issue", "bool", "part of an issue"),
        Field("priority", "choice", "priority"),
        Field("tags", "set", "tag"),
        Field("known", "bool", "contact is known"),
        Field("contact_kind", "choice", "contact kind"),
        Field("reach", "number", "recipient reach"),
        Field("readers", "number", "readers in 30 days"),
        Field("topics", "set", "topic"),
        Field("hour", "number", "hour of the day"),
        Field("weekday", "choice", "weekday", WEEKDAYS),
    )
}


@dataclass(frozen=True, slots=True)
class ResponseRule:
    """One business rule.

    reason: the owner's message to the author. move_to: the other channel, for "move". wording:
    words that the text must contain, for "require". steps: the approvers, for "hold". within:
    hours until a held response is escalated, for "hold"; 0 means never.
    """

    pk: int
    name: str
    condition: Condition
    verdict: Outcome
    reason: str = ""
    move_to: str = ""
    wording: str = ""
    steps: tuple[Step, ...] = ("lead",)
    within: int = 0


DRAFTS_ONLY = ResponseRule(
    0, "Drafts only", Group("all"), "hold", "You write drafts. A team lead sends them."
)
"""Holds every response of an author who may only write drafts."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that applies. sentence: the rule's reason, else what its condition found.

    spans: the words of `Facts.text` that it refers to: code-point offsets, ends exclusive.
    """

    rule: int
    name: str
    verdict: Outcome
    sentence: str
    move_to: str = ""
    wording: str = ""
    steps: tuple[Step, ...] = ()
    within: int = 0
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def advice(self) -> str:
        """The reason, with the wording to add if one is missing."""
        return f"{self.sentence} Add: “{self.wording}”" if self.wording else self.sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of all rules. reasons: every rule that applies, strictest first, then by key."""

    outcome: Outcome
    reasons: tuple[Reason, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Approvers that the rules ask for, each one once."""
        holding = (reason for reason in self.reasons if reason.verdict == "hold")
        wanted = {step for reason in holding for step in reason.steps}
        return tuple(step for step in STEPS if step in wanted)

    @property
    def within(self) -> int:
        """Hours until escalation: the shortest that a rule sets; 0 if no rule sets any."""
        return min((reason.within for reason in self.reasons if reason.within), default=0)

    @property
    def stops(self) -> list[Reason]:
        """Reasons that no approval can overrule: the author must change something."""
        return [reason for reason in self.reasons if reason.verdict in STOPS]


def judge(draft: Facts, rules: Iterable[ResponseRule]) -> Verdict:
    """Evaluate all rules: the strictest outcome wins (OUTCOMES from the right), else "allow"."""
    facts = draft.asked()
    return _strictest(reason for rule in rules if (reason := _reason(rule, draft, facts)))


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine the verdicts on several versions of a text: the strictest one; each rule once."""
    found: dict[int, Reason] = {}
    for verdict in verdicts:
        for reason in verdict.reasons:
            found.setdefault(reason.rule, reason)
    return _strictest(found.values())


def _strictest(reasons: Iterable[Reason]) -> Verdict:
    ranked = sorted(reasons, key=lambda reason: (-OUTCOMES.index(reason.verdict), reason.rule))
    return Verdict(ranked[0].verdict if ranked else "allow", tuple(ranked))


def _reason(rule: ResponseRule, draft: Facts, facts: Mapping[str, object]) -> Reason | None:
    found = explain(rule.condition, facts)
    if not found.holds:
        return None
    # The rule applies only to a text without the wording.
    if rule.verdict == "require" and places(draft.text, rule.wording):
        return None
    held = rule.verdict == "hold"
    return Reason(
        rule=rule.pk,
        name=rule.name,
        verdict=rule.verdict,
        sentence=rule.reason or found.sentence or "This rule always matches.",
        move_to=rule.move_to,
        wording=rule.wording,
        steps=rule.steps if held else (),
        within=rule.within if held else 0,
        spans=_spans(found.leaves, draft, facts),
    )


def _spans(
    leaves: Iterable[Leaf], draft: Facts, facts: Mapping[str, object]
) -> tuple[tuple[int, int], ...]:
    """Spans of the text that the given comparisons of a condition matched."""
    found: set[tuple[int, int]] = set()
    for leaf in leaves:
        if leaf.field.name == "text":
            found |= {span for _words, span in hits(leaf, facts)}
        elif leaf.field.name == "personal" and leaf.op in ("has any", "has all"):
            kinds = leaf.value if isinstance(leaf.value, tuple) else ()
            found |= {(data.start, data.end) for data in draft.personal if data.kind in kinds}
    return tuple(sorted(found))


def content_hash(
    text: str,
    subject: str,
    audience: str,
    visibility: str,
    destinations: Iterable[tuple[int, str]],
    versions: Mapping[str, str],
    files: Iterable[str] = (),
) -> str:
    """The hash that an approval signs: SHA-256 (hex) of the text and all its destinations.

    destinations: (account, destination) in any order. versions: account id → a different text
    for it. files: the attachments' ids. JSON separates the parts, so that no text with one
    destination has the hash of another text with another destination.
    """
    parts: list[object] = [text, subject, audience, visibility]
    parts += [sorted(destinations), sorted(versions.items()), sorted(files)]
    # Not ASCII-escaped: two escaped surrogates would hash like one character.
    encoded = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()
