"""Replace the variables in saved replies, such as `{{ name }}`, with values of a case."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm.models import User
from responses.models import SavedReply
from routing.models import Case

_VARIABLE = re.compile(r"\{\{([a-z_\s]*)\}\}")
VARIABLES = ("name", "first_name", "handle", "agent", "agent_first_name", "department", "case")


@dataclass(frozen=True, slots=True)
class Ready:
    """A saved reply in which the variables have the values of one case."""

    name: str
    text: str


def unknown_variables(text: str) -> list[str]:
    """Return the names in double braces that are not known variables, without duplicates."""
    names = [name.strip() for name in _VARIABLE.findall(text)]
    return list(dict.fromkeys(name for name in names if name not in VARIABLES))


def fill_in(text: str, values: dict[str, str]) -> str:
    """Return `text` with its variables replaced by `values`. Unknown variables stay as they are."""
    return _VARIABLE.sub(lambda found: values.get(found[1].strip(), found[0]), text)


def replies_for(case: Case, user: User) -> list[Ready]:
    """Return the saved replies that the case's department may use, filled in for the case."""
    values = _values(case, user)
    usable = SavedReply.objects.usable_in(case.department)
    return [Ready(reply.name, fill_in(reply.text, values)) for reply in usable]


def _values(case: Case, user: User) -> dict[str, str]:
    profile = case.profile
    name = str(profile.contact or profile)
    return {
        "name": name,
        "first_name": name.split(maxsplit=1)[0] if name.split() else name,
        "handle": profile.handle or name,
        "agent": str(user),
        "agent_first_name": str(user).split()[0],
        "department": str(case.department),
        "case": f"#{case.pk}",
    }
