"""Apply the business rules to a response, and compute the hash that an approval stores.

All rules are evaluated, and the strictest rule that applies decides. Each rule that applies gives a
reason, and the words in the text to which the reason refers. This module does not use the database.
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
"""From least to most strict. review: review after sending. require: a wording is missing."""
STOPS: frozenset[Outcome] = frozenset({"require", "move", "refuse"})

Step = Literal["lead", "supervisor"]
STEPS: tuple[Step, ...] = ("lead", "supervisor")
"""Approvers in their order: a team lead of the department, then a supervisor or admin."""

AUDIENCES = ("one", "few", "many")
VISIBILITIES = ("private", "public")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a response on which rules are evaluated. None and "" mean “unknown”.

    `text` includes the title. `length` is the number of code points of the text without the title.
    `links` is the number of links in the text. `personal` lists the places in the text that contain
    personal data of people in the case or in the cases of the issue. It is empty for a private
    reply to one person. `taken` says whether the case is assigned to another user. `issue` says
    whether the response is about an issue. `reach` is the number of followers or readers of the
    case's profile. `readers` is the number of readers of all accounts together in 30 days.
    `hour` (0 to 23) and `weekday` (one of WEEKDAYS) are the time of the release in the workspace's
    time zone.
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
        """Return the name of each fact → its value, in the form in which conditions evaluate it.

        Unknown facts have the value None.
        """
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
    """One business rule, independent of the database.

    `reason` is the message that the rule's owner wrote for authors. Each of the following fields is
    used only by rules with one kind of verdict. If the verdict is “move”, `move_to` is the channel
    to use instead. If it is “require”, `wording` contains the words that the text must contain. If
    it is “hold”, `steps` are the roles that must approve, and `within` is the number of hours until
    a held response is escalated; 0 means never.
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
    """Why one rule applies to a text.

    `sentence` is the reason that the rule's owner wrote. If there is none, it says which conditions
    were met. `spans` are the places of the words to which the reason refers. Each span is a pair of
    offsets in `Facts.text`, counted in code points; the end is exclusive.
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
        """The reason, followed by the wording that the author must add, if there is one."""
        return f"{self.sentence} Add: “{self.wording}”" if self.wording else self.sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of all rules.

    `reasons` has one entry for each rule that applies. The strictest rule is first. Rules that are
    equally strict are sorted by their primary keys.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The roles that must approve according to all rules together, without duplicates."""
        holding = (reason for reason in self.reasons if reason.verdict == "hold")
        wanted = {step for reason in holding for step in reason.steps}
        return tuple(step for step in STEPS if step in wanted)

    @property
    def within(self) -> int:
        """The number of hours until escalation, which is the smallest number of all rules.

        If no rule sets a number, it is 0, and the response is never escalated.
        """
        return min((reason.within for reason in self.reasons if reason.within), default=0)

    @property
    def stops(self) -> list[Reason]:
        """The reasons that no approval can overrule. The author must change something."""
        return [reason for reason in self.reasons if reason.verdict in STOPS]


def judge(draft: Facts, rules: Iterable[ResponseRule]) -> Verdict:
    """Evaluate all rules on a text; return the verdict.

    The strictest rule that applies decides. If no rule applies, the outcome is “allow”.
    """
    facts = draft.asked()
    return _strictest(reason for rule in rules if (reason := _reason(rule, draft, facts)))


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine the verdicts on several versions of a text into one verdict.

    The strictest rule decides. If a rule applies to several versions, it gives only one reason.
    """
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
    # The rule applies only if the text does not contain the wording.
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
    """Return the places in the text that these single conditions matched."""
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
    copies: Iterable[str] = (),
) -> str:
    """Return the hash that an approval stores: the SHA-256 (hex) of everything that is approved.

    `destinations` are pairs (account id, destination) in any order. `versions` maps the id of an
    account to a different text for that account. `files` are the UUIDs of the attached files, and
    `copies` the addresses of further recipients. All
    parts are joined as JSON, so that two different combinations of texts and destinations always
    have different hash inputs.
    """
    parts: list[object] = [text, subject, audience, visibility]
    parts += [sorted(destinations), sorted(versions.items()), sorted(files)]
    parts += [sorted(copies)] if copies else []  # hashes without copies stay as they were stored
    # ASCII escapes are not used: two lone surrogates would have the same hash as one character.
    encoded = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()
