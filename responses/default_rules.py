"""The business rules with which every workspace starts. Admins can change them."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm.models import User
from responses.models import ResponseRule
from responses.rules.personal_data import KINDS

Json = dict[str, Any]
PRIVACY = "Personal data in public"
MANY_READERS = 50_000


def _is(field: str, value: object) -> Json:
    return {"field": field, "op": "is", "value": value}


def _example(text: str, holds: bool, people: str = "", audience: str = "many") -> Json:
    return {
        "text": text, "audience": audience, "visibility": "public", "channel": "",
        "people": people, "holds": holds,
    }  # fmt: skip


RULES: dict[str, Json] = {
    "Posts need approval": {
        "conditions": {"all": [_is("audience", "many"), _is("author_is_lead", False)]},
        "verdict": "hold",
        "within": 4,
        "reason": "A team lead must approve posts before they are sent.",
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
        "reason": "This may publish personal data. Remove it, or a team lead must approve it "
        "first.",
        "examples": [
            _example("Ron Calder was right to be angry.", True, "Ron Calder"),
            _example("A guest had paid for a second seat.", True),
            _example("The booking X7K2P9 is refunded.", True, "X7K2P9", "one"),
            _example("We made a mistake on SK 590 and are sorry.", False, "Ron Calder, X7K2P9"),
        ],
    },
    "Case of another agent": {
        "conditions": {"all": [_is("audience", "one"), _is("taken", True)]},
        "verdict": "refuse",
        "reason": "Another agent works on this case. Take it over first, to avoid two answers.",
    },
    "Too long": {
        "conditions": {
            "all": [_is("audience", "one"), {"field": "length", "op": "at least", "value": 4000}]
        },
        "verdict": "hold",
        "within": 8,
        "reason": "This text is very long. Shorten it, or a team lead must approve it.",
    },
    "No posts at night": {
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
        "verdict": "refuse",
        "reason": "No one is here to read the answers at night. Schedule the post for after 6:00.",
    },
    "Large audience": {
        "conditions": {
            "all": [
                _is("audience", "many"),
                {"field": "readers", "op": "at least", "value": MANY_READERS},
            ]
        },
        "verdict": "hold",
        "steps": "lead supervisor",
        "within": 4,
        "reason": "More than 50,000 readers: a team lead and a supervisor must approve this.",
    },
    "Posts by team leads": {
        "conditions": {"all": [_is("audience", "many"), _is("author_is_lead", True)]},
        "verdict": "review",
        "reason": "Another user must review this post.",
    },
}
"""Rule name → its fields, in the order in which they are created."""


def create_default_rules(
    owner: User, *, except_names: tuple[str, ...] = (), since: datetime | None = None
) -> None:
    """Create the default rules, except those whose names are in `except_names`.

    `since` is the creation time of the rules; the default is the current time.
    """
    for name in RULES:
        if name not in except_names:
            add(name, owner=owner, since=since)


def add(name: str, *, owner: User, since: datetime | None = None) -> ResponseRule:
    position = list(RULES).index(name)
    # A deep copy: editing a rule must not change RULES.
    facts = {"position": position, "created_at": since or timezone.now()} | deepcopy(RULES[name])
    return ResponseRule.objects.create(name=name, owner=owner, **facts)
