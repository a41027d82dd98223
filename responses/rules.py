"""How and where a response may go out, and what an approval signs. Pure.

All rules are asked; the strictest that holds decides, and every one that holds gives its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

from scrm.condition_words import explain
from scrm.conditions import Condition, Field, Schema

Outcome = Literal["allow", "hold", "move", "refuse"]
OUTCOMES: tuple[Outcome, ...] = ("allow", "hold", "move", "refuse")  # laxest first

AUDIENCES = ("one", "few", "many")
VISIBILITIES = ("private", "public")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a response that is about to be released. None and "": not known.

    length: code points of `text`. issue: whether it answers an issue. hour (0 to 23) and weekday
    (of WEEKDAYS) of the release, in the workspace's zone.
    """

    audience: str
    visibility: str
    channel: str
    text: str
    length: int
    department: str
    author: str
    author_is_lead: bool
    issue: bool
    priority: str
    contact_kind: str
    topics: frozenset[str]
    hour: int
    weekday: str


SCHEMA: Schema = {
    field.name: field
    for field in (
        Field("audience", "choice", "audience", AUDIENCES),
        Field("visibility", "choice", "visibility", VISIBILITIES),
        Field("channel", "choice", "channel"),
        Field("text", "text", "text"),
        Field("length", "number", "length"),
        Field("department", "choice", "department"),
        Field("author", "choice", "author"),
        Field("author_is_lead", "bool", "written by a team lead"),
        Field("issue", "bool", "part of an issue"),
        Field("priority", "choice", "priority"),
        Field("contact_kind", "choice", "kind of contact"),
        Field("topics", "set", "topic"),
        Field("hour", "number", "hour of the day"),
        Field("weekday", "choice", "weekday", WEEKDAYS),
    )
}


@dataclass(frozen=True, slots=True)
class ResponseRule:
    """reason: the owner's words to the author. move_to: where to, for "move"."""

    pk: int
    name: str
    condition: Condition
    verdict: Outcome
    reason: str = ""
    move_to: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that holds. sentence: the rule's reason, else what its condition found."""

    rule: int
    name: str
    verdict: Outcome
    sentence: str
    move_to: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons`: every rule that holds, strictest first, then by key."""

    outcome: Outcome
    reasons: tuple[Reason, ...]


def judge(draft: Facts, rules: Iterable[ResponseRule]) -> Verdict:
    """The strictest verdict wins: refuse, move, hold, allow. Where no rule holds: allow."""
    facts = {name: None if fact == "" else fact for name, fact in asdict(draft).items()}
    reasons = [reason for rule in rules if (reason := _reason(rule, facts))]
    reasons.sort(key=lambda reason: (-OUTCOMES.index(reason.verdict), reason.rule))
    return Verdict(reasons[0].verdict if reasons else "allow", tuple(reasons))


def _reason(rule: ResponseRule, facts: Mapping[str, object]) -> Reason | None:
    found = explain(rule.condition, facts)
    if not found.holds:
        return None
    sentence = rule.reason or found.sentence or "This rule always applies."
    return Reason(rule.pk, rule.name, rule.verdict, sentence, rule.move_to)


def content_hash(
    text: str,
    subject: str,
    audience: str,
    visibility: str,
    destinations: Iterable[tuple[int, str]],
) -> str:
    """What an approval signs: SHA-256 (hex) of the words and of everywhere they go.

    destinations: (account, destination) in any order. JSON keeps the parts apart, so that no
    text can pass for another text with another destination.
    """
    parts = [text, subject, audience, visibility, sorted(destinations)]
    # Not ASCII-escaped: two escaped surrogates would read as one character.
    encoded = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()
