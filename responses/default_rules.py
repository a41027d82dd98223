"""The business rules that every workspace starts with; its admins can change them."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm.models import User
from responses.models import ResponseRule
from responses.rules.personal_data import KINDS

Json = dict[str, Any]
PRIVACY = "Private matters stay private"
MANY_READERS = 50_000


def _is(field: str, value: object) -> Json:
    return {"field": field, "op": "is", "value": value}


def _example(text: str, holds: bool, people: str = "", audience: str = "many") -> Json:
    return {
        "text": text, "audience": audience, "visibility": "public", "channel": "",
        "people": people, "holds": holds,
    }  # fmt: skip


RULES: dict[str, Json] = {
    "Statements need a team lead": {
        "conditions": {"all": [_is("audience", "many"), _is("author_is_lead", False)]},
        "verdict": "hold",
        "within": 4,
        "reason": "What goes out to many is read by a team lead first.",
        "examples": [
            _example("Our flights are on time again.", True),
            _example("Your bag is found.", False, audience="one"),
        ],
    },
    PRIVACY: {
        "conditions": {
            "all": [
                _is("visibility", "public"),
                {
                    "any": [
                        {"field": "personal", "op": "has any", "value": list(KINDS)},
                        {
                            "field": "text",
                            "op": "contains any",
                            "value": [
                                "second seat",
                                "two seats",
                                "extra seat",
                                "booking number",
                                "phone number",
                                "home address",
                                "passport",
                            ],
                        },
                    ]
                },
            ]
        },
        "verdict": "hold",
        "within": 4,
        "reason": "This may tell the world what is only their business. Take it out, or a team "
        "lead reads it first.",
        "examples": [
            _example("Ron Calder was right to be angry.", True, "Ron Calder"),
            _example("A guest had paid for a second seat.", True),
            _example("The booking X7K2P9 is refunded.", True, "X7K2P9", "one"),
            _example("We made a mistake on SK 590 and are sorry.", False, "Ron Calder, X7K2P9"),
        ],
    },
    "This case is somebody else's": {
        "conditions": {"all": [_is("audience", "one"), _is("taken", True)]},
        "verdict": "refuse",
        "reason": "A colleague works on this case. Take it over first, so nobody answers twice.",
    },
    "Too long to be read": {
        "conditions": {
            "all": [_is("audience", "one"), {"field": "length", "op": "at least", "value": 4000}]
        },
        "verdict": "hold",
        "within": 8,
        "reason": "Nobody reads 4,000 characters. Shorten it, or a team lead reads it first.",
    },
    "No statements at night": {
        "conditions": {
            "all": [
                _is("audience", "many"),
                {
                    "any": [
                        {"field": "hour", "op": "at least", "value": 22},
                        {"field": "hour", "op": "at most", "value": 5},
                    ]
                },
            ]
        },
        "verdict": "move",
        "move_to": "after 6 in the morning",
        "reason": "At night nobody is here to hear the answers. Choose a later time to send it.",
    },
    "Before a great audience": {
        "conditions": {
            "all": [
                _is("audience", "many"),
                {"field": "readers", "op": "at least", "value": MANY_READERS},
            ]
        },
        "verdict": "hold",
        "steps": "lead supervisor",
        "within": 4,
        "reason": "More than 50,000 people will read this: a team lead and a supervisor sign it.",
    },
    "Statements of team leads": {
        "conditions": {"all": [_is("audience", "many"), _is("author_is_lead", True)]},
        "verdict": "review",
        "reason": "Somebody else reads it soon after it went out.",
    },
}
"""Rule name → its fields, in the order of the rules."""


def ship(owner: User, *, but: tuple[str, ...] = (), since: datetime | None = None) -> None:
    """Create the default rules. but: names to leave out. since: when they were created."""
    for name in RULES:
        if name not in but:
            add(name, owner=owner, since=since)


def add(name: str, *, owner: User, since: datetime | None = None) -> ResponseRule:
    position = list(RULES).index(name)
    # A deep copy: a rule that is edited must not change RULES.
    facts = {"position": position, "created_at": since or timezone.now()} | deepcopy(RULES[name])
    return ResponseRule.objects.create(name=name, owner=owner, **facts)
