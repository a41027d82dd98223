"""Functions that crm calls but only the apps above it can implement.

`scrm/wiring.py` sets each of them at startup, so that crm imports no case, response or delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from crm.models.profile import Profile
from crm.models.user import User


@dataclass(frozen=True, slots=True)
class CaseLink:
    """The current case of a conversation.

    department: name of the case's department. case: its id, 0 if the user may not see it.
    """

    department: str
    case: int


cases_of_conversations: Callable[[Collection[int], User], dict[int, CaseLink]]
"""Conversation id → its current case; a conversation without a case is absent."""

party_cases: Callable[[QuerySet[Profile], User], list[Any]]
"""Cases with these profiles, open cases first; `case.open_to_user`: whether the user may see it."""

posts_to: Callable[[QuerySet[Any], Sequence[int]], list[QuerySet[Any]]]
"""(interactions, profile ids) → querysets of our posts about the cases with these profiles."""

unsent_files: Callable[[User], QuerySet[Any]]
"""Ids of the files of responses that the user may read because of their department."""

open_case_counts: Callable[[], dict[int | None, int]]
"""User id → number of open cases assigned to the user; under None, the unassigned cases."""

open_cases_of: Callable[[User], dict[str, int]]
"""Department name → number of open cases assigned to the user."""

return_open_cases: Callable[[User, User], int]
"""Unassign the open cases of the first user, in the name of the second → number of cases."""

owned_by: Callable[[User], Iterable[Any]]
"""The first topics, sources, rules and issues that the user owns."""
