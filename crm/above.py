"""Questions of crm that only the apps above it can answer.

`scrm/wiring.py` sets each of these functions at startup, so that crm names no case, response or
delivery itself.
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
"""Conversation id → its current case; without the conversations that belong to no case."""

party_cases: Callable[[QuerySet[Profile], User], list[Any]]
"""Cases with these profiles, open ones first, each with `open_to_user`: whether they may see it."""

posts_to: Callable[[QuerySet[Any], Sequence[int]], list[QuerySet[Any]]]
"""Parts of a queryset of interactions: our posts to many about the cases with these profiles."""

unsent_files: Callable[[User], QuerySet[Any]]
"""Ids of the files of responses that the user may read because of their department."""

open_case_counts: Callable[[], dict[int | None, int]]
"""User id → number of open cases assigned to them; None for unassigned ones."""

open_cases_of: Callable[[User], dict[str, int]]
"""Department name → number of open cases assigned to the user."""

return_open_cases: Callable[[User, User], int]
"""Unassign the open cases of the first user, on behalf of the second → how many."""

owned_by: Callable[[User], Iterable[Any]]
"""Some rows that the user owns: topics, sources, rules and issues."""
