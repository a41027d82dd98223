from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import Department, User
from routing.models import Case, RoutingRule

As = Callable[[User], Client]


def typed(service: Department, owner: User, **facts: Any) -> dict[str, Any]:
    return {
        "name": "Loud",
        "owner": owner.pk,
        "department": service.pk,
        "assign": "nobody",
        "priority": "high",
        "cond-match": "all",
        "cond-0-field": "topics",
        "cond-0-op": "has any",
        "cond-0-value": "Brand, Seat policy",
    } | facts


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def row(number: int, field: str, op: str, value: str) -> dict[str, str]:
    return {
        f"cond-{number}-field": field,
        f"cond-{number}-op": op,
        f"cond-{number}-value": value,
    }


@pytest.mark.parametrize("who", ["agent", "lead", "supervisor"])
def test_only_admins_come_here(
    as_: As, brand_rule: RoutingRule, who: str, request: pytest.FixtureRequest
) -> None:
    client = as_(request.getfixturevalue(who))
    for path in ("/rules/", "/rules/new/", f"/rules/{brand_rule.pk}/"):
        assert client.get(path).status_code == 403
    for path in ("move", "switch"):
        assert client.post(f"/rules/{brand_rule.pk}/{path}/").status_code == 403


def test_a_rule_is_built_from_rows(as_: As, admin: User, service: Department) -> None:
    form = typed(service, admin, tags="loud, public, loud") | row(3, "reach", "at least", "10,000")
    as_(admin).post("/rules/new/", form)
    rule = RoutingRule.objects.get()
    assert rule.current
    assert rule.current.sentence == "topic is Brand or Seat policy and reach at least 10,000"
    assert rule.current.tags == ["loud", "public"]
    assert RoutingRule.objects.in_force()


def test_a_wrong_condition_is_said_at_its_row_and_nothing_is_stored(
    as_: As, admin: User, service: Department
) -> None:
    form = typed(service, admin) | row(1, "reach", "at least", "many")
    page = as_(admin).post("/rules/new/", form)
    assert page.status_code == 422
    assert not RoutingRule.objects.exists()
    rows = page.context["rows"].rows
    assert [each.errors for each in rows] == [[], ["Enter a number."]]
    assert 'value="many"' in html(page)
    assert 'value="Brand, Seat policy"' in html(page)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Brand"}, "name"),
        ({"assign": "person"}, "person"),
        ({"tags": "x" * 61}, "tags"),
        ({"department": ""}, "department"),
    ],
)
def test_errors_stand_at_their_fields_and_the_rows_stay(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department,
    facts: dict[str, str], field: str,
) -> None:  # fmt: skip
    page = as_(admin).post("/rules/new/", typed(service, admin, **facts))
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {field}
    assert 'value="Brand, Seat policy"' in html(page)


def test_a_person_must_work_where_the_rule_sends_it(
    as_: As, admin: User, agent: User, outsider: User, service: Department
) -> None:
    form = typed(service, admin, assign="person", person=outsider.pk)
    page = as_(admin).post("/rules/new/", form)
    assert "This user does not work in that department." in html(page)
    as_(admin).post("/rules/new/", form | {"person": agent.pk})
    rule = RoutingRule.objects.get()
    assert rule.current
    assert rule.current.person == agent


def test_an_edit_is_a_new_revision_and_says_the_difference(
    as_: As, admin: User, brand_rule: RoutingRule, sales: Department
) -> None:
    form = typed(sales, admin, name="Brand", revision=brand_rule.current_id, priority="urgent")
    page = as_(admin).post(f"/rules/{brand_rule.pk}/", form, follow=True)
    brand_rule.refresh_from_db()
    assert brand_rule.current
    assert brand_rule.current.number == 2
    assert "department: “Customer service” → “Sales”" in html(page)
    assert "priority: “High” → “Urgent”" in html(page)


def test_an_edit_over_somebody_elses_is_refused_and_kept(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department
) -> None:
    seen = brand_rule.current_id
    brand_rule.revise(conditions={"all": []}, department=service, by=admin)
    form = typed(service, admin, name="Brand", revision=seen, tags="mine")
    page = as_(admin).post(f"/rules/{brand_rule.pk}/", form)
    assert page.status_code == 409
    assert "Another user changed this rule meanwhile" in html(page)
    assert 'value="mine"' in html(page)
    assert brand_rule.revisions.count() == 2


def test_nested_conditions_survive_an_edit(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department
) -> None:
    nested = {"any": [{"field": "topics", "op": "has any", "value": ["Brand"]}]}
    brand_rule.revise(conditions={"all": [nested]}, department=service, by=admin)
    page = as_(admin).get(f"/rules/{brand_rule.pk}/")
    group = page.context["rows"].rows[0].group
    form = typed(service, admin, name="Brand", revision=brand_rule.current_id)
    for part in ("field", "op", "value"):
        del form[f"cond-0-{part}"]
    as_(admin).post(f"/rules/{brand_rule.pk}/", form | {"cond-0-group": group})
    brand_rule.refresh_from_db()
    assert brand_rule.current
    assert brand_rule.current.conditions == {"all": [nested]}


def test_rules_move_in_their_order(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department
) -> None:
    late = RoutingRule.objects.create(name="Late", owner=admin)  # both rules have the same position
    late.revise(conditions={"all": []}, department=service, by=admin)
    client = as_(admin)
    client.post(f"/rules/{late.pk}/move/", {"to": "up"})
    assert list(RoutingRule.objects.all()) == [late, brand_rule]
    client.post(f"/rules/{late.pk}/move/", {"to": "up"})  # the rule is already the first
    assert list(RoutingRule.objects.all()) == [late, brand_rule]
    client.post(f"/rules/{late.pk}/move/", {"to": "down"})
    assert list(RoutingRule.objects.all()) == [brand_rule, late]


def test_a_rule_is_switched_off_and_on(as_: As, admin: User, brand_rule: RoutingRule) -> None:
    client = as_(admin)
    client.post(f"/rules/{brand_rule.pk}/switch/", {"to": "off"})
    assert RoutingRule.objects.in_force() == []
    client.post(f"/rules/{brand_rule.pk}/switch/", {"to": "on"})
    assert len(RoutingRule.objects.in_force()) == 1


def test_the_list_says_each_rule_as_a_sentence(
    as_: As, admin: User, brand_rule: RoutingRule
) -> None:
    assert "If topic is Brand → Customer service" in html(as_(admin).get("/rules/"))


def test_the_rules_can_be_tried_on_a_case_without_moving_it(
    as_: As, admin: User, case: Case, sales: Department
) -> None:
    rule = RoutingRule.objects.create(name="Bags", owner=admin)
    condition = {"field": "text", "op": "contains", "value": "bag"}
    rule.revise(conditions=condition, department=sales, by=admin)
    page = html(as_(admin).get(f"/rules/?case=%23{case.pk}"))
    assert f"#{case.pk} would go to Sales" in page
    case.refresh_from_db()
    assert case.department.name == "Customer service"


def test_trying_on_no_case_says_so(as_: As, admin: User, service: Department) -> None:
    assert "There is no case “99”" in html(as_(admin).get("/rules/?case=99"))
