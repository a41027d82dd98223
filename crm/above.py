"""Functions that crm calls, but that other apps implement.

These apps build on crm: they import crm, so crm cannot import them. `scrm/wiring.py` sets each
function at startup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import QuerySet

from crm.models.account import Account
from crm.models.profile import Profile
from crm.models.user import User
from crm.ownership import OwnedKind


@dataclass(frozen=True, slots=True)
class CaseLink:
    """The current case of a conversation.

    department: the name of the department that has the case.
    case: the id of the case; 0 if the user may not see the case.
    """

    department: str
    case: int


class HoldPlanned(Protocol):
    def __call__(self, person: User, *, by: User, now: datetime) -> int: ...


cases_of_conversations: Callable[[Collection[int], User], dict[int, CaseLink]]
"""Return conversation id → its current case; a conversation without a case is left out."""

recorded_only: Callable[[Collection[int]], dict[int, str]]
"""Return interaction id → name of the routing rule because of which it opened no case."""

party_cases: Callable[[QuerySet[Profile], User], list[Any]]
"""Return the cases with these profiles, open cases first.

Each case has the attribute `open_to_user`, which says whether the user may see the case.
"""

posts_to: Callable[[QuerySet[Any], Sequence[int]], list[QuerySet[Any]]]
"""Return querysets of our posts about the cases with these profiles.

The arguments are the interactions to choose from and the ids of the profiles.
"""

unsent_files: Callable[[User], QuerySet[Any]]
"""Return the ids of the files of responses of the departments that the user belongs to."""

open_case_counts: Callable[[], dict[int | None, int]]
"""Return user id → number of open cases assigned to the user; None → number of unassigned cases."""

open_cases_of: Callable[[User], dict[str, int]]
"""Return department name → number of open cases in it that are assigned to the user."""

owned_kinds: Callable[[], Sequence[OwnedKind]]
"""Return the kinds of rows that users own, of all apps."""

hold_planned: HoldPlanned
"""Hold the planned responses of a user who leaves; return their number."""

source_pages: Callable[[Account], dict[str, tuple[str, str]]]
"""Return address → (name, URL of its page) of each source that uses the account."""
