from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Department, User
from responses.models import ResponseRule
from responses.rules.judge import SCHEMA
from tests.condition_fields import posted

As = Callable[[User], Client]
NEW = "/response-rules/new/"


def typed(owner: User, **facts: str) -> dict[str, object]:
    return {
        "name": "No refunds in public",
        "owner": owner.pk,
        "position": 1,
        "is_active": "on",
        "verdict": "move",
        "reason": "Money is private.",
        "move_to": "a private message",
        "steps": "lead",
        "example-TOTAL_FORMS": "0",
        "example-INITIAL_FORMS": "0",
        "cond-match": "all",
        "cond-0-field": "text",
        "cond-0-op": "contains",
        "cond-0-value": "refund",
        "cond-1-field": "length",
        "cond-1-op": "at least",
        "cond-1-value": "10",
    } | facts


def test_a_rule_is_made_of_rows_and_reads_as_a_sentence(admin: User, as_: As) -> None:
    browser = as_(admin)
    assert browser.get(NEW).status_code == 200
    browser.post(NEW, typed(admin))
    rule = ResponseRule.objects.get()
    assert rule.conditions == {
        "all": [
            {"field": "text", "op": "contains", "value": "refund"},
            {"field": "length", "op": "at least", "value": 10},
        ]
    }
    page = browser.get(reverse("responses:rules")).content.decode()
    assert "When text contains “refund” and length at least 10" in page


def test_a_wrong_condition_is_an_error_at_its_row_with_everything_kept(
    admin: User, as_: As
) -> None:
    wrong = {"cond-1-value": "very long", "reason": "Kept"}
    page = as_(admin).post(NEW, typed(admin, **wrong))
    assert page.status_code == 422
    first, second = page.context["rows"].root.members
    assert (first.errors, second.errors) == ([], ["Enter a number."])
    for kept in ("very long", "refund", "Kept"):
        assert kept in page.content.decode()
    assert not ResponseRule.objects.exists()


def test_a_rule_that_moves_says_where_to(admin: User, as_: As) -> None:
    page = as_(admin).post(NEW, typed(admin, move_to=""))
    assert page.status_code == 422
    assert "move_to" in page.context["form"].errors


def test_a_wrong_row_and_a_blank_field_are_both_shown(admin: User, as_: As) -> None:
    page = as_(admin).post(NEW, typed(admin, name="", **{"cond-0-op": "at most"}))
    assert page.status_code == 422
    assert "name" in page.context["form"].errors
    assert page.context["rows"].root.members[0].errors


def test_editing_keeps_a_group_inside_the_group(admin: User, as_: As) -> None:
    inner = {"any": [{"field": "issue", "op": "is", "value": True}]}
    leaf = {"field": "text", "op": "contains", "value": "seat"}
    rule = ResponseRule.objects.create(
        name="Nested", owner=admin, verdict="hold", reason="Look", conditions={"all": [inner, leaf]}
    )
    browser = as_(admin)
    assert 'name="cond-0.0-field"' in browser.get(rule.get_absolute_url()).content.decode()
    unchanged = {key: value for key, value in typed(admin).items() if not key.startswith("cond-")}
    browser.post(rule.get_absolute_url(), unchanged | posted(rule.conditions, SCHEMA))
    rule.refresh_from_db()
    assert rule.conditions == {"all": [inner, leaf]}


def test_a_department_that_does_not_exist_is_refused_with_the_nearest_name(
    admin: User, as_: As, service: Department
) -> None:
    row = {"cond-1-field": "department", "cond-1-op": "is", "cond-1-value": "Custmer service"}
    page = as_(admin).post(NEW, typed(admin, **row))
    assert page.status_code == 422
    assert "There is no department “Custmer service”." in page.content.decode()
    assert ">Customer service</button>" in page.content.decode()


def test_a_button_of_the_rows_saves_nothing_and_reports_no_errors(admin: User, as_: As) -> None:
    page = as_(admin).post(NEW, typed(admin, name="", **{"cond-add": ""}))
    assert page.status_code == 200
    assert not page.context["form"].errors
    assert 'name="cond-2-field"' in page.content.decode()
    assert not ResponseRule.objects.exists()


@pytest.mark.parametrize("who", ["agent", "lead", "supervisor"])
def test_rules_are_for_admins(who: str, request: pytest.FixtureRequest, as_: As) -> None:
    browser = as_(request.getfixturevalue(who))
    for address in (reverse("responses:rules"), NEW, reverse("responses:rule", args=[1])):
        assert browser.get(address).status_code == 403
    assert browser.post(NEW, {}).status_code == 403
