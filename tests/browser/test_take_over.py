"""A colleague takes over the cases of an agent who is ill; rules are built without JavaScript."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from crm.models import Department, User
from listening.models import Topic
from responses.models import Draft
from routing.models import Case, RoutingRule
from tests.browser.conftest import Windows
from tests.browser.world import World


def test_a_lead_takes_over_the_cases_of_an_agent_who_is_ill_and_undoes_it(
    windows: Windows, agent: User, lead: User, world: World
) -> None:
    agent.back_on = timezone.localdate() + timedelta(days=3)
    agent.save(update_fields=["back_on"])
    for key in ("ron", "layla"):
        world[key].claim(by=agent)
    Draft.objects.create(case=world["ron"], kind="reply", author=agent, text="Dear Ron, we")
    page = windows.open(lead, world["ron"].get_absolute_url())
    page.locator("#open").locator("#away").click()
    expect(page.locator(".lead")).to_contain_text("2 open cases, 1 draft, 0 call-backs")
    page.get_by_label("New assignee").select_option(label=str(lead))
    page.get_by_role("button", name="Reassign all cases").click()
    done = "2 cases and 1 draft were reassigned to"
    expect(page.locator("#messages")).to_contain_text(done)
    assert Case.objects.of(lead).count() == 2
    other = windows.open(lead, world["ron"].get_absolute_url())
    expect(other.locator(".composer textarea").first).to_have_value("Dear Ron, we")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Undone: 2 cases were returned to")
    assert Case.objects.of(agent).count() == 2
    assert Draft.objects.get().author == agent


def test_a_rule_with_a_group_is_built_without_javascript(
    windows: Windows, admin: User, service: Department
) -> None:
    Topic.objects.create(name="Baggage", owner=admin)
    windows.expect("422")
    page = windows.open(admin, "/rules/new/", java_script_enabled=False)
    page.get_by_label("Name").fill("Bags at night")
    page.get_by_role("button", name="Group", exact=True).click()
    page.get_by_label("Field").select_option("topics")
    page.get_by_label("Value").fill("Bagage")
    page.get_by_role("button", name="Condition", exact=True).last.click()
    page.get_by_label("Field").last.select_option("time")
    page.get_by_label("Value").last.fill("22:00-06:00")
    page.get_by_label("Department", exact=True).select_option(label=str(service))
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator(".condition .errorlist")).to_contain_text("There is no topic “Bagage”.")
    page.get_by_role("button", name="Baggage", exact=True).click()
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator("#messages")).to_contain_text("Rule saved and active.")
    rule = RoutingRule.objects.get(name="Bags at night")
    assert rule.current
    said = "(topic is Baggage) and time of day is between 22:00 and 06:00"
    assert rule.current.sentence == said
