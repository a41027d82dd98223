"""Create topics from a CSV file of topic profiles, as Radian6 has them.

Each row is one keyword group: the name of its profile, the name of the group if the profile has
several, and the words of which an item must contain any, all or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm.models import User
from listening.forms import LISTS, TopicForm
from listening.models import Topic
from scrm.text.csv_file import Bad, Row, Sheet, Unreadable, read
from scrm.text.fold import fold

MAX_ROWS = 500
_COLUMNS = {
    "profile": {"topic profile", "profile", "profile name", "topic", "name"},
    "group": {"keyword group", "group", "group name"},
    "any_of": {"any", "any of", "keywords", "or"},
    "all_of": {"all", "all of", "and"},
    "none_of": {"none", "none of", "not", "exclude", "excluded"},
}


@dataclass(frozen=True, slots=True)
class Result:
    """What an import did.

    created: the new topics. existing: the topics whose names were taken; they were not changed.
    bad: the rows that could not be read as a topic.
    """

    created: list[Topic] = field(default_factory=list)
    existing: list[Topic] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)


def read_profiles(raw: bytes) -> Sheet:
    """Parse the file. Raises Unreadable, also if the columns are not named as expected."""
    sheet = read(raw, heading=True)
    found = _numbers(sheet)
    if "profile" not in found or not {"any_of", "all_of"} & found.keys():
        raise Unreadable(_("The first row must name the columns: profile, group, any, all, none."))
    if len(sheet.rows) > MAX_ROWS:
        raise Unreadable(_("This file has more than %(most)s rows.") % {"most": MAX_ROWS})
    return sheet


def import_profiles(sheet: Sheet, *, by: User) -> Result:
    """Create a topic for each row whose name is new."""
    result, numbers = Result(), _numbers(sheet)
    for row in sheet.rows:
        cells = {
            name: row.cells[n].strip() if n < len(row.cells) else "" for name, n in numbers.items()
        }
        if row.wrong:
            result.bad.append(Bad(row, "", row.wrong))
            continue
        name = ": ".join(filter(None, (cells["profile"], cells.get("group", ""))))
        if known := Topic.objects.filter(name=name).first():
            result.existing.append(known)
        else:
            _create(row, name, cells, result, by)
    return result


def _create(row: Row, name: str, cells: dict[str, str], result: Result, by: User) -> None:
    words = {each: cells.get(each, "").replace(";", "\n") for each in LISTS}
    form = TopicForm({"name": name, "owner": by.pk, **words})
    if form.is_valid():
        try:
            # The savepoint keeps the topics of the other rows if the name was just taken.
            with transaction.atomic():
                result.created.append(form.keep(by=by))
        except IntegrityError:
            result.bad.append(Bad(row, name, _("Another user has just created this topic.")))
        return
    for errors in form.errors.values():
        result.bad.extend(Bad(row, name, str(error)) for error in errors)


def _numbers(sheet: Sheet) -> dict[str, int]:
    """Return the number of each column that the heading names."""
    names: Sequence[str] = [" ".join(fold(cell[:100]).split()) for cell in sheet.heading]
    return {
        content: n
        for content, words in _COLUMNS.items()
        for n, name in enumerate(names)
        if name in words and not words & set(names[:n])
    }
