from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from django.test import Client

from crm.models import User

As = Callable[[User], Client]
STATIC = Path(__file__).parents[2] / "static"


def test_the_style_page_shows_every_token_and_every_icon(as_: As, admin: User) -> None:
    page = as_(admin).get("/style/").content.decode()
    tokens = set(re.findall(r"--([a-z-]+): light-dark", (STATIC / "css/base.css").read_text()))
    icons = set(re.findall(r'id="([a-z-]+)"', (STATIC / "icons.svg").read_text()))
    assert {name for name in tokens if f"var(--{name})" not in page} == set()
    assert {name for name in icons if f"#{name}" not in page} == set()


def test_it_shows_an_error_at_its_field(as_: As, admin: User) -> None:
    page = as_(admin).get("/style/").content.decode()
    assert 'aria-invalid="true"' in page
    assert "Choose at least one account." in page
