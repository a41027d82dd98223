"""Describe in words what routing rules ask for: each value, its rule, and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.utils.translation import gettext as _

from crm.models import User
from routing.models import RuleRevision
from routing.rules import EFFECT_LABELS, Effect

Stored = Sequence[Any]
"""An effect as a case event stores it: what, name of the rule, reason, id of the revision.

Old events have no id.
"""


@dataclass(frozen=True, slots=True)
class EffectShown:
    """One effect of a rule: what it sets, to which value, the name of the rule, and its reason."""

    label: str
    value: str
    rule: str
    why: str


def stored(effect: Effect) -> list[Any]:
    return [effect.what, effect.rule, effect.why, effect.revision]


@dataclass(frozen=True, slots=True)
class EffectNames:
    """The names that the effects of several events contain, loaded with two SQL statements."""

    revisions: Mapping[int, RuleRevision]
    users: Mapping[int, User]

    @classmethod
    def load(cls, effects: Iterable[Stored]) -> Self:
        keys = {effect[3] for effect in effects if len(effect) > 3}
        related = RuleRevision.objects.select_related("department", "person", "issue")
        revisions = related.in_bulk(keys) if keys else {}
        notified = {user for row in revisions.values() for user in row.notify}
        return cls(revisions, User.objects.in_bulk(notified) if notified else {})

    def shown(self, effects: Iterable[Stored]) -> tuple[EffectShown, ...]:
        return tuple(
            EffectShown(EFFECT_LABELS[what], self._value(what, *revision), rule, why)
            for what, rule, why, *revision in effects
        )

    def _value(self, what: str, revision: int = 0) -> str:
        """Return the value that the revision sets; "" if the revision is not known."""
        row = self.revisions.get(revision)
        if row is None:
            return ""
        last = _("last assignee of the contact, if any") if row.assign == row.Assign.LAST else ""
        values = {
            "department": row.department,
            "person": row.person or last,
            "priority": row.get_priority_display(),
            "tags": ", ".join(row.tags),
            "issue": row.issue,
            "notify": self._notified(row),
            "outcome": row.get_outcome_display(),
        }
        return str(values.get(what) or "")

    def _notified(self, row: RuleRevision) -> str:
        names = [str(self.users[user]) for user in row.notify if user in self.users]
        return ", ".join([*names, *([_("team leads")] if row.notify_leads else [])])
