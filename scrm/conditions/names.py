"""Find names in conditions that no longer exist, such as the name of a renamed topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from scrm.conditions.language import Condition, ConditionError, Leaf, Path
from scrm.text.fold import fold

_MAX_NEAREST = 3


def names_in(condition: Condition) -> Mapping[str, set[str]]:
    """Return the names that a condition contains: name of the field → values of its leaves."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for leaf, _path, value in _values(condition, ()):
        found[leaf.field.name].add(value)
    return found


def unknown_names(
    condition: Condition, known: Mapping[str, Collection[str]]
) -> tuple[ConditionError, ...]:
    """Return an error for each name that does not exist, with the most similar names that do.

    known: name of the field → all names that exist. Fields that are left out are not checked.
    """
    return tuple(
        ConditionError(
            path,
            f"There is no {leaf.field.label} “{value}”.",
            wrong=value,
            nearest=nearest(value, known[leaf.field.name]),
        )
        for leaf, path, value in _values(condition, ())
        if leaf.field.name in known and value not in known[leaf.field.name]
    )


def nearest(wrong: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the names that are most similar to a wrong name, without regard to case or accents."""
    folded = {fold(name): name for name in names}
    return tuple(folded[match] for match in get_close_matches(fold(wrong), folded, _MAX_NEAREST))


def _values(condition: Condition, path: Path) -> Iterator[tuple[Leaf, Path, str]]:
    """Yield every text value of a condition, with its leaf and its place in the JSON."""
    if not isinstance(condition, Leaf):
        for place, member in enumerate(condition.members):
            yield from _values(member, (*path, condition.kind, place))
    elif isinstance(condition.value, tuple):
        for place, value in enumerate(condition.value):
            yield condition, (*path, "value", place), value
    elif isinstance(condition.value, str):
        yield condition, (*path, "value"), condition.value
