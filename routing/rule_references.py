"""Find out whether the names in conditions still exist, for example the names of topics.

Routing rules and business rules use the same names for the same fields.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.db.models import Model

from crm.models import Contact, Department, User
from listening.models import Source, Topic
from scrm.channels.registry import kinds
from scrm.conditions.language import Condition, ConditionError, ConditionErrors
from scrm.conditions.names import names_in, unknown_names

_STORED: Mapping[str, type[Model]] = {
    "topics": Topic, "source": Source, "department": Department, "author": User,
}  # fmt: skip
"""Field of conditions → the model whose names its values are."""


def known_names() -> Mapping[str, Collection[str]]:
    """Return field of conditions → all names that exist."""
    stored = {
        field: list(model._default_manager.order_by("name").values_list("name", flat=True))
        for field, model in _STORED.items()
    }
    return stored | _fixed()


def check_names(condition: Condition) -> None:
    """Raise ConditionErrors if the condition contains a name that does not exist."""
    if any(missing_names([condition])) and (errors := unknown_names(condition, known_names())):
        raise ConditionErrors(errors)


def missing_names(conditions: Sequence[Condition]) -> list[tuple[ConditionError, ...]]:
    """Return for each condition an error for each name that does not exist.

    Only the names that the conditions contain are looked up, with at most one SQL statement for
    each model.
    """
    used: dict[str, set[str]] = {}
    for condition in conditions:
        for field, names in names_in(condition).items():
            used.setdefault(field, set()).update(names)
    known: dict[str, Collection[str]] = dict(_fixed())
    for field, model in _STORED.items():
        if names := used.get(field, set()):
            known[field] = set(
                model._default_manager.filter(name__in=names).values_list("name", flat=True)
            )
    return [unknown_names(condition, known) for condition in conditions]


def _fixed() -> dict[str, Collection[str]]:
    return {"channel": kinds(), "contact_kind": Contact.Kind.values}
