"""Apply what routing rules decide beside the department: notices, noise, and recording only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm.models import Membership, Notice, Profile
from routing.models import Case, ItemDecision, RecordedOnly
from routing.models.status import Status
from routing.rules import Verdict
from routing.shown_effects import stored

Able = Callable[[int | None, int], int | None]
"""(user id, department id) → the user id if the user may work in the department, else None."""


@dataclass
class RuleEffects:
    """The effects of one batch. They are collected first and written together."""

    recorded: list[RecordedOnly] = field(default_factory=list)
    decisions: list[ItemDecision] = field(default_factory=list)
    routed: list[tuple[Case, Verdict]] = field(default_factory=list)

    def records_only(self, interaction: int, verdict: Verdict, now: datetime) -> bool:
        """Return whether the interaction opens no case; then the reason is recorded."""
        if verdict.outcome != "record" or verdict.revision is None:
            return False
        self.recorded.append(
            RecordedOnly(
                interaction_id=interaction, revision_id=verdict.revision, why=verdict.why, at=now
            )
        )
        # Without a decision, it would wait for an answer as soon as its conversation has a case.
        self.decisions.append(
            ItemDecision(
                interaction_id=interaction,
                outcome=ItemDecision.Outcome.NO_REPLY,
                reason="Recorded only",
                why=verdict.why,
                at=now,
            )
        )
        return True

    def values(self, verdict: Verdict, issue: int | None) -> dict[str, Any]:
        """Return the values of a new case.

        issue: id of the issue of our post that the message answers, which goes before the rules.
        """
        return {
            "priority": verdict.priority,
            "tags": list(verdict.tags),
            "issue_id": issue or verdict.issue,
            "status": Status.NOISE if verdict.outcome == "aside" else Status.NEW,
        }

    def data(self, verdict: Verdict) -> dict[str, Any]:
        """Return what the case event stores: why other rules did not decide, and all effects."""
        return {
            "why_not": [list(pair) for pair in verdict.why_not],
            "effects": [stored(each) for each in verdict.effects],
        }

    def write(self, able: Able) -> None:
        """Write the recorded interactions and the notices.

        The number of SQL statements does not depend on the number of cases.
        """
        # An edited message may have been recorded only already.
        RecordedOnly.objects.bulk_create(self.recorded, ignore_conflicts=True)
        told = [case for case, verdict in self.routed if verdict.notify or verdict.notify_leads]
        if not told:
            return
        profiles = Profile.objects.in_bulk({case.profile_id for case in told})
        for case in told:
            case.profile = profiles[case.profile_id]
        notifying_leads = [(case, verdict) for case, verdict in self.routed if verdict.notify_leads]
        leads: dict[int, set[int]] = {}
        if notifying_leads:
            leading = Membership.objects.leading().filter(
                department__in={case.department_id for case, _ in notifying_leads}
            )
            for department, user in leading.values_list("department_id", "user_id"):
                leads.setdefault(department, set()).add(user)
        pairs: dict[tuple[int, int], Case] = {}
        for case, verdict in self.routed:
            permitted = {user for user in verdict.notify if able(user, case.department_id)}
            asked = leads.get(case.department_id, set()) if verdict.notify_leads else set()
            pairs |= {(case.pk, user): case for user in sorted(permitted | asked)}
        about = [(case.as_subject, user) for (_pk, user), case in pairs.items()]
        # Each user hears of a case once, however many messages it gets.
        earlier = Notice.objects.filter(
            kind=Notice.Kind.RULE, url__in={subject.url for subject, _user in about}
        )
        heard = set(earlier.values_list("url", "user"))
        Notice.give_each(
            Notice.Kind.RULE, [pair for pair in about if (pair[0].url, pair[1]) not in heard]
        )


def reopen_set_aside(case: Case, verdict: Verdict) -> list[Case]:
    """Open a case of this batch that a rule set aside, unless this verdict sets it aside too.

    Returns the case if it is open now.
    """
    if verdict.outcome == "aside":
        return []
    case.status = Status.NEW
    return [case]
