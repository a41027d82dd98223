"""A mail system that runs during all tests of this folder, and our connected mailbox in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Department, User
from listening.models import Source
from scrm import pipeline
from scrm.net import http
from scrm.net.addresses import networks
from tests.real.mail import OURS, PASSWORD, MailSystem, missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "real":
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def mail() -> Iterator[MailSystem]:
    if why := missing():
        pytest.skip(why)
    with MailSystem() as system:
        yield system


@pytest.fixture
def loopback_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def private_media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def typed(mail: MailSystem, admin: User) -> Callable[..., dict[str, Any]]:
    """Return a function that returns form data for connecting the mailbox care@skyward.test."""

    def form(**facts: Any) -> dict[str, Any]:
        config = mail.config()
        config["sender"] = config.pop("name")
        return config | {
            "address": f"care@{OURS}", "password": PASSWORD, "owner": admin.pk, "do": "save",
        } | facts  # fmt: skip

    return form


@pytest.fixture
def care(
    mail: MailSystem,
    private_media: None,
    loopback_allowed: None,
    typed: Callable[..., dict[str, Any]],
    as_: Callable[[User], Client],
    admin: User,
    service: Department,
) -> Account:
    """Our mailbox, which an admin has connected with the form; customer service may use it."""
    mail.empty()
    answer = as_(admin).post(reverse("crm:connect", args=["email"]), typed())
    assert answer.status_code == 302, answer.content.decode()
    account = Account.objects.get(kind="email")
    service.accounts.add(account)
    pipeline.tick()
    assert Source.objects.get().account == account
    return account
