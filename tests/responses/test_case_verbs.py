"""The table of actions (`CASE_VERBS`) is the only source for all places that show actions.

These places are the case page, the bulk actions, the shortcuts and the command palette.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from django.test import Client
from django.urls import include, path, reverse

import routing.urls
from crm.models import User
from responses.case_verbs import CASE_VERBS
from routing.case_verb import Bulk, CaseVerb
from routing.forms import ReasonForm
from routing.models import Case

As = Callable[[User], Client]
DESK = {"HX-Request": "true", "HX-Target": "open"}
ESCALATE = CaseVerb(
    name="escalate",
    key="y",
    label="Escalate",
    run=lambda case, asked: case.tag(add=["escalated"], by=asked.by),
    message=lambda case: f"Escalated #{case.pk}.",
    undoable=True,
    bulk=Bulk(label="Escalate all", message="Escalated: %s"),
)
ESCALATE_WITH_REASON = replace(ESCALATE, form=ReasonForm, bulk=replace(ESCALATE.bulk, on_bar=True))


@pytest.fixture(params=[ESCALATE, ESCALATE_WITH_REASON], ids=["button", "form"])
def made_up(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> CaseVerb:
    """Add an action with its own URL to the table for the duration of one test."""
    verb: CaseVerb = request.param
    monkeypatch.setitem(CASE_VERBS, verb.name, verb)
    urls = ModuleType("urls_with_made_up_verb")
    patterns = [*routing.urls.urlpatterns, routing.urls.verb_path(verb)]
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("", include((patterns, "routing"))),
        path("", include("scrm.urls")),
    ]
    settings.ROOT_URLCONF = urls
    return verb


def squeeze(html: str) -> str:
    return " ".join(html.split())


def test_one_entry_puts_a_verb_on_the_page_in_the_bar_the_keys_and_the_palette(
    as_: As, agent: User, complaint: Case, made_up: CaseVerb
) -> None:
    """An action that is added to the table appears in each place that shows actions.

    Fails if a template has its own list of actions.
    """
    page = squeeze(as_(agent).get(complaint.get_absolute_url()).content.decode())
    assert f'action="/cases/{complaint.pk}/escalate/"' in page
    assert 'data-verb="escalate" data-key="y"' in page
    assert 'name="verb" value="escalate" data-bulk-key="y">Escalate all</button>' in page
    leads_to_field = ' data-form="escalate"' if made_up.asks else ""
    assert f"<dt><kbd{leads_to_field}>y</kbd></dt><dd>Escalate</dd>" in page
    assert 'value="escalate">Escalate <kbd>y</kbd></button>' in page


def test_one_entry_makes_a_verb_work_on_one_case_and_on_many(
    as_: As, agent: User, complaint: Case, made_up: CaseVerb
) -> None:
    client = as_(agent)
    answer = client.post(f"/cases/{complaint.pk}/escalate/", headers=DESK).content.decode()
    assert f"Escalated #{complaint.pk}." in answer
    assert 'name="how"' in answer, "it offers an undo"
    complaint.refresh_from_db()
    assert complaint.tags == ["escalated"]
    Case.objects.update(tags=[])
    shown = f"{complaint.pk}:{complaint.last_inbound_id}:0"
    fields = {"verb": "escalate", "case": [shown], "form": str(uuid.uuid4())}
    assert "Escalated: 1 case." in client.post("/bulk/", fields, headers=DESK).content.decode()
    complaint.refresh_from_db()
    assert complaint.tags == ["escalated"]


def test_another_key_is_one_change(
    as_: As, agent: User, complaint: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the shortcut key of an action is changed in the table, each place shows the new key.

    Fails if a template contains the key instead of reading it from the table.
    """
    monkeypatch.setitem(CASE_VERBS, "snooze", replace(CASE_VERBS["snooze"], key="y"))
    page = squeeze(as_(agent).get(complaint.get_absolute_url()).content.decode())
    assert 'data-verb="snooze" data-key="y">Snooze <kbd>y</kbd>' in page
    assert '<kbd data-form="snooze">y</kbd></dt><dd>Snooze</dd>' in page
    assert '<select name="preset" data-bulk-key="y" id="bulk-preset">' in page
    assert 'key="s"' not in page
    assert "<kbd>s</kbd>" not in page


@pytest.mark.parametrize("verb", CASE_VERBS.values(), ids=lambda verb: verb.name)
def test_each_verb_has_a_url_a_label_and_a_message(complaint: Case, verb: CaseVerb) -> None:
    assert reverse(verb.url_name, args=[complaint.pk]).startswith(f"/cases/{complaint.pk}/")
    assert str(verb.label)
    assert verb.message(complaint)
    assert str(verb.button_on(complaint))


@pytest.mark.parametrize(
    "verb", [verb for verb in CASE_VERBS.values() if verb.bulk], ids=lambda verb: verb.name
)
def test_what_the_bulk_bar_gives_a_verb_are_fields_of_its_form(agent: User, verb: CaseVerb) -> None:
    """The bulk form posts only values for which the form of the action has a field.

    Other values would be ignored.
    """
    assert verb.bulk
    assert "%s" in str(verb.bulk.message)
    assert verb.bulk.values.keys() <= verb.form.base_fields.keys()


def test_keys_are_unique_and_in_the_list_of_shortcuts(as_: As, agent: User) -> None:
    page = as_(agent).get("/").content.decode()
    shown = re.findall(r"<kbd[^>]*>([^<]+)</kbd>", page.partition('id="keys"')[2])
    keys = [verb.key for verb in CASE_VERBS.values() if verb.key]
    assert keys
    assert {key: shown.count(key) for key in keys} == dict.fromkeys(keys, 1)
    assert len({*keys}) == len(keys)
