"""Whether mail leaves, and that no page says it did where it did not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from structlog.testing import capture_logs

from crm.models import User

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"
READ = """
import json, scrm.settings as s
names = "BACKEND HOST PORT HOST_USER HOST_PASSWORD USE_TLS USE_SSL TIMEOUT".split()
print(json.dumps({name: getattr(s, f"EMAIL_{name}") for name in names}
    | {"FROM": s.DEFAULT_FROM_EMAIL}))
"""


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def no_server(settings: Any) -> None:
    settings.EMAIL_BACKEND = NO_SERVER


def settings_with(**facts: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "EMAIL_URL"} | facts
    return subprocess.run(
        [sys.executable, "-c", READ], env=env, capture_output=True, text=True, check=False
    )


def test_without_an_address_no_mail_is_sent() -> None:
    assert json.loads(settings_with().stdout)["BACKEND"] == NO_SERVER


def test_the_address_names_the_server() -> None:
    url = "submission://us:p%40ss@mail.example/?_default_from_email=scrm@skyward.example"
    assert json.loads(settings_with(EMAIL_URL=url).stdout) == {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "HOST": "mail.example", "PORT": 587, "HOST_USER": "us", "HOST_PASSWORD": "p@ss",
        "USE_TLS": True, "USE_SSL": False, "TIMEOUT": 10, "FROM": "scrm@skyward.example",
    }  # fmt: skip


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://mail:port"])
def test_a_bad_address_stops_the_start_with_its_name(url: str) -> None:
    failed = settings_with(EMAIL_URL=url)
    assert failed.returncode != 0
    assert "EMAIL_URL" in failed.stderr.splitlines()[-1]


def test_an_invitation_without_a_server_is_handed_over(
    no_server: None, admin: User, as_: Callable[[User], Client]
) -> None:
    typed = {"email": "nina@scrm.example", "name": "Nina", "role": ""}
    page = as_(admin).post("/people/invite/", typed).content.decode()
    assert "No mail server is set up" in page
    assert "It was mailed" not in page
    assert "/account/password/reset/key/" in page


def test_who_forgot_a_password_without_a_server_is_sent_to_an_admin(
    no_server: None, admin: User, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = Client().get("/account/password/reset/").content.decode()
    assert "Ask an admin" in asked
    assert "<form" not in asked
    answer = Client().post("/account/password/reset/", {"email": admin.email}, follow=True)
    assert "Ask an admin" in answer.content.decode()
    assert "Look into your mail" not in answer.content.decode()
    assert "/reset/key/1" not in "".join(capfd.readouterr())


def test_a_server_that_does_not_answer_tells_a_stranger_nothing(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise SMTPServerDisconnected(f"lost while mailing {admin.email}")

    monkeypatch.setattr(mail.EmailMessage, "send", down)
    with capture_logs() as log:
        answers = {
            Client().post("/account/password/reset/", {"email": email}).status_code
            for email in (admin.email, "nobody@scrm.example")
        }
    assert answers == {302}
    assert admin.email not in str(log)
