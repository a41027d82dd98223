"""A new account under an old handle is marked, and a renamed account keeps its history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from crm.handles import imitates, is_renamable
from crm.ledger import Entry, record
from crm.models import Account, Contact, Interaction, Profile, User
from crm.search import alike
from scrm.channels.base import Author

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def said(key: str, author: str, handle: str, name: str = "", network: str = "x") -> Entry:
    by = Author(network, author, handle=handle, name=name)
    return Entry(network, key, by, "x", "post", "public", f"words {key}")


def hear(*entries: Entry) -> None:
    record(entries, now=NOW)


def owner_of(key: str) -> str:
    """Return the key of the account whose handle this account took, or ""."""
    owner = Profile.objects.get(key=key).handle_was_of
    return owner.key if owner else ""


pytest_db = pytest.mark.django_db


@pytest_db
def test_a_new_account_under_an_old_handle_is_marked() -> None:
    """Ron renames his account, and somebody else takes the handle. Case does not matter."""
    hear(said("1", "1001", "@ron"))
    hear(said("2", "1001", "@ron_calder"))
    hear(said("3", "2002", "@Ron"))
    assert (owner_of("1001"), owner_of("2002")) == ("", "1001")


@pytest_db
def test_a_new_account_under_a_handle_in_use_is_marked() -> None:
    """Ron deleted his account, so nobody heard of a new handle."""
    hear(said("1", "1001", "@ron"))
    hear(said("2", "2002", "@ron"))
    assert (owner_of("1001"), owner_of("2002")) == ("", "1001")


@pytest_db
def test_of_two_accounts_in_one_fetch_the_later_is_marked() -> None:
    """Fails if the order of the keys decides instead of the order of the messages."""
    hear(
        said("1", "9", "@ron"),
        said("2", "9", "@ron_calder"),
        said("3", "5", "@ron_calder"),
        said("4", "3", "@ron_calder"),
    )
    assert (owner_of("9"), owner_of("5"), owner_of("3")) == ("", "9", "9")


@pytest_db
def test_an_account_known_for_long_is_marked_when_it_takes_the_handle() -> None:
    hear(said("1", "2002", "@someone"))
    hear(said("2", "1001", "@ron"))
    hear(said("3", "1001", "@ron_calder"))
    hear(said("4", "2002", "@ron"))
    assert (owner_of("1001"), owner_of("2002")) == ("", "1001")


@pytest_db
def test_an_account_that_returns_to_its_handle_is_not_marked_and_the_other_stays_marked() -> None:
    """Fails if the owner counts as an impostor, or if the impostor loses the mark by a rename."""
    hear(said("1", "1001", "@ron"))
    hear(said("2", "1001", "@ron_calder"))
    hear(said("3", "2002", "@ron"))
    hear(said("4", "2002", "@other"))
    hear(said("5", "1001", "@ron"))
    hear(said("6", "2002", "@ron"))
    assert (owner_of("1001"), owner_of("2002")) == ("", "1001")


@pytest_db
def test_the_same_handle_on_another_network_is_no_takeover() -> None:
    hear(said("1", "1001", "@ron"))
    hear(said("2", "2002", "@ron", network="y"))
    assert owner_of("2002") == ""


@pytest_db
def test_keys_made_of_the_handle_prove_nothing() -> None:
    """A CSV file without author ids, then one with them: the same person, not an impostor."""
    hear(said("1", "ron", "ron"))
    hear(said("2", "2002", "ron"))
    hear(said("3", "host#ron", "ron"))
    assert not Profile.objects.exclude(handle_was_of=None).exists()


@pytest_db
def test_the_contact_of_the_other_account_is_never_proposed(agent: User) -> None:
    """Fails if the copied handle or the copied name speaks for the impostor."""
    hear(said("1", "1001", "@roncalder", "Ron Calder"))
    ron = Contact.objects.create(name="Ron Calder")
    Profile.objects.get().link_to(ron, by=agent, evidence="He said so")
    hear(said("2", "2002", "@roncalder", "Ron Calder"))
    impostor = Profile.objects.get(key="2002")
    assert alike(impostor) == []
    assert impostor.contact is None
    timeline = Interaction.objects.filter(profile__in=Profile.objects.of_contact(ron))
    assert [row.key for row in timeline] == ["1"]


@pytest_db
def test_the_page_names_the_other_account(agent: User, as_: Callable[[User], Client]) -> None:
    hear(said("1", "1001", "@ron", "<b>Ron</b>"))
    hear(said("2", "2002", "@ron", "Ron"))
    old, new = Profile.objects.get(key="1001"), Profile.objects.get(key="2002")
    page = " ".join(as_(agent).get(new.get_absolute_url()).content.decode().split())
    assert (
        f'<a href="{old.get_absolute_url()}">&lt;b&gt;Ron&lt;/b&gt;</a>. It is a different' in page
    )
    assert "took the handle" not in as_(agent).get(old.get_absolute_url()).content.decode()


@pytest_db
def test_a_renamed_account_keeps_its_history(agent: User, as_: Callable[[User], Client]) -> None:
    hear(said("1", "1001", "@ron"))
    hear(said("2", "1001", "@ron_calder"))
    hear(said("3", "1001", "@ron_calder", "Ron Calder"))  # no rename of the account
    row = Profile.objects.get()
    contact = Contact.objects.create(name="Ron")
    row.link_to(contact, by=agent, evidence="He said so")
    for where in (row, contact):
        page = as_(agent).get(where.get_absolute_url()).content.decode()
        assert "was @ron until" in page
        assert "was @ron_calder" not in page
        assert "words 1" in page
        assert "words 3" in page


@pytest_db
def test_a_refused_form_keeps_the_former_handle(agent: User, as_: Callable[[User], Client]) -> None:
    hear(said("1", "1001", "@ron"))
    hear(said("2", "1001", "@ron_calder"))
    row = Profile.objects.get()
    for name in ("link", "make_contact"):
        answer = as_(agent).post(reverse(f"crm:{name}", args=[row.pk]), {})
        assert answer.status_code == 422
        assert "was @ron until" in answer.content.decode()


@pytest_db
def test_a_handle_like_ours_is_marked(
    agent: User, as_: Callable[[User], Client], admin: User
) -> None:
    Account.objects.create(
        kind="sandbox", network="x", self_key="1", address="@SkywardAir", name="us", owner=admin
    )
    hear(said("1", "2002", "@skywardalr"), said("2", "1", "@skywardair"), said("3", "3", "@ron"))
    marked = {
        key: "resembles our account @SkywardAir"
        in as_(agent).get(Profile.objects.get(key=key).get_absolute_url()).content.decode()
        for key in ("2002", "1", "3")
    }
    assert marked == {"2002": True, "1": False, "3": False}


@pytest_db
def test_our_other_account_is_no_impostor(admin: User, as_: Callable[[User], Client]) -> None:
    """Fails if our own accounts are compared with one another, also after one is retired."""
    for key, handle, is_active in (("1", "@SkywardAir", True), ("2", "@SkywardAir1", False)):
        Account.objects.create(
            kind="sandbox", network="x", self_key=key, address=handle, name=handle, owner=admin,
            is_active=is_active,
        )  # fmt: skip
    hear(said("1", "2", "@skywardair1"))
    page = as_(admin).get(Profile.objects.get().get_absolute_url()).content.decode()
    assert "resembles our account" not in page


@pytest.mark.parametrize(
    ("handle", "ours"),
    [
        ("skywardalr", "@SkywardAir"),
        ("@Skyward_Air", "@SkywardAir"),
        ("skyvvardair", "@SkywardAir"),
        ("skyw\u0430rdair", "@SkywardAir"),  # Cyrillic a
        ("skywardair1", "@SkywardAir"),
        ("skywardir", "@SkywardAir"),
        ("acme@evil.example", "@acme@social.example"),
        ("acm3", "@acme"),
        ("care@skyw4rd.example", "care@skyward.example"),
    ],
)
def test_imitations(handle: str, ours: str) -> None:
    assert imitates(handle, ours)


@pytest.mark.parametrize(
    ("handle", "ours"),
    [
        ("@skywardair", "@SkywardAir"),
        ("skywardairlines", "@SkywardAir"),
        ("acne", "@acme"),
        ("care@other.example", "care@skyward.example"),
        ("ron", "https://skyward.example/feed"),
        ("", "@SkywardAir"),
        ("...", ""),
    ],
)
def test_what_imitates_nothing(handle: str, ours: str) -> None:
    assert not imitates(handle, ours)


@given(st.text(max_size=40), st.text(max_size=40))
def test_imitation_works_both_ways_and_nothing_imitates_itself(one: str, other: str) -> None:
    one, other = f"@skyward{one}", f"@skyward{other}"
    assert imitates(one, other) == imitates(other, one)
    assert not imitates(one, one)


@given(st.text("abcdeghkopqstuxyz", min_size=6, max_size=20), st.data())
def test_every_change_of_one_character_is_found(name: str, data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(name) - 1))
    char = data.draw(st.sampled_from("abcdeghkopqstuxyz\u0430"))
    changed = [
        name[:where] + char + name[where:],
        name[:where] + name[where + 1 :],
        name[:where] + char + name[where + 1 :],
    ]
    assert all(imitates(each, f"@{name}") for each in changed if each != name)


def test_a_mail_address_is_no_key_of_its_own() -> None:
    assert not is_renamable(key="ron@x.example", handle="Ron@x.example")
    assert not is_renamable(key="1001", handle="")
    assert is_renamable(key="did:plc:1", handle="ron.bsky.social")
