"""Reading a delivery: any body becomes either items, or errors that name the place in words."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.interaction_kinds import KINDS as LEDGER_KINDS
from crm.interaction_kinds import WORK_KINDS
from scrm.channels.base import Item
from scrm.channels.webhook.examples import KINDS, example
from scrm.channels.webhook.read import MAX_ERRORS, Reading, read
from scrm.channels.webhook.schema import SCHEMA
from scrm.channels.webhook.signature import Unverified, new_secret, sign, verify

HERE = "3f2b8a1e-0000-4000-8000-000000000001"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ITEM = SCHEMA["properties"]["items"]["items"]
AUTHOR = ITEM["properties"]["author"]["properties"]
FIELDS = [*ITEM["properties"], *(f"author.{name}" for name in AUTHOR)]


def reading(*items: Any) -> Reading:
    return read(json.dumps({"items": items}).encode(), HERE)


def item(**facts: Any) -> Item:
    (found,) = reading({"id": "1", "kind": "message", "text": "Hi", **facts}).items
    return found


def errors(**facts: Any) -> tuple[str, ...]:
    found = reading({"id": "1", "kind": "message", "text": "Hi", **facts})
    assert not found.items
    return found.errors


# Items


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_one_item_of_its_kind(kind: str) -> None:
    found = read(example(kind).encode(), HERE)
    assert found.errors == ()
    assert [each.kind for each in found.items] == [kind]


def test_the_kinds_are_those_that_become_cases() -> None:
    """A delivery can contain each kind of work, but no bounce and no text of ours.

    Fails if a kind is added to the ledger but not to the schema.
    """
    assert set(KINDS) == set(WORK_KINDS)
    assert "reply" in LEDGER_KINDS
    assert errors(kind="reply")
    assert errors(kind="bounce")


def test_all_fields_of_an_item() -> None:
    found = item(
        kind="post", title="Bag", url="https://a.example/1", language="de", thread=5, in_reply_to=4,
        occurred_at="2026-03-04T12:00:00+01:00", answers={"Stars": 4, "Why?": "Late", "Share": 0.5},
        author={"id": 7, "handle": "@ann", "name": "Ann", "reach": 12, "verified": True,
                "bio": "Flies", "place": "Berlin", "language": "de", "url": "https://a.example/a"},
    )  # fmt: skip
    assert (found.scope, found.key) == (f"webhook:{HERE}", "1")
    assert found.text == "Hi\n\nStars: 4\nWhy?: Late\nShare: 0.5"
    assert (found.title, found.url, found.language) == ("Bag", "https://a.example/1", "de")
    assert (found.thread_key, found.in_reply_to) == ("5", "4")
    assert found.occurred_at == datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=1)))
    author = found.author
    assert (author.network, author.key) == ("webhook", f"{HERE}#7")
    assert (author.handle, author.name, author.reach, author.verified) == ("@ann", "Ann", 12, True)
    assert (author.bio, author.place, author.language) == ("Flies", "Berlin", "de")
    assert json.loads(found.raw)["id"] == "1"


def test_an_id_that_changes_its_type_is_the_same_id() -> None:
    """7, 7.0 and "7" are the same id. Fails if `_key` does not convert numbers."""
    assert {item(id=each).key for each in (7, 7.0, "7", " 7 ")} == {"7"}
    keys = {item(author={"id": each}).author.key for each in (7, 7.0, "7")}
    assert keys == {f"{HERE}#7"}


@pytest.mark.parametrize(
    ("kind", "visibility"), [("post", "public"), ("comment", "public"), ("call", "private")]
)
def test_only_posts_and_comments_are_public_unless_stated(kind: str, visibility: str) -> None:
    assert item(kind=kind).visibility == visibility
    assert item(kind=kind, visibility="public").visibility == "public"
    assert item(kind=kind, visibility="private").visibility == "private"


def test_anonymous_items_have_different_authors() -> None:
    """Each anonymous item has its own author. Fails if they share one, and so one case."""
    one, two = reading(*({"id": n, "kind": "survey answer", "text": "Hi"} for n in (1, 2))).items
    assert one.author.key != two.author.key


def test_null_counts_as_missing() -> None:
    optional = {name: None for name in ITEM["properties"] if name not in ("id", "kind", "text")}
    assert item(**optional) == item()
    author = {name: None for name in AUTHOR if name != "id"}
    assert item(author={"id": "7", **author}).author == item(author={"id": "7"}).author


# Errors


@pytest.mark.parametrize(
    ("facts", "error", "got"),
    [
        ({"occurred_at": "yesterday"}, ("occurred_at: expected a date and time with a time zone, "
         "for example 2026-03-04T12:00:00+01:00"), "“yesterday”"),
        ({"occurred_at": "2026-03-04T12:00"}, ("occurred_at: expected a date and time with a time "
         "zone, for example 2026-03-04T12:00:00+01:00"), "“2026-03-04T12:00”"),
        ({"author": {"id": True}}, ("author.id: expected a text of 1 to 400 characters or a whole "
         "number"), "true or false"),
        ({"url": "javascript:alert(1)"}, ("url: expected a web address of at most 2000 characters "
         "that begins with https:// or http://"), "“javascript:alert(1)”"),
        ({"title": "x" * 1001}, "title: expected a text of at most 1000 characters",
         "1001 characters"),
        ({"answers": {"Why?": [4]}}, ("answers.Why?: expected a text of at most 20000 characters, "
         "or a number"), "a list"),
    ],
)  # fmt: skip
def test_an_error_names_the_place_and_what_is_expected(facts: Any, error: str, got: str) -> None:
    assert errors(**facts) == (f"items[0].{error}, got {got}",)


def test_what_is_missing_or_empty_is_an_error() -> None:
    expected = "expected a text of 1 to 400 characters or a whole number"
    assert errors(author={"name": "Ann"}) == (f"items[0].author.id: missing; {expected}",)
    assert errors(text=" ") == ("items[0].text: expected a text or answers; both are empty",)
    visible = "items[0].id: expected a text with at least one visible character"
    assert errors(id="\0") == (visible,)


def test_an_unknown_field_is_an_error_that_lists_the_fields() -> None:
    (error,) = errors(ocurred_at="2026-03-04T12:00:00Z")
    assert error.startswith("items[0].ocurred_at: unknown field; the fields are id, kind, text")


def test_two_items_of_one_delivery_have_different_ids() -> None:
    found = reading(*({"id": each, "kind": "message", "text": "Hi"} for each in (7, "7")))
    assert found.errors == ("items[1].id: expected a new id; items[0] has the same id",)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"hello", b"\xff\xfe", b"[]", b"7", b"null", b"{}", b'{"items": []}', b'{"items": {}}',
        b'{"items": [7]}', b'{"items": [{"id": NaN}]}', b"9" * 5_000, b"[" * 200_000,
        b'{"items":' * 40_000, b'{"items": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"items": [{"id": 1e999, "kind": "post", "text": "x"}]}',
        b'{"items": [{"id": 1, "kind": "post", "answers": {"a": 1e999}}]}',
    ],
)  # fmt: skip
def test_what_is_no_delivery_is_an_error(body: bytes) -> None:
    found = read(body, HERE)
    assert found.errors
    assert not found.items


def test_a_huge_number_is_an_answer() -> None:
    """Fails if `isfinite` is called with an integer that is too large for a float."""
    assert str(10**400) in item(answers={"n": 10**400}).text


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("hostile", ["a", "\0", "\ud800", "<", "@", "1", "[", " ", "é", "2026-"])
def test_200_000_hostile_characters_in_a_field_take_little_time(field: str, hostile: str) -> None:
    text = (hostile * 200_000)[:200_000]
    began = time.process_time()
    facts: Any = {"author": {"id": "7", field[7:]: text}} if "." in field else {field: text}
    found = reading({"id": "1", "kind": "message", "text": "Hi", **facts})
    assert found.items or all(len(each) < 500 for each in found.errors)
    assert time.process_time() - began < 1


def test_many_errors_are_cut_short() -> None:
    found = read(json.dumps({"items": [{f"x{n}": 1 for n in range(9_000)}]}).encode(), HERE)
    assert len(found.errors) == MAX_ERRORS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: (
        st.lists(part, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(FIELDS), part, max_size=6)
    ),
    max_leaves=20,
)
_ITEMS = st.fixed_dictionaries(
    {"id": st.integers() | st.text() | st.floats(), "kind": st.sampled_from(KINDS)},
    optional={
        "text": st.text(),
        "answers": st.dictionaries(st.text(), st.integers() | st.floats() | st.text(), max_size=3),
        "author": st.fixed_dictionaries({"id": st.integers() | st.text()}) | _JSON,
        "occurred_at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | _JSON,
        "thread": st.integers() | st.text() | st.floats(),
        "visibility": st.sampled_from(["public", "private", None]),
    },
)


@given(_JSON | st.fixed_dictionaries({"items": st.lists(_ITEMS | _JSON, max_size=3)}))
def test_any_json_becomes_items_or_errors(value: Any) -> None:
    found = read(json.dumps(value).encode(), HERE)
    assert bool(found.items) != bool(found.errors)
    assert all(each.key and each.text and each.author.key for each in found.items)


@given(st.binary(max_size=200))
def test_any_bytes_become_items_or_errors(body: bytes) -> None:
    found = read(body, HERE)
    assert bool(found.items) != bool(found.errors)


# Signatures


SECRET, OTHER = new_secret(), new_secret()
BODY = b'{"items": []}'


def refused(headers: dict[str, str], body: bytes = BODY, *secrets: str) -> Unverified:
    with pytest.raises(Unverified) as caught:
        verify(body, headers, secrets or (SECRET,), now=datetime.now(UTC))
    return caught.value


def signed(**changed: str) -> dict[str, str]:
    headers = sign(SECRET, "msg_1", BODY, now=datetime.now(UTC))
    return headers | {name.replace("_", "-"): value for name, value in changed.items()}


def test_any_secret_of_the_source_is_accepted_and_no_other() -> None:
    for secrets in ((SECRET,), (OTHER, SECRET), (SECRET, OTHER)):
        verify(BODY, signed(), secrets, now=datetime.now(UTC))
    assert refused(signed(), BODY, OTHER).fate == "forged"


def test_one_valid_signature_among_several_is_enough() -> None:
    """A sender that rotates its secret sends several signatures.

    Fails if the library gets the whole header, because it raises on the first damaged entry.
    """
    good = signed()["webhook-signature"]
    for header in (f"v1,AAAA {good}", f"nonsense {good}", f"v1a,xyz {good}", f"v1,é {good}"):
        verify(BODY, signed(webhook_signature=header), (SECRET,), now=datetime.now(UTC))


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": "msg_2"}, {"webhook_id": ""}, {"webhook_signature": "v1,"},
        {"webhook_signature": "v1"}, {"webhook_signature": "v2,AAAA"}, {"webhook_timestamp": "x"},
        {"webhook_signature": "v1,%%%"}, {"webhook_timestamp": "nan"}, {"webhook_signature": "é"},
        {"webhook_signature": "v1,AAAA " * 20_000},
    ],
)  # fmt: skip
def test_a_changed_header_is_refused(changed: dict[str, str]) -> None:
    assert refused(signed(**changed)).fate == "forged"


def test_a_changed_body_is_refused() -> None:
    assert refused(signed(), BODY + b" ").fate == "forged"
    assert refused(signed(), b"\xff").fate == "forged"


@pytest.mark.parametrize(
    ("seconds", "word"), [(-310, "before"), (310, "after"), (-(10**9), "before")]
)
def test_a_wrong_clock_is_refused_in_words(seconds: int, word: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    error = refused(sign(SECRET, "msg_1", BODY, now=moment))
    assert error.fate == "too old"
    assert f"seconds {word} the time here" in error.message
    assert "Check the clock" in error.message
