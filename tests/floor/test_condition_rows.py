from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrm.conditions.form_rows import rows_from_json, rows_from_post
from scrm.conditions.language import ConditionErrors, Field, parse

SCHEMA = {
    "text": Field("text", "text", "text"),
    "reach": Field("reach", "number", "reach"),
    "known": Field("known", "bool", "contact is known"),
    "topics": Field("topics", "set", "topic"),
}
WORDS = st.text("abc é", min_size=1).map(str.strip).filter(bool)
LEAVES = st.one_of(
    WORDS.map(lambda word: {"field": "text", "op": "contains", "value": word}),
    st.integers(-1000, 10**9).map(lambda n: {"field": "reach", "op": "at least", "value": n}),
    st.booleans().map(lambda yes: {"field": "known", "op": "is", "value": yes}),
    st.lists(WORDS, min_size=1).map(lambda t: {"field": "topics", "op": "has any", "value": t}),
)
GROUPS = st.builds(
    lambda kind, members: {kind: members},
    st.sampled_from(["all", "any", "none"]),
    st.lists(LEAVES | LEAVES.map(lambda leaf: {"none": [leaf]}), min_size=1, max_size=5),
)


def posted(data: dict[str, object]) -> dict[str, str]:
    """Return the form data that a browser posts if the user changes nothing in this condition."""
    rows = rows_from_json(data, SCHEMA)
    fields = {"cond-match": rows.match}
    for place, row in enumerate(rows):
        if row.group:
            fields[f"cond-{place}-group"] = row.group
        else:
            fields[f"cond-{place}-field"] = row.field
            fields[f"cond-{place}-op"] = row.op
            fields[f"cond-{place}-value"] = row.value
    return fields


@given(GROUPS)
def test_what_a_page_shows_is_what_it_saves(data: dict[str, object]) -> None:
    assert rows_from_post(posted(data), SCHEMA)[0] == data


def test_no_rows_always_hold() -> None:
    assert rows_from_post({}, SCHEMA)[0] == {"all": []}


def test_a_leaf_alone_is_shown_as_a_group_of_one() -> None:
    leaf = {"field": "known", "op": "is", "value": True}
    assert rows_from_post(posted(leaf), SCHEMA)[0] == {"all": [leaf]}


def test_an_error_stands_at_its_row_even_after_blank_rows() -> None:
    typed = {"cond-0-field": "", "cond-3-field": "reach", "cond-3-op": "at least"}
    data, rows = rows_from_post(typed | {"cond-3-value": "many"}, SCHEMA)
    try:
        parse(data, SCHEMA)
    except ConditionErrors as errors:
        rows.say(errors)
    assert rows.rows[0].errors == ["Enter a number."]


def test_a_group_is_taken_away_when_asked() -> None:
    typed = {"cond-0-group": '{"none": []}', "cond-0-drop": "1"}
    assert rows_from_post(typed, SCHEMA)[0] == {"all": []}


@given(st.dictionaries(st.from_regex(r"cond-\d-(field|op|value|group|drop)"), st.text()))
def test_nothing_that_is_posted_breaks_it(data: dict[str, str]) -> None:
    condition, rows = rows_from_post(data, SCHEMA)
    try:
        parse(condition, SCHEMA)
    except ConditionErrors as errors:
        rows.say(errors)
        assert rows.errors or any(row.errors for row in rows.rows)
