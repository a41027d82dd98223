"""Follow a case: be notified of its new messages, whoever has it."""

from __future__ import annotations

from crm.models import User
from routing.models import Case, CaseFollower


def follow(case: Case, *, by: User) -> None:
    """Idempotent: a second call changes nothing."""
    CaseFollower.objects.get_or_create(case=case.survivor, user=by)


def unfollow(case: Case, *, by: User) -> None:
    CaseFollower.objects.filter(case=case.survivor, user=by).delete()


def follows(case: Case, user: User) -> bool:
    return CaseFollower.objects.filter(case=case, user=user).exists()
