"""The table KINDS holds the label and icon of each kind of interaction.

All other code reads this table.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from crm.interaction_kinds import KINDS, WORK_KINDS, kind_icon, kind_label
from crm.models import Notice, User
from crm.offline_kinds import OFFLINE_KINDS
from responses.models import ResponseRule
from responses.templatetags.said import tone
from routing.forms import InboxForm, OfflineForm
from routing.rules import SCHEMA
from scrm.channels.base import AUTOMATIC, BOUNCE, NOTICE
from tests.test_architecture import ROOT, sources

ICONS = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons.svg").read_text()))


def written() -> Iterator[str]:
    """Yield each kind that our code gives to a new item, ledger entry or offline contact.

    Only kinds that are written as constants in the code are found.
    """
    for path in sources():
        for call in ast.walk(ast.parse(path.read_text())):
            name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and name in {"Entry", "Item", "OfflineContact"}:
                for keyword in call.keywords:
                    if keyword.arg == "kind":
                        yield from _constants(keyword.value)


def _constants(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from (*_constants(value.body), *_constants(value.orelse))
    if isinstance(value, ast.Constant):
        yield str(value.value)


def test_every_kind_that_is_written_has_a_label_and_an_icon() -> None:
    """The table KINDS contains every kind that the code gives to interactions.

    Bounces and delivery notices are not in the table, because they are never interactions. Fails if
    the table lacks a kind that the code uses.
    """
    found = set(written())
    assert {"post", "comment", "reply", "statement", "correction", "withdrawal"} <= found
    assert found | {AUTOMATIC} <= set(KINDS)
    # Bounces and delivery notices are never recorded as interactions.
    assert not {BOUNCE, NOTICE} & set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_label_of_its_own_and_an_icon_that_exists(kind: str) -> None:
    """Each kind has a different label, and its icon exists.

    Fails if two kinds have the same label, or if an icon does not exist.
    """
    assert [str(look.label) for look in KINDS.values()].count(kind_label(kind)) == 1
    assert kind_icon(kind) in ICONS


def test_a_kind_that_no_longer_exists_is_shown_by_its_name() -> None:
    assert (kind_label("telegram"), kind_icon("telegram")) == ("telegram", "message-circle")


@pytest.mark.django_db
def test_forms_filters_and_rules_offer_every_offline_kind(agent: User) -> None:
    """The offline form, the filter of the inbox and the routing rules offer the kinds of the table.

    Fails if one of them has its own list of kinds.
    """
    offered = OfflineForm(user=agent).fields["kind"].choices  # type: ignore[attr-defined]
    assert [kind for kind, _label in offered] == list(OFFLINE_KINDS)
    tabs = OfflineForm(user=agent, initial={"kind": "other"}).fields["kind"].widget.choices  # type: ignore[attr-defined]
    assert {kind for kind, _label in tabs} == set(OFFLINE_KINDS) - {"call", "letter"}
    filters = InboxForm(user=agent).fields["kind"].choices  # type: ignore[attr-defined]
    assert [kind for kind, _label in filters] == ["", *WORK_KINDS]
    assert SCHEMA["kind"].choices == tuple(WORK_KINDS)


@pytest.mark.parametrize("kind", Notice.Kind)
def test_every_kind_of_notice_has_an_icon_and_a_tone(kind: Notice.Kind) -> None:
    """Each kind of notice has an icon that exists and a tone (its colour).

    Fails if a kind of notice is missing in the table.
    """
    notice = Notice(kind=kind)
    assert notice.icon in ICONS
    assert notice.tone in {"", "ok", "warn", "bad"}


@pytest.mark.parametrize("verdict", ResponseRule.Verdict)
def test_every_verdict_has_a_colour(verdict: str) -> None:
    """Each verdict of a business rule has a colour. Fails if a verdict is missing in the table."""
    assert tone(verdict) in {"ok", "warn", "bad"}
