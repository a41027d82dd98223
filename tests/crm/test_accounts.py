from __future__ import annotations

from typing import Any

import pytest

from crm.models import Account, User

NEW = "/our-accounts/new/"


def typed(owner: User, **facts: Any) -> dict[str, Any]:
    return {
        "network": "sandbox.mail", "self_key": "Help@Skyward.example", "name": "Help desk",
        "owner": owner.pk,
    } | facts  # fmt: skip


@pytest.mark.parametrize(
    ("network", "said", "kind", "key"),
    [
        ("sandbox.mail", "Help@Skyward.example", "sandbox.mail", "help@skyward.example"),
        ("sandbox.x", "@SkywardAir", "sandbox.x", "SkywardAir"),
        ("offline", "ignored", "manual", ""),
    ],
)
def test_an_account_is_made_for_each_channel_without_secrets(
    admin: User, as_: Any, network: str, said: str, kind: str, key: str
) -> None:
    as_(admin).post(NEW, typed(admin, network=network, self_key=said))
    account = Account.objects.get()
    assert (account.kind, account.network, account.self_key) == (kind, network, key)


def test_a_name_is_needed_where_others_write_to_us(admin: User, as_: Any) -> None:
    response = as_(admin).post(NEW, typed(admin, self_key=" @ ", name="Kept name"))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"self_key"}
    assert "Kept name" in response.content.decode()


def test_the_same_account_twice_is_refused_by_its_name(admin: User, as_: Any) -> None:
    browser = as_(admin)
    browser.post(NEW, typed(admin))
    response = browser.post(NEW, typed(admin, name="Another"))
    assert response.status_code == 422
    assert "“Help desk” already uses this account." in response.content.decode()


def test_one_account_by_hand_is_enough(admin: User, as_: Any) -> None:
    browser = as_(admin)
    browser.post(NEW, typed(admin, network="offline"))
    assert browser.post(NEW, typed(admin, network="offline")).status_code == 422
    assert Account.objects.count() == 1


def test_a_rename_leaves_alone_who_we_are_there(admin: User, as_: Any, microblog: Account) -> None:
    as_(admin).post(f"/our-accounts/{microblog.pk}/", typed(admin, name="New name"))
    microblog.refresh_from_db()
    assert (microblog.name, microblog.self_key) == ("New name", "skywardair")


def test_all_sending_is_paused_and_resumed(admin: User, as_: Any, microblog: Account) -> None:
    browser, pause = as_(admin), f"/our-accounts/{microblog.pk}/pause/"
    browser.post(pause, {"to": "paused"})
    microblog.refresh_from_db()
    assert microblog.paused_at
    assert "sending is paused" in browser.get("/our-accounts/").content.decode()
    browser.post(pause, {"to": "active"})
    microblog.refresh_from_db()
    assert microblog.paused_at is None


def test_only_admins_see_accounts(supervisor: User, as_: Any, microblog: Account) -> None:
    browser = as_(supervisor)
    for page in ("/our-accounts/", NEW, f"/our-accounts/{microblog.pk}/"):
        assert browser.get(page).status_code == 403
    assert browser.post(f"/our-accounts/{microblog.pk}/pause/").status_code == 403
