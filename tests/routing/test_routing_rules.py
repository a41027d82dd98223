from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, Interaction, User
from listening.models import Source, Topic
from routing.models import Case, RoutingRule
from routing.models.status import Stale
from routing.rules import SCHEMA
from tests.condition_fields import posted

As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def topics(brand: Topic, admin: User) -> None:
    Topic.objects.create(name="Seat policy", owner=admin)


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
    rows = page.context["rows"].root.members
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
    form = typed(service, admin, name="Brand", revision=brand_rule.current_id)
    unchanged = {key: value for key, value in form.items() if not key.startswith("cond-")}
    shown = posted({"all": [nested]}, SCHEMA)
    as_(admin).post(f"/rules/{brand_rule.pk}/", unchanged | shown)
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


# Names that do not exist


def test_an_unknown_topic_is_an_error_at_its_row_with_the_nearest_names(
    as_: As, admin: User, service: Department
) -> None:
    """Fails if the rule is saved as in force, although it can never match."""
    form = typed(service, admin) | row(1, "topics", "has any", "Seat polcy")
    page = as_(admin).post("/rules/new/", form)
    assert page.status_code == 422
    assert not RoutingRule.objects.exists()
    assert page.context["rows"].root.members[1].errors == ["There is no topic “Seat polcy”."]
    assert ">Seat policy</button>" in html(page)
    pressed = page.context["rows"].root.members[1].fixes[0][1]
    page = as_(admin).post("/rules/new/", form | {"cond-use": pressed})
    assert page.status_code == 200
    assert page.context["rows"].root.members[1].value == "Seat policy"
    assert not RoutingRule.objects.exists()


@pytest.mark.parametrize(
    ("field", "name"),
    [("source", "Bloog"), ("channel", "blueksy"), ("contact_kind", "pres")],
)
def test_other_unknown_names_are_refused_too(
    as_: As, admin: User, service: Department, field: str, name: str
) -> None:
    Source.objects.create(kind="feed", address="https://a.example/f", name="Blog", owner=admin)
    page = as_(admin).post("/rules/new/", typed(service, admin) | row(1, field, "is", name))
    assert page.status_code == 422
    assert page.context["rows"].root.members[1].fixes


def test_a_rule_whose_topic_was_renamed_says_so_and_is_not_in_force(
    as_: As, admin: User, brand_rule: RoutingRule, brand: Topic
) -> None:
    assert len(RoutingRule.objects.in_force()) == 1
    Topic.objects.filter(pk=brand.pk).update(name="Our brand")
    assert RoutingRule.objects.in_force() == []
    page = html(as_(admin).get("/rules/"))
    assert "not applied" in page
    assert "There is no topic “Brand”." in page


def test_the_list_stays_flat_with_many_rules(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    browser = as_(admin)
    browser.get("/rules/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/rules/")
    for number in range(5):
        rule = RoutingRule.objects.create(name=f"Rule {number}", owner=admin)
        rule.revise(conditions=brand_rule.current.conditions, department=service, by=admin)
    with django_assert_max_num_queries(len(one)):
        browser.get("/rules/")


def test_a_rule_names_no_archived_department(
    as_: As, admin: User, brand_rule: RoutingRule, service: Department, sales: Department
) -> None:
    rule = RoutingRule.objects.create(name="To sales", owner=admin)
    rule.revise(conditions={"all": []}, department=sales, by=admin)
    browser = as_(admin)
    page = browser.post(f"/departments/{sales.pk}/archive/", {"to": "archive"}, follow=True)
    assert "These rules are no longer applied: “To sales”." in html(page)
    assert "The department “Sales” is archived." in html(browser.get("/rules/"))
    assert [rule.name for rule in RoutingRule.objects.in_force()] == ["Brand"]
    page = browser.post("/rules/new/", typed(sales, admin))
    assert "“Sales” is archived. Choose another department, or restore this one." in html(page)
    browser.post(f"/departments/{sales.pk}/archive/", {"to": "back"})
    assert len(RoutingRule.objects.in_force()) == 2


def test_a_department_with_open_cases_and_the_fallback_are_not_archived(
    as_: As, admin: User, case: Case, service: Department, sales: Department
) -> None:
    Case.objects.filter(pk=case.pk).update(department=sales)
    browser = as_(admin)
    for department, reason in ((sales, "1 open case"), (service, "fallback department")):
        page = browser.post(
            f"/departments/{department.pk}/archive/", {"to": "archive"}, follow=True
        )
        assert reason in html(page)
        department.refresh_from_db()
        assert department.archived_at is None


def test_an_archived_department_is_no_target_of_a_transfer(
    as_: As, agent: User, case: Case, sales: Department
) -> None:
    assert ">Sales</option>" in html(as_(agent).get(f"/cases/{case.pk}/"))
    Department.objects.filter(pk=sales.pk).update(archived_at=timezone.now())
    assert ">Sales</option>" not in html(as_(agent).get(f"/cases/{case.pk}/"))


def test_a_closed_case_of_an_archived_department_is_continued_elsewhere(
    say: Callable[..., Interaction], agent: User, service: Department, sales: Department
) -> None:
    """Fails if a case becomes open in a department in which nobody works any more."""
    old = Case.objects.get(last_inbound=say("My bag is gone"))
    old.finish(by=agent, seen=old.last_inbound_id, reasons="No question")
    Case.objects.filter(pk=old.pk).update(department=sales)
    Department.objects.filter(pk=sales.pk).update(archived_at=timezone.now())
    old.refresh_from_db()
    with pytest.raises(Stale, match="Sales is archived"):
        old.reopen(by=agent, why="")
    said = say("And my coat", in_reply_to="post-1")
    new = Case.objects.get(last_inbound=said)
    assert (new.department, new.continues) == (service, old)
    old.refresh_from_db()
    assert old.is_closed
