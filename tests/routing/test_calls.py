"""Calls that staff log: their facts, calls that we made, and call-backs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Contact, Department, Interaction, Profile, User, Workspace
from routing.models import CallBack, Case, CaseEvent, RoutingRule
from routing.wake import wake_snoozed

As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(organisation="Skyward", country="GB")


def typed(**facts: Any) -> dict[str, Any]:
    return {"form": uuid.uuid4(), "kind": "call", "text": "The seat was broken"} | facts


def local(moment: Any) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")


def errors(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 422
    return dict(page.context["form"].errors)


def test_a_call_keeps_its_facts_and_its_number_is_e164(as_: As, agent: User) -> None:
    form = typed(
        phone="020 7946 0958", name="Ron", duration="5:12", outcome="reached",
        recording="calls.example/88",
    )  # fmt: skip
    page = as_(agent).post("/new/", form, follow=True).content.decode()
    row = Interaction.objects.get()
    assert row.details == {
        "call": {
            "number": "+442079460958", "outcome": "reached", "seconds": 312,
            "recording": "https://calls.example/88",
        }
    }  # fmt: skip
    assert (row.profile.key, row.profile.handle) == ("+442079460958", "+44 20 7946 0958")
    for shown in ('href="tel:+442079460958"', "5 min 12 s", "Incoming call", "Recording"):
        assert shown in page
    assert (
        'href="tel:+442079460958"'
        in as_(agent).get(row.profile.get_absolute_url()).content.decode()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone", "12345"), ("phone", "+44 20 7946 0958 ext. 3"), ("duration", "long"),
        ("duration", "5:72"), ("recording", "javascript:alert(1)"), ("outcome", "busy"),
        ("direction", "up"), ("call_back_at", "2020-01-01T00:00"), ("call_back_at", "soon"),
        ("recording", "https://a.example/" + "x" * 2000),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_at_its_field(
    as_: As, agent: User, field: str, value: str
) -> None:
    page = as_(agent).post("/new/", typed(name="Ron") | {field: value})
    assert set(errors(page)) == {field}
    assert not Interaction.objects.exists()


def test_a_missed_call_becomes_work_and_needs_no_text(as_: As, agent: User) -> None:
    form = typed(phone="+442079460958", outcome="no answer", text="")
    assert as_(agent).post("/new/", form).status_code == 302
    row = Interaction.objects.get()
    assert (row.title, row.text, Case.objects.get().last_inbound) == ("Missed call", "", row)
    assert set(errors(as_(agent).post("/new/", typed(name="Ron", text="")))) == {"text"}


def test_a_call_that_we_made_answers_its_case(as_: As, agent: User, case: Case) -> None:
    """Fails if a call that we made is routed: the case would wait for us, not for the customer."""
    before = case.last_inbound_id
    form = typed(case=case.pk, direction="out", phone="+442079460958")
    first, second = (as_(agent).post("/new/", form) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"] == f"/cases/{case.pk}/"
    row = Interaction.objects.get(kind="call")
    assert (row.direction, row.staff) == ("out", agent)
    case.refresh_from_db()
    assert (case.status, case.last_inbound_id, Case.objects.count()) == ("waiting", before, 1)
    assert row.conversation in case.conversations
    other = as_(agent).post("/new/", form | {"text": "Something else"})
    assert other.status_code == 409
    assert Interaction.objects.filter(kind="call").count() == 1


def test_a_call_that_we_made_without_answer_leaves_the_case_open(
    as_: As, agent: User, case: Case
) -> None:
    before = case.status
    as_(agent).post("/new/", typed(case=case.pk, direction="out", outcome="no answer", text=""))
    case.refresh_from_db()
    assert (case.status, Interaction.objects.get(kind="call").title) == (before, "")


def test_a_call_that_we_made_without_a_case_opens_none(
    as_: As, agent: User, service: object
) -> None:
    ron = Contact.objects.create(name="Ron Calder")
    form = typed(profile=f"contact-{ron.pk}", phone="020 7946 0958", direction="out")
    page = as_(agent).post("/new/", form)
    profile = Profile.objects.get(network="phone")
    assert page.headers["Location"] == profile.get_absolute_url()
    assert profile.contact == ron
    assert not Case.objects.exists()


@pytest.mark.parametrize("known", [True, False])
def test_a_call_of_somebody_with_two_open_cases_asks_which_one(
    as_: As, agent: User, admin: User, make_case: Callable[..., Case], known: bool
) -> None:
    """Before, such a call opened a third case. The text is kept while the form asks."""
    first, second = make_case("Seat 7B"), make_case("My bag", by="ron.c")
    ron = Contact.objects.create(name="Ron Calder")
    for case in (first, second):
        case.profile.link_to(ron, by=admin, evidence="says so")
    if not known:
        phone = Profile.objects.create(network="phone", key="+442079460958", name="Ron")
        phone.link_to(ron, by=admin, evidence="says so")
    who = {"profile": f"contact-{ron.pk}"} if known else {"phone": "+44 20 7946 0958"}
    form = typed(text="About the bag", outcome="reached", **who)
    asked = as_(agent).post("/new/", form)
    page = unescape(asked.content.decode())
    assert asked.status_code == 422
    assert "This person has 2 open cases. Choose the one that this is about." in page
    assert f"#{second.pk} · Customer service · “My bag”" in page
    assert "About the bag" in page
    wrong = as_(agent).post("/new/", form | {"which": "999999"})
    assert wrong.status_code == 422
    as_(agent).post("/new/", form | {"which": second.pk})
    assert Interaction.objects.get(kind="call").conversation in second.conversations
    assert Case.objects.count() == 2
    as_(agent).post("/new/", form | {"form": uuid.uuid4(), "which": "none"})
    assert Case.objects.count() == 3


def test_a_call_of_somebody_with_one_open_case_asks_nothing(
    as_: As, agent: User, admin: User, case: Case
) -> None:
    ron = Contact.objects.create(name="Ron Calder")
    case.profile.link_to(ron, by=admin, evidence="says so")
    form = typed(text="Again", outcome="reached", profile=f"contact-{ron.pk}")
    assert as_(agent).post("/new/", form).status_code == 302
    assert Case.objects.count() == 1


# Call-backs


def plan(client: Client, case: Case, **facts: Any) -> Any:
    form = {
        "number": "020 7946 0958", "preset": "hour", "person": "",
        "seen": case.last_inbound_id or "", "assignee": "",
    }  # fmt: skip
    return client.post(f"/cases/{case.pk}/call-back/", form | facts)


def test_a_call_back_returns_the_case_to_its_person(as_: As, agent: User, case: Case) -> None:
    client = as_(agent)
    assert plan(client, case, person=agent.pk).status_code == 302
    planned = CallBack.objects.get()
    case.refresh_from_db()
    assert (case.status, case.assignee, case.snoozed_until) == ("snoozed", agent, planned.at)
    listed = client.get("/?call_back=planned").content.decode()
    assert f'id="row-{case.pk}"' in listed
    assert "call back " in listed
    assert f'id="row-{case.pk}"' not in client.get("/?call_back=due").content.decode()
    CallBack.objects.update(at=timezone.now() - timedelta(minutes=1))
    wake_snoozed(now=planned.at)
    case.refresh_from_db()
    assert case.status == "open"
    assert f'id="row-{case.pk}"' in client.get("/?call_back=due").content.decode()
    page = client.get(f"/cases/{case.pk}/").content.decode()
    for shown in (
        "Call back now",
        'href="tel:+442079460958"',
        "direction=out",
        "Reschedule call-back",
    ):
        assert shown in page


def test_an_answered_call_closes_the_call_back_and_no_answer_keeps_it(
    as_: As, agent: User, case: Case
) -> None:
    client = as_(agent)
    plan(client, case, person=agent.pk)
    client.post("/new/", typed(case=case.pk, direction="out", outcome="no answer", text=""))
    assert CallBack.objects.filter(closed_at=None).exists()
    client.post("/new/", typed(case=case.pk, direction="out"))
    done = CallBack.objects.get()
    assert done.closed_by == agent
    case.refresh_from_db()
    assert (case.status, case.snoozed_until) == ("waiting", None)
    assert case.events.filter(kind=CaseEvent.Kind.CALL_BACK).count() == 2


def test_a_due_call_returns_a_case_that_waits_for_a_reply_once(
    as_: As, agent: User, case: Case
) -> None:
    """Fails if only the snooze is looked at: a reply ends it, and the call is forgotten."""
    plan(as_(agent), case)
    Case.objects.filter(pk=case.pk).update(status="waiting", snoozed_until=None)
    later = timezone.now() + timedelta(hours=2)
    assert wake_snoozed(now=timezone.now()) == 0
    assert wake_snoozed(now=later) == 1
    case.refresh_from_db()
    assert case.status == "open"
    Case.objects.filter(pk=case.pk).update(status="waiting")
    assert wake_snoozed(now=later) == 0


def test_a_call_back_is_rescheduled_or_cancelled(as_: As, agent: User, case: Case) -> None:
    client = as_(agent)
    plan(client, case)
    later = timezone.now() + timedelta(days=2)
    plan(client, case, preset="", until=local(later), number="+1 212 555 0100")
    planned = CallBack.objects.get(closed_at=None)
    assert (planned.number, local(planned.at)) == ("+12125550100", local(later))
    client.post(f"/cases/{case.pk}/cancel-call-back/", {"seen": case.last_inbound_id})
    assert not CallBack.objects.filter(closed_at=None).exists()
    case.refresh_from_db()
    assert case.status == "open"


def test_a_call_back_is_planned_with_the_call(as_: As, agent: User, case: Case) -> None:
    client, later = as_(agent), local(timezone.now() + timedelta(days=1))
    form = typed(case=case.pk, outcome="call back", text="", phone="020 7946 0958")
    assert set(errors(client.post("/new/", form))) == {"call_back_at"}
    nobody = form | {"call_back_at": later, "phone": ""}
    assert set(errors(client.post("/new/", nobody))) == {"phone"}
    for _ in range(2):
        assert client.post("/new/", form | {"call_back_at": later}).status_code == 302
    assert local(CallBack.objects.get().at) == later
    case.refresh_from_db()
    assert (case.status, case.assignee) == ("snoozed", agent)


def test_a_call_back_in_another_department_is_planned_for_nobody(
    as_: As, agent: User, admin: User, sales: Department
) -> None:
    """Fails if the call-back is assigned to a user who does not work in the department."""
    rule = RoutingRule.objects.create(name="Calls", owner=admin)
    rule.revise(conditions={"all": []}, department=sales, by=admin)
    later = local(timezone.now() + timedelta(days=1))
    form = typed(phone="020 7946 0958", outcome="call back", call_back_at=later)
    assert as_(agent).post("/new/", form).status_code == 302
    planned = CallBack.objects.get()
    assert (planned.case.department, planned.case.assignee) == (sales, None)


def test_a_call_back_after_a_closed_case_reopens_it(as_: As, agent: User, case: Case) -> None:
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question")
    later = local(timezone.now() + timedelta(days=1))
    form = typed(
        case=case.pk, direction="out", outcome="no answer", text="", phone="+442079460958",
        call_back_at=later,
    )  # fmt: skip
    assert as_(agent).post("/new/", form).status_code == 302
    case.refresh_from_db()
    assert (case.status, local(case.snoozed_until)) == ("snoozed", later)


def test_a_call_that_belongs_to_no_case_has_no_call_back(as_: As, agent: User) -> None:
    later = local(timezone.now() + timedelta(days=1))
    form = typed(phone="+442079460958", direction="out", call_back_at=later)
    assert set(errors(as_(agent).post("/new/", form))) == {"call_back_at"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("number", ""), ("number", "12"), ("until", "2020-01-01T00:00"), ("person", "424242")],
)
def test_a_wrong_call_back_is_an_error_at_its_field(
    as_: As, agent: User, case: Case, field: str, value: str
) -> None:
    page = plan(as_(agent), case, **({"preset": ""} if field == "until" else {}), **{field: value})
    assert page.status_code == 422
    assert set(page.context["bound"]["call_back"].errors) == {field}
    assert not CallBack.objects.exists()
