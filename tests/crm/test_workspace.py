"""The settings of the workspace: organisation name, time zone, handles and signature."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from crm.models import User, Workspace

TYPED = {
    "organisation": "Acme", "zone": "Asia/Tokyo", "handles": "@acme, @help\n@acme",
    "signature": "Yours,\nAcme",
}  # fmt: skip


def test_an_admin_says_who_we_are(admin: User, as_: Any) -> None:
    browser = as_(admin)
    assert browser.post("/organisation/", TYPED).url == "/organisation/"
    here = Workspace.objects.here()
    assert here
    assert (here.organisation, here.handles) == ("Acme", ["@acme", "@help"])
    browser.post("/organisation/", TYPED | {"organisation": "Acme Air"})
    assert Workspace.objects.get().organisation == "Acme Air"
    assert "@acme\n@help" in browser.get("/organisation/").content.decode()


def test_a_zone_that_is_none_is_refused_and_the_rest_is_kept(admin: User, as_: Any) -> None:
    page = as_(admin).post("/organisation/", TYPED | {"zone": "Mars/Olympus"})
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"zone"}
    assert "Yours,\nAcme" in page.content.decode()


def test_a_handle_that_is_far_too_long_is_refused(admin: User, as_: Any) -> None:
    page = as_(admin).post("/organisation/", TYPED | {"handles": "@" + "a" * 300})
    assert page.context["form"].errors.keys() == {"handles"}


def test_there_is_one(db: None) -> None:
    Workspace.objects.create(organisation="Acme")
    with pytest.raises(IntegrityError), transaction.atomic():
        Workspace.objects.create(id=2, organisation="Other")


def test_its_changes_are_kept(admin: User, as_: Any) -> None:
    as_(admin).post("/organisation/", TYPED)
    as_(admin).post("/organisation/", TYPED | {"signature": "Bye"})
    changes = Workspace.pgh_event_models  # type: ignore[attr-defined]
    (model,) = set(changes.values())
    assert list(model.objects.order_by("pk").values_list("signature", flat=True)) == [
        "Yours,\nAcme", "Bye",
    ]  # fmt: skip
