"""The list of networks on the accounts page and in the docs is made from the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from crm.models import User
from scrm.channels.overview import overviews
from scrm.channels.registry import UNFETCHED_KINDS, channel, kinds
from scrm.management.commands.channel_index import index

DOCS = Path(__file__).parents[2] / "docs" / "channels"


def test_the_index_in_the_docs_agrees_with_the_registry() -> None:
    assert (DOCS / "README.md").read_text() == index()


def test_every_network_has_a_page_in_the_docs() -> None:
    assert [row.kind for row in overviews() if not (DOCS / f"{row.kind}.md").is_file()] == []


@pytest.mark.django_db
def test_the_accounts_page_lists_every_network_with_its_costs(client: Client, admin: User) -> None:
    client.force_login(admin)
    page = client.get("/our-accounts/").content.decode()
    rows = overviews()
    assert len(rows) >= 6
    for row in rows:
        assert row.label in page
        assert row.hears in page
        assert row.costs in page


def test_the_kinds_that_are_not_fetched_have_no_listener() -> None:
    """The registry names these kinds, because it must not import all channels to find out."""
    unfetched = {kind for kind in kinds() if channel(kind).listener is None}
    assert unfetched == UNFETCHED_KINDS
