"""The items that a source finds in the sandbox, and the limits of one fetch."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.db import connections

from scrm.channels.base import (
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Item,
    Json,
    Outgoing,
)
from scrm.channels.sandbox import community, remote
from scrm.channels.sandbox.channel import SandboxEditor, SandboxListener, SandboxSpeaker
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import BLOG, MAIL, MICROBLOG

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
US = Credentials(MICROBLOG, "skywardair", address="@SkywardAir")
OUR_MAIL = Credentials(MAIL, "care@skyward.example")
OUR_BLOG = Credentials(BLOG, "skyward-blog")
SPEAKER = SandboxSpeaker()
LISTENER = SandboxListener()


def hear(address: str, credentials: Credentials | None = US, seq: int = 0) -> Batch:
    return LISTENER.listen(FetchRequest(address, {"seq": seq}, credentials))


def heard(address: str, credentials: Credentials | None = US) -> dict[str, Item]:
    return {item.key: item for item in hear(address, credentials).items}


def public(nonce: str, text: str = "We are looking into it.", in_reply_to: str = "") -> Outgoing:
    return Outgoing(nonce, text, in_reply_to=in_reply_to, visibility="public")


def test_a_search_finds_any_of_its_words_and_without_words_everything_public() -> None:
    bag = community.post(MICROBLOG, "gracembeki", "Lost LUGGAGE in Oslo")
    seat = community.post(MICROBLOG, "misaki_s", "Seat policy, straße")
    cat = community.post(MICROBLOG, "nikos_pap", "My cat")
    assert set(heard("search")) == {bag, seat, cat}
    assert set(heard("search:luggage STRASSE", None)) == {bag, seat}


def test_mentions_are_what_names_us_what_answers_us_and_what_we_said() -> None:
    named = community.post(MICROBLOG, "gracembeki", "hello @skywardAIR!")
    community.post(MICROBLOG, "gracembeki", "hello @skywardairlines, mail@skywardair")
    about = community.post(MICROBLOG, "gracembeki", "Skyward Air is late")
    ours = SPEAKER.send(US, public("n-1", in_reply_to=about)).key
    back = community.post(MICROBLOG, "gracembeki", "why?", in_reply_to=ours)
    community.post(MICROBLOG, "nikos_pap", "yes, why?", in_reply_to=back)
    items = heard("mentions")
    assert set(items) == {named, ours, back}
    assert items[back].in_reply_to == ours


def test_an_item_carries_its_author_its_time_and_its_raw_form() -> None:
    key = community.post(MICROBLOG, "roncalder", "Grüße", at=NOON)
    item = heard("search")[key]
    assert (item.author.network, item.author.key) == (MICROBLOG, "roncalder")
    assert item.author.name == "Ron Calder"
    assert item.author.reach == 1_600_000
    assert item.occurred_at == NOON
    assert item.scope == MICROBLOG
    assert item.thread_key == key
    raw = json.loads(item.raw)
    assert raw["text"] == "Grüße"
    assert "nonce" not in raw


def test_a_second_visit_goes_on_where_the_first_ended() -> None:
    keys = [community.post(MICROBLOG, "nikos_pap", f"post {number}") for number in range(70)]
    first = hear("search")
    assert [item.key for item in first.items] == keys
    new = community.post(MICROBLOG, "nikos_pap", "post 70")
    again = hear("search", seq=first.cursor["seq"])
    assert again.items[-1].key == new
    assert len(again.items) <= 51
    assert again.cursor["seq"] == first.cursor["seq"] + 1


def test_a_long_past_comes_in_visits_of_five_hundred() -> None:
    Post.objects.bulk_create(
        Post(
            network=MICROBLOG,
            key=f"k{number}",
            thread_key=f"k{number}",
            author_key="nikos_pap",
            text="late again",
            visibility="public",
        )
        for number in range(1_200)
    )
    keys: set[str] = set()
    seq = 0
    for _ in range(3):
        batch = hear("search", seq=seq)
        assert len(batch.items) <= 500
        keys |= {item.key for item in batch.items}
        seq = batch.cursor["seq"]
    assert len(keys) == 1_200


def test_a_row_that_commits_after_a_later_one_is_still_heard() -> None:
    """A row is found even if it is committed only after a fetch has read a row with a higher id.

    The ids are assigned before the commit. Fails if a fetch reads only rows above its cursor,
    because it then misses such a row.
    """
    slow = connections["default"].copy()
    try:
        slow.set_autocommit(False)
        with slow.cursor() as cursor:
            cursor.execute(
                "INSERT INTO sandbox_post (network, key, thread_key, parent_key, author_key,"
                " author_handle, author_name, author_url, title, text, visibility, to_key, nonce,"
                " created_at) VALUES (%s, 'early', 'early', '', 'nikos_pap', '', '', '', '',"
                " 'first', 'public', '', '', now())",
                [MICROBLOG],
            )
        late = community.post(MICROBLOG, "gracembeki", "second")
        first = hear("search")
        assert [item.key for item in first.items] == [late]
        slow.commit()
    finally:
        slow.close()
    assert [item.key for item in hear("search", seq=first.cursor["seq"]).items] == ["early", late]


def changes(cursor: Json) -> tuple[list[tuple[str, str, str]], Json]:
    """Return kind, key and text of the changes of the next fetch, and the cursor after it."""
    batch = LISTENER.listen(FetchRequest("mentions", cursor, US))
    return [(change.kind, change.key, change.text) for change in batch.changes], batch.cursor


def test_a_change_is_reported_once_to_those_who_fetched_before_it() -> None:
    """Fails if a first fetch reports an edit that its posts already contain."""
    key = community.post(MICROBLOG, "gracembeki", "@skywardair my bag")
    community.edit(MICROBLOG, key, "@skywardair my bags")
    found, cursor = changes({})
    assert found == []
    community.edit(MICROBLOG, key, "@skywardair both my bags")
    community.delete(MICROBLOG, key)
    found, cursor = changes(cursor)
    assert found == [("edited", key, "@skywardair both my bags"), ("deleted", key, "")]
    assert changes(cursor)[0] == []


def test_a_change_that_commits_late_is_reported() -> None:
    """Fails if the cursor passes the number of a change that is not committed yet."""
    early, late = (community.post(MICROBLOG, "gracembeki", "@skywardair") for _ in range(2))
    _, cursor = changes({})
    slow = connections["default"].copy()
    try:
        slow.set_autocommit(False)
        with slow.cursor() as connection:
            remote.remove(connection, MICROBLOG, early)
        community.delete(MICROBLOG, late)
        found, cursor = changes(cursor)
        assert found == [("deleted", late, "")]
        slow.commit()
    finally:
        slow.close()
    assert changes(cursor)[0] == [("deleted", early, "")]


def test_our_own_corrections_are_no_changes() -> None:
    _, cursor = changes({})
    receipt = SPEAKER.send(US, public("n-1"))
    SandboxEditor().amend(US, receipt, public("n-2", "We found it."))
    assert changes(cursor)[0] == []


def test_duplicates_come_twice_and_again_and_move_no_cursor_back() -> None:
    key = community.post(MICROBLOG, "gracembeki", "once")
    before = hear("search").cursor["seq"]
    community.fail(MICROBLOG, "duplicate")
    batch = hear("search", seq=before)
    assert [item.key for item in batch.items] == [key, key]
    assert batch.cursor["seq"] == before
    assert [item.key for item in hear("search", seq=before).items] == [key]


def test_a_listener_that_is_down_says_so() -> None:
    community.fail(MICROBLOG, "down", call="listen")
    with pytest.raises(ChannelError) as down:
        hear("search")
    assert not down.value.permanent
    assert not down.value.uncertain


@pytest.mark.parametrize(
    ("address", "credentials"),
    [("nowhere", US), ("mentions", None), ("inbox", US), ("comments", OUR_MAIL)],
)
def test_what_cannot_be_heard_is_refused_in_words(
    address: str, credentials: Credentials | None
) -> None:
    with pytest.raises(ChannelError) as refused:
        hear(address, credentials)
    assert refused.value.permanent
    assert address in refused.value.message


def test_discovery_offers_what_the_account_can_hear() -> None:
    def offered(address: str, credentials: Credentials | None) -> list[str]:
        return [found.address for found in LISTENER.discover(address, credentials)]

    assert offered("", US) == ["search", "mentions"]
    assert offered("search:bag seat", None) == ["search:bag seat", "search"]
    assert offered("", OUR_MAIL) == ["inbox"]
    assert offered("", OUR_BLOG) == ["comments"]
    for credentials in (US, OUR_MAIL, OUR_BLOG):
        for address in offered("", credentials):
            hear(address, credentials)
