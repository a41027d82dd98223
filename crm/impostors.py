"""Find accounts that took the handle of another account, and accounts that imitate ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models.functions import Lower

from crm.handles import imitates, is_renamable
from crm.models import Account, Profile, ProfileName

_Owners = defaultdict[tuple[str, str], set[int]]
"""(network, handle in lower case) → ids of profiles."""


def mark_taken_handles(profiles: Sequence[Profile]) -> None:
    """Mark those profiles whose handle another account of their network has or had.

    profiles: stored profiles that are new or got another handle, oldest message first. If two of
    them have the same handle, the second is marked.
    A mark is never removed, so that nobody gets rid of it by changing the handle twice.
    """
    renamable = [row for row in profiles if is_renamable(key=row.key, handle=row.handle)]
    if not renamable:
        return
    has, had = _owners(renamable), _former_owners(renamable)
    order = {row.pk: number for number, row in enumerate(renamable)}
    for row in renamable:
        place = (row.network, row.handle.lower())
        before = had[place] | {pk for pk in has[place] if order.get(pk, -1) < order[row.pk]}
        # An account that returns to its former handle took it from nobody.
        if before and row.pk not in had[place]:
            row.handle_was_of_id = min(before, key=lambda pk: (order.get(pk, -1), pk))
    marked = [row for row in renamable if row.handle_was_of_id]
    Profile.objects.bulk_update(marked, ["handle_was_of"])


def imitated_account(profile: Profile) -> Account | None:
    """Return our account on the profile's network whose handle the profile imitates, or None."""
    there = list(Account.objects.filter(network=profile.network))
    if any(row.self_key == profile.key for row in there):
        return None
    active = (row for row in there if row.is_active)
    return next((row for row in active if imitates(profile.handle, row.address)), None)


def _owners(profiles: Sequence[Profile]) -> _Owners:
    """Return the profiles that have the handles of these profiles now."""
    found = _Owners(set)
    for row in Profile.objects.alias(folded=Lower("handle")).filter(
        network__in={row.network for row in profiles},
        folded__in={row.handle.lower() for row in profiles},
    ):
        if is_renamable(key=row.key, handle=row.handle):
            found[row.network, row.handle.lower()].add(row.pk)
    return found


def _former_owners(profiles: Sequence[Profile]) -> _Owners:
    """Return the profiles that had the handles of these profiles before."""
    found = _Owners(set)
    for network, handle, pk in (
        ProfileName.objects.alias(folded=Lower("handle"))
        .filter(
            profile__network__in={row.network for row in profiles},
            folded__in={row.handle.lower() for row in profiles},
        )
        .values_list("profile__network", "handle", "profile")
    ):
        found[network, handle.lower()].add(pk)
    return found
