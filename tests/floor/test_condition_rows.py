from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses.rules.judge import SCHEMA as RESPONSE_SCHEMA
from routing.rules import SCHEMA as ROUTING_SCHEMA
from scrm.conditions.form_rows import GroupRows, Row, is_change, rows_from_post
from scrm.conditions.language import MAX_DEPTH, ConditionErrors, Field, parse
from scrm.conditions.names import unknown_names
from tests.condition_fields import nodes, posted

SCHEMA = {
    "text": Field("text", "text", "text"),
    "reach": Field("reach", "number", "reach"),
    "known": Field("known", "bool", "contact is known"),
    "topics": Field("topics", "set", "topic"),
    "time": Field("time", "time", "time of day"),
}
FIELDS = [*ROUTING_SCHEMA.values(), *RESPONSE_SCHEMA.values()]
VALID = {"text": "seat", "set": "Brand", "number": "5", "bool": "yes", "time": "9:00-17:30"}
WORDS = st.text("abc é", min_size=1).map(str.strip).filter(bool)
LEAVES = st.one_of(
    WORDS.map(lambda word: {"field": "text", "op": "contains", "value": word}),
    st.integers(-1000, 10**9).map(lambda n: {"field": "reach", "op": "at least", "value": n}),
    st.booleans().map(lambda yes: {"field": "known", "op": "is", "value": yes}),
    st.lists(WORDS, min_size=1).map(lambda t: {"field": "topics", "op": "has any", "value": t}),
    st.just({"field": "time", "op": "not between", "value": ["22:00", "06:30"]}),
)
KINDS = st.sampled_from(["all", "any", "none"])


def _group(members: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[dict[str, object]]:
    lists = st.lists(members, min_size=1, max_size=4)
    return st.builds(lambda kind, inside: {kind: inside}, KINDS, lists)


GROUPS = _group(st.recursive(LEAVES, _group, max_leaves=12))


def row(path: str, field: str, op: str = "", value: str = "") -> dict[str, str]:
    return {
        f"cond-{path}-field": field,
        f"cond-{path}-op": op,
        f"cond-{path}-value": value,
    }


@given(GROUPS)
def test_what_a_page_shows_is_what_it_saves(data: dict[str, object]) -> None:
    assert rows_from_post(posted(data, SCHEMA), SCHEMA)[0] == data


def test_no_rows_always_hold() -> None:
    assert rows_from_post({}, SCHEMA)[0] == {"all": []}


def test_a_leaf_alone_is_shown_as_a_group_of_one() -> None:
    leaf = {"field": "known", "op": "is", "value": True}
    assert rows_from_post(posted(leaf, SCHEMA), SCHEMA)[0] == {"all": [leaf]}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_the_default_operator_of_every_field_can_be_saved(field: Field) -> None:
    """A user who chooses a field and a value and leaves the operator gets a valid condition.

    Fails if the default operator is the first of the whole list, which fits only some fields.
    """
    value = field.choices[0] if field.choices else VALID.get(field.type, "press")
    schema = {field.name: field}
    condition, _rows = rows_from_post(row("0", field.name, "", value), schema)
    assert parse(condition, schema).to_json() == condition


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_an_empty_value_is_refused_at_the_value_and_not_at_the_operator(field: Field) -> None:
    schema = {field.name: field}
    condition, rows = rows_from_post(row("0", field.name), schema)
    with pytest.raises(ConditionErrors) as refused:
        parse(condition, schema)
    assert [error.path[2] for error in refused.value.errors] == ["value"]
    rows.say(refused.value)
    shown = rows.root.members[0]
    assert isinstance(shown, Row)
    assert len(shown.errors) == 1
    assert "operator" not in shown.errors[0]


def test_an_error_stands_at_its_row_even_after_blank_rows_and_in_a_group() -> None:
    typed = {"cond-1-match": "any"} | row("0", "") | row("1.0", "")
    typed |= row("1.2", "reach", "at least", "many") | row("1.3", "text", "is", "x")
    data, rows = rows_from_post(typed, SCHEMA)
    with pytest.raises(ConditionErrors) as refused:
        parse(data, SCHEMA)
    rows.say(refused.value)
    wrong = [node for node in nodes(rows.root) if node.errors]
    assert [(node.path, node.errors) for node in wrong] == [("0.0", ["Enter a number."])]


def test_a_wrong_name_stands_at_its_row_with_the_nearest_names_and_one_press_uses_one() -> None:
    typed = {"cond-0-match": "any"} | row("0.0", "topics", "has any", "Brand, Bagage")
    data, rows = rows_from_post(typed, SCHEMA)
    errors = unknown_names(parse(data, SCHEMA), {"topics": ["Brand", "Baggage", "Seats"]})
    rows.say(ConditionErrors(errors))
    wrong = next(node for node in nodes(rows.root) if isinstance(node, Row))
    assert wrong.errors == ["There is no topic “Bagage”."]
    name, press = wrong.fixes[0]
    assert name == "Baggage"
    again, _rows = rows_from_post(typed | {"cond-use": press}, SCHEMA)
    leaf = {"field": "topics", "op": "has any", "value": ["Brand", "Baggage"]}
    assert again == {"all": [{"any": [leaf]}]}


def test_buttons_add_and_remove_rows_and_groups_without_a_script() -> None:
    typed = row("0", "known", "is", "yes")
    leaf = {"field": "known", "op": "is", "value": True}
    assert is_change(typed | {"cond-add": ""})
    assert not is_change(typed)
    _data, rows = rows_from_post(typed | {"cond-add-group": ""}, SCHEMA)
    assert [node.path for node in nodes(rows.root)] == ["0", "1", "1.0"]
    grouped = typed | {"cond-1-match": "none"} | row("1.0", "reach", "at least", "5")
    inner = {"none": [{"field": "reach", "op": "at least", "value": 5}]}
    assert rows_from_post(grouped, SCHEMA)[0] == {"all": [leaf, inner]}
    _data, rows = rows_from_post(grouped | {"cond-add": "1"}, SCHEMA)
    assert [node.path for node in nodes(rows.root)] == ["0", "1", "1.0", "1.1"]
    assert rows_from_post(grouped | {"cond-remove": "1"}, SCHEMA)[0] == {"all": [leaf]}
    assert rows_from_post(grouped | {"cond-remove": "0"}, SCHEMA)[0] == {"all": [inner]}


def test_groups_can_be_added_as_deep_as_conditions_may_be() -> None:
    typed: dict[str, str] = {}
    for _ in range(MAX_DEPTH + 3):
        _data, rows = rows_from_post(typed, SCHEMA)
        deepest = [node for node in nodes(rows.root) if isinstance(node, GroupRows)]
        at = deepest[-1].path if deepest else ""
        _data, rows = rows_from_post(typed | {"cond-add-group": at}, SCHEMA)
        typed = {node.name: "all" for node in nodes(rows.root) if isinstance(node, GroupRows)}
        leaf = f"{max(typed, key=len)[5:-6]}.0"
        typed |= row(leaf, "known", "is", "yes")
    condition = rows_from_post(typed, SCHEMA)[0]
    assert parse(condition, SCHEMA).to_json() == condition


paths = st.from_regex(r"\A\d(\.\d){0,3}\Z")
names = st.builds(
    lambda path, part: f"cond-{path}-{part}",
    paths,
    st.sampled_from(["field", "op", "value", "match"]),
) | st.sampled_from(["cond-match", "cond-add", "cond-add-group", "cond-remove", "cond-use"])
typed_values = st.text() | paths | st.sampled_from([*SCHEMA, "any", json.dumps(["0", "a", "b"])])


@given(st.dictionaries(names, typed_values))
def test_nothing_that_is_posted_breaks_it(data: dict[str, str]) -> None:
    condition, rows = rows_from_post(data, SCHEMA)
    try:
        parse(condition, SCHEMA)
    except ConditionErrors as errors:
        rows.say(errors)
        assert rows.errors or any(node.errors for node in nodes(rows.root))
