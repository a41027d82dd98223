"""Comments of a blog that were edited, moved to the trash, marked as spam, deleted or pinged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scrm.channels.base import Batch, Credentials, FetchRequest, Json
from scrm.channels.wordpress import hear
from scrm.channels.wordpress.hear import WordPressListener
from scrm.net import http
from scrm.net.addresses import networks
from tests.channels.test_wordpress_site import POST
from tests.standins.wordpress import PASSWORD, USER, Blog


@pytest.fixture
def blog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blog]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with Blog() as blog:
        yield blog


def listen(blog: Blog, cursor: Json | None = None) -> Batch:
    account = Credentials(
        "wordpress:blog.example", "user-1", "http://blog.example",
        {"user": USER, "password": PASSWORD}, {"api": f"{blog.url}/wp-json/"},
    )  # fmt: skip
    return WordPressListener().listen(FetchRequest("", cursor or {}, account))


def key(number: int) -> str:
    return f"//blog.example/?p=5#comment-{number}"


def hashes(batch: Batch) -> dict[str, str]:
    return {item.key: item.content_hash for item in batch.items}


def removed(batch: Batch) -> list[tuple[str, str]]:
    return [(change.kind, change.key) for change in batch.changes]


def test_an_edited_comment_has_another_hash_and_an_approved_one_has_not(blog: Blog) -> None:
    edited, approved = blog.comment("one"), blog.comment("two", status="hold")
    first = listen(blog)
    edited["content"] = {"raw": "one, edited", "rendered": "<p>one, edited</p>"}
    approved["status"] = "approved"
    second = listen(blog, first.cursor)
    assert hashes(first)[key(edited["id"])] != hashes(second)[key(edited["id"])]
    assert hashes(first)[key(approved["id"])] == hashes(second)[key(approved["id"])]
    assert "" not in hashes(first).values()


def test_the_time_of_the_last_edit_of_a_post_is_read() -> None:
    account = Credentials("wordpress:blog.example", "user-1", "http://blog.example", {}, {})
    item = hear._post(POST | {"modified_gmt": "2026-11-03T10:00:00"}, account)
    assert item.edited_at == datetime(2026, 11, 3, 10, tzinfo=UTC)
    assert hear._post(POST | {"modified_gmt": None}, account).edited_at is None


def test_a_plugin_that_renders_a_text_in_another_way_changes_no_hash(blog: Blog) -> None:
    row = blog.comment("one")
    first = listen(blog)
    row["content"] = {"raw": "one", "rendered": "<p>one <b>3 likes</b></p>"}
    assert hashes(first) == hashes(listen(blog, first.cursor))


@pytest.mark.parametrize("status", ["trash", "spam", "post-trashed", None])
def test_a_comment_that_was_removed_is_reported_once(blog: Blog, status: str | None) -> None:
    gone, stays = blog.comment("gone")["id"], blog.comment("stays")["id"]
    first = listen(blog)
    if status:
        blog.comments[gone]["status"] = status
    else:
        del blog.comments[gone]
    second = listen(blog, first.cursor)
    assert removed(second) == [("deleted", key(gone))]
    third = listen(blog, second.cursor)
    assert removed(third) == []
    assert key(stays) in hashes(first)


def test_the_last_comment_of_a_blog_can_be_removed(blog: Blog) -> None:
    gone = blog.comment("gone")["id"]
    cursor = listen(blog).cursor
    del blog.comments[gone]
    assert removed(listen(blog, cursor)) == [("deleted", key(gone))]


def test_a_comment_that_others_push_out_of_the_newest_is_not_removed(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hear, "COMMENTS", 12)
    blog.comment("old")
    cursor = listen(blog).cursor
    for n in range(12):
        blog.comment(f"new {n}")
    assert removed(listen(blog, cursor)) == []


def test_many_removed_comments_are_looked_up_in_several_fetches(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the comments that the first fetch does not look up are forgotten."""
    monkeypatch.setattr(hear, "LOOKUPS", 2)
    numbers = [blog.comment(f"text {n}")["id"] for n in range(5)]
    batch = listen(blog)
    blog.comments.clear()
    found: list[tuple[str, str]] = []
    for _ in range(4):
        batch = listen(blog, batch.cursor)
        found += removed(batch)
    assert sorted(found) == sorted(("deleted", key(number)) for number in numbers)


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_comment_that_we_may_not_read_is_not_looked_up_again(
    blog: Blog, is_changed: bool
) -> None:
    """Fails if one such comment makes each fetch fail. No other comment may be reported either."""
    number, gone = blog.comment("unreadable")["id"], blog.comment("gone")["id"]
    cursor = listen(blog).cursor
    blog.errors[number] = 403, "rest_cannot_read"
    blog.hidden.add(number)
    del blog.comments[gone]
    if is_changed:
        blog.comment("another")
    batch = listen(blog, cursor)
    assert removed(batch) == [("deleted", key(gone))]
    assert str(number) not in dict(batch.cursor["watched"])


@pytest.mark.parametrize("answer", [(404, "rest_no_route"), (400, "odd"), (410, "odd")])
def test_another_error_for_a_missing_comment_is_no_deletion(
    blog: Blog, answer: tuple[int, str]
) -> None:
    number = blog.comment("text")["id"]
    cursor = listen(blog).cursor
    blog.errors[number] = answer
    blog.hidden.add(number)
    second = listen(blog, cursor)
    assert removed(second) == []
    del blog.comments[number], blog.errors[number]
    assert removed(listen(blog, second.cursor)) == [("deleted", key(number))]


def test_comments_that_a_plugin_hides_do_not_delay_the_look_up_of_a_removed_one(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a page with a row less than requested counts as the whole list."""
    monkeypatch.setattr(hear, "COMMENTS", 12)
    monkeypatch.setattr(hear, "LOOKUPS", 2)
    for n in range(6):
        blog.comment(f"old {n}")
    gone = blog.comment("gone")["id"]
    cursor = listen(blog).cursor
    new = [blog.comment(f"new {n}")["id"] for n in range(11)]
    blog.hidden.add(new[3])
    del blog.comments[gone]
    cursor = {**cursor, "watched": sorted(cursor["watched"])}
    assert removed(listen(blog, cursor)) == [("deleted", key(gone))]


def test_after_an_upgrade_old_pings_are_left_out(blog: Blog) -> None:
    """Earlier versions read no pings: those of years would open cases."""
    blog.comment("[…] old […]", type="pingback", author_url="https://fly.example/old/")
    cursor = {name: mark for name, mark in listen(blog).cursor.items() if name != "watched"}
    cursor |= {"hash": "another", "comments": {"floor": 0}}
    comment = blog.comment("text")["id"]
    cursor = listen(blog, cursor).cursor
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    new = blog.comment("[…] new […]", type="pingback", date_gmt=moment)["id"]
    batch = listen(blog, cursor)
    assert {found for found in hashes(batch) if "comment" in found} == {key(comment), key(new)}


def test_a_row_whose_type_is_no_text_is_quarantined_alone(blog: Blog) -> None:
    blog.comment("odd", type=["comment"])
    good = blog.comment("good")["id"]
    batch = listen(blog)
    assert key(good) in hashes(batch)
    assert len(batch.unreadable) == 1


@pytest.mark.parametrize(("kind", "title"), [("pingback", "Pingback"), ("trackback", "Trackback")])
def test_pingbacks_and_trackbacks_are_heard(blog: Blog, kind: str, title: str) -> None:
    row = blog.comment(
        "[…] as the airline says […]", type=kind, author_name="Seats on planes | Fly blog",
        author_email="", author_url="https://fly.example/seats/",
    )  # fmt: skip
    item = next(item for item in listen(blog).items if item.key == key(row["id"]))
    assert item.title.startswith(title)
    assert (item.author.key, item.author.url) == ("site:fly.example", "https://fly.example/seats/")


def test_what_plugins_store_as_comments_is_left_out(blog: Blog) -> None:
    row = blog.comment("Order changed.", type="order_note")
    assert key(row["id"]) not in hashes(listen(blog))
