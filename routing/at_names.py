"""Find the colleagues that a note mentions with an @, for example “@anna” or “@Anna Agent”."""

from __future__ import annotations

import re

from django.db.models import Q

from crm.models import User
from routing.models import Case
from scrm.text.fold import fold


def mentioned(text: str, case: Case) -> list[User]:
    """Return the users who may see the case and whose name follows an @ in the text.

    Each user can be mentioned by full name, by the local part of the e-mail address, or by first
    name. A first name is ignored if several users who may see the case have the same first name.
    """
    folded = fold(text)
    if "@" not in folded:
        return []
    may_see = Q(memberships__department=case.department) | Q(role__in=User.SEE_EVERYTHING)
    people = list(User.objects.active().filter(may_see).distinct())
    return [user for user in people if any(_named(name, folded) for name in _names(user, people))]


def _names(user: User, people: list[User]) -> set[str]:
    first = fold(user.name).partition(" ")[0]
    shared = sum(fold(other.name).partition(" ")[0] == first for other in people) > 1
    names = {fold(user.name), fold(user.email).partition("@")[0]}
    return (names if shared else names | {first}) - {""}


def _named(name: str, folded: str) -> bool:
    return re.search(rf"(?<!\w)@{re.escape(name)}(?!\w)", folded) is not None
