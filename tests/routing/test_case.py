from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django.utils.functional import Promise

from crm.ledger import Entry, record
from crm.models import Contact, Department, Interaction, User
from listening.models import Match, Topic
from routing.case_verbs import CASE_VERBS
from routing.forms import SnoozeForm
from routing.models import Case, CaseEvent, Issue, RoutingRule

As = Callable[[User], Client]
Say = Callable[..., Interaction]
VERBS = ("note", *(verb.path or verb.name for verb in CASE_VERBS))
WORK_VERBS = ("note", *(verb.path or verb.name for verb in CASE_VERBS if not verb.for_readers))


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def said(page: Any) -> str:
    """Return the HTML of the case's timeline, without the other panes of the page.

    The other panes are the inbox list and the contact.
    """
    return html(page).partition('class="timeline"')[2].partition('class="pending"')[0]


def test_it_shows_what_was_said_and_done_in_order(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    case.note("He called before", by=agent)
    say("And still no answer", at=timezone.now() + timedelta(seconds=1))
    page = said(as_(agent).get(f"/cases/{case.pk}/"))
    places = [page.index(x) for x in ("My bag is gone", "He called before", "And still no answer")]
    assert places == sorted(places)


def test_hits_are_marked_in_code_points_and_everything_else_is_escaped(
    as_: As, agent: User, brand: Topic, say: Say, hit: Callable[..., Match]
) -> None:
    text = "😀😀 <script>skyward</script> air"
    said = say(text)
    start = text.index("skyward")
    hit(said, brand, [["text", start, start + 4], ["text", start + 2, start + 7]])
    page = html(as_(agent).get(f"/cases/{Case.objects.get().pk}/"))
    assert "😀😀 &lt;script&gt;<mark>skyward</mark>&lt;/script&gt; air" in page
    assert "Brand" in page


def test_why_here_names_the_rule_the_topics_and_each_why_not(
    as_: As, admin: User, brand_rule: RoutingRule, sales: Department, say: Say
) -> None:
    late = RoutingRule.objects.create(name="Late", owner=admin, position=9)
    late.revise(conditions={"all": []}, department=sales, by=admin)
    say("skyward")
    page = html(as_(admin).get(f"/cases/{Case.objects.get().pk}/"))
    assert "topic is Brand" in page
    assert f'href="/rules/{brand_rule.pk}/">Brand</a>,' in page
    assert "<b>Late</b>: “Brand” matched first" in page


def test_a_case_of_another_department_is_not_there(as_: As, outsider: User, case: Case) -> None:
    assert as_(outsider).get(f"/cases/{case.pk}/").status_code == 404


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_on_a_case_of_another_department_are_not_there(
    as_: As, outsider: User, case: Case, verb: str
) -> None:
    assert as_(outsider).post(f"/cases/{case.pk}/{verb}/").status_code == 404


@pytest.mark.parametrize("verb", WORK_VERBS)
def test_who_may_only_read_has_no_verbs(as_: As, reader: User, case: Case, verb: str) -> None:
    client = as_(reader)
    assert f"/cases/{case.pk}/{verb}/" not in html(client.get(f"/cases/{case.pk}/"))
    assert client.post(f"/cases/{case.pk}/{verb}/").status_code == 404
    assert not case.events.exclude(kind="routed").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_looking_never_acts(as_: As, agent: User, case: Case, verb: str) -> None:
    assert as_(agent).get(f"/cases/{case.pk}/{verb}/").status_code == 405


def test_opening_a_case_writes_nothing(as_: As, agent: User, case: Case) -> None:
    before = case.events.count()
    as_(agent).get(f"/cases/{case.pk}/")
    assert case.events.count() == before


def test_taking_it_makes_it_mine(as_: As, agent: User, case: Case) -> None:
    response = as_(agent).post(f"/cases/{case.pk}/claim/", {"assignee": ""})
    assert response.headers["Location"] == f"/cases/{case.pk}/"
    case.refresh_from_db()
    assert (case.assignee, case.status) == (agent, "open")


def test_the_slower_colleague_is_told_who_was_faster(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    case.claim(by=teammate)
    page = as_(agent).post(f"/cases/{case.pk}/claim/", {"assignee": ""})
    assert page.status_code == 409
    assert "This case is with Theo Teammate" in html(page)
    assert "Your text was kept" not in html(page)  # nothing was typed
    case.refresh_from_db()
    assert case.assignee == teammate


def test_a_case_can_be_taken_over_from_whom_one_saw(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    case.claim(by=teammate)
    as_(agent).post(f"/cases/{case.pk}/claim/", {"assignee": teammate.pk})
    case.refresh_from_db()
    assert case.assignee == agent


def test_giving_it_back_leaves_it_to_anyone(as_: As, agent: User, case: Case) -> None:
    case.claim(by=agent)
    as_(agent).post(f"/cases/{case.pk}/give-back/")
    case.refresh_from_db()
    assert case.assignee is None


def test_handing_over_needs_a_reason_and_keeps_what_was_chosen(
    as_: As, agent: User, sales: Department, case: Case
) -> None:
    page = as_(agent).post(f"/cases/{case.pk}/transfer/", {"department": sales.pk})
    assert page.status_code == 422
    assert "Give a reason for the new department." in html(page)
    assert f'<option value="{sales.pk}" selected>Sales</option>' in html(page)


def test_handing_over_to_somebody_who_does_not_work_there_is_refused(
    as_: As, agent: User, outsider: User, case: Case, admin: User
) -> None:
    legal = Department.objects.create(name="Legal", owner=admin)
    typed = {"department": legal.pk, "person": outsider.pk, "why": "A sales matter"}
    page = as_(agent).post(f"/cases/{case.pk}/transfer/", typed)
    assert page.status_code == 422
    assert f"{outsider} does not work in Legal." in html(page)
    assert "A sales matter" in html(page)


def test_it_is_handed_to_other_departments_only(
    as_: As, agent: User, teammate: User, service: Department, sales: Department, case: Case
) -> None:
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    asked = page[page.index('id="transfer_department"') :]
    assert f'value="{sales.pk}"' in asked[: asked.index("</select>")]
    assert f'value="{service.pk}"' not in asked[: asked.index("</select>")]
    typed = {"department": service.pk, "person": "", "why": "Mine anyway"}
    assert as_(agent).post(f"/cases/{case.pk}/transfer/", typed).status_code == 422


def test_the_assignees_of_a_transfer_say_who_is_away(
    as_: As, agent: User, outsider: User, case: Case
) -> None:
    day = timezone.localdate() + timedelta(days=3)
    User.objects.filter(pk=outsider.pk).update(back_on=day)
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    people = page[page.index('id="transfer_person"') :]
    assert f"{outsider} (away, back on {day})" in people[: people.index("</select>")]


def test_the_assignees_of_a_transfer_stand_under_their_departments(
    as_: As, agent: User, outsider: User, reader: User, sales: Department, case: Case
) -> None:
    """Only people who work in the department can be chosen, and the page says which one it is.

    Before, one flat list named the people of all departments.
    """
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    people = page[page.index('id="transfer_person"') :]
    people = people[: people.index("</select>")]
    group = people[people.index('<optgroup label="Sales">') :]
    assert (
        f'<option value="{outsider.pk}">{outsider}</option>' in group[: group.index("</optgroup>")]
    )
    assert "Customer service" not in people
    assert str(agent) not in people
    typed = {"department": sales.pk, "person": outsider.pk, "why": "Yours"}
    as_(agent).post(f"/cases/{case.pk}/transfer/", typed)
    case.refresh_from_db()
    assert (case.department, case.assignee) == (sales, outsider)


def test_who_handed_over_reads_on_but_no_longer_acts(
    as_: As, agent: User, outsider: User, sales: Department, case: Case
) -> None:
    client = as_(agent)
    typed = {"department": sales.pk, "person": outsider.pk, "why": "A sales matter"}
    page = client.post(f"/cases/{case.pk}/transfer/", typed, follow=True)
    assert "Transferred to Sales" in html(page)
    case.refresh_from_db()
    assert (case.department, case.assignee) == (sales, outsider)
    assert client.post(f"/cases/{case.pk}/done/").status_code == 404


def test_a_restricted_conversation_shows_without_its_text_to_others(
    as_: As, agent: User, admin: User, sales: Department, case: Case
) -> None:
    sales.is_restricted = True
    sales.save()
    case.transfer(to=sales, by=agent, why="A contract")
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    assert "My bag is gone" not in page
    assert "A conversation of Sales" in page
    assert "My bag is gone" in html(as_(admin).get(f"/cases/{case.pk}/"))


def test_an_empty_note_is_refused_at_its_field(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).post(f"/cases/{case.pk}/note/", {"text": "  "})
    assert page.status_code == 422
    assert "Enter a note, or close this form." in html(page)


def test_a_note_that_is_too_long_is_not_lost(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).post(f"/cases/{case.pk}/note/", {"text": "Long story. " * 1000})
    assert page.status_code == 422
    assert "Long story. Long story." in html(page)


def test_a_note_is_written_down(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).post(f"/cases/{case.pk}/note/", {"text": "<i>Careful</i>"}, follow=True)
    assert "&lt;i&gt;Careful&lt;/i&gt;" in html(page)


def test_done_is_refused_while_they_wrote_again_and_shows_it(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    seen = case.last_inbound_id
    say("One more thing")
    page = as_(agent).post(f"/cases/{case.pk}/done/", {"seen": seen, "every": "Thanks"})
    assert page.status_code == 409
    assert "Your text was kept" not in html(page)  # the form has no text
    assert "A new message" in html(page)
    assert "One more thing" in html(page)
    fresh = Case.objects.get(pk=case.pk)
    assert fresh.status == "new"
    assert f'name="seen" value="{fresh.last_inbound_id}"' in html(page)


def test_done_without_having_seen_anything_is_refused(as_: As, agent: User, case: Case) -> None:
    assert as_(agent).post(f"/cases/{case.pk}/done/", {"seen": "x"}).status_code == 409


def test_done_and_open_again(as_: As, agent: User, case: Case) -> None:
    client = as_(agent)
    client.post(f"/cases/{case.pk}/done/", {"seen": case.last_inbound_id, "every": "Thanks"})
    case.refresh_from_db()
    assert case.status == "done"
    client.post(f"/cases/{case.pk}/reopen/", {"why": "Not so"})
    case.refresh_from_db()
    assert case.status == "open"


def test_noise_is_set_aside(as_: As, agent: User, case: Case) -> None:
    as_(agent).post(f"/cases/{case.pk}/noise/", {"why": "A bot"})
    case.refresh_from_db()
    assert case.status == "noise"


def test_snoozing_until_a_preset(as_: As, agent: User, case: Case) -> None:
    typed = {"seen": case.last_inbound_id, "preset": "tomorrow"}
    as_(agent).post(f"/cases/{case.pk}/snooze/", typed)
    case.refresh_from_db()
    assert case.status == "snoozed"
    until = timezone.localtime(case.snoozed_until)
    assert until.date() == timezone.localdate() + timedelta(days=1)
    assert until.hour == 9


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])  # the clocks change in the night
@pytest.mark.parametrize("hour", range(5))
@pytest.mark.parametrize("fold", [0, 1])
def test_presets_are_right_when_the_clocks_change(
    case: Case, day: str, hour: int, fold: int
) -> None:
    """“In an hour” is 60 minutes from now, and “tomorrow at 9:00” is 9:00 by the clock.

    Before, an hour was added to the local time, so that it was two hours at the change to winter
    time, and none at the change to summer time.
    """
    zone = ZoneInfo("Europe/Berlin")
    now = datetime.fromisoformat(f"{day}T{hour:02}:30").replace(tzinfo=zone, fold=fold)
    now = now.astimezone(UTC).astimezone(zone)
    with timezone.override(zone), time_machine.travel(now.astimezone(UTC), tick=False):
        ends = {name: snoozed(case, name) for name in ("hour", "afternoon", "tomorrow", "monday")}
    assert (ends["hour"] - now.astimezone(UTC)).total_seconds() == 3600
    assert (ends["afternoon"] - now.astimezone(UTC)).total_seconds() == 4 * 3600
    assert f"{ends['tomorrow'].astimezone(zone):%H:%M}" == "09:00"
    assert f"{ends['monday'].astimezone(zone):%A %H:%M}" == "Monday 09:00"


def snoozed(case: Case, preset: str) -> datetime:
    form = SnoozeForm({"preset": preset}, case=case, user=User())
    assert form.is_valid(), form.errors
    until: datetime = form.cleaned_data["until"]
    return until


@pytest.mark.parametrize(
    ("until", "error"),
    [
        ("2020-01-01T00:00", "This time is in the past"),
        ("", "Choose how long to snooze"),
        ("soon", "Enter a valid date/time"),
    ],
)
def test_snoozing_needs_a_time_ahead(
    as_: As, agent: User, case: Case, until: str, error: str
) -> None:
    typed = {"seen": case.last_inbound_id, "preset": "", "until": until}
    page = as_(agent).post(f"/cases/{case.pk}/snooze/", typed)
    assert page.status_code == 422
    assert error in html(page)
    case.refresh_from_db()
    assert case.status == "new"


def test_a_case_joins_an_issue_and_leaves_it(as_: As, agent: User, case: Case) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=agent)
    client = as_(agent)
    client.post(f"/cases/{case.pk}/issue/", {"issue": issue.pk})
    assert issue.cases.get() == case
    client.post(f"/cases/{case.pk}/issue/", {"issue": ""})
    assert not issue.cases.exists()


def test_other_cases_of_the_same_person_are_named_and_linked_only_where_allowed(
    as_: As, agent: User, admin: User, sales: Department, case: Case, make_case: Callable[..., Case]
) -> None:
    contact = Contact.objects.create(name="Ron Calder")
    other = make_case("A charter offer?", by="calderfilms", department=sales)
    for each in (case, other):
        each.profile.link_to(contact, by=admin, evidence="both say so")
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    assert f"#{other.pk} Sales" in page
    assert f'href="/cases/{other.pk}/"' not in page
    assert f'href="/cases/{other.pk}/"' in html(as_(admin).get(f"/cases/{case.pk}/"))


def test_a_case_that_was_continued_keeps_its_own_history_only(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    """If a message opens a new case that continues an old one, only the new case shows the message.

    Fails if the old case shows messages that arrived after its conversation moved to the new case.
    """
    then = timezone.now() - timedelta(days=40)
    Case.objects.filter(pk=case.pk).update(status="done", done_at=then)
    root = case.last_inbound
    assert root
    entry_facts = {"thread_key": root.key, "in_reply_to": root.key}
    say("It is gone again", **entry_facts)
    fresh = Case.objects.exclude(pk=case.pk).get()
    assert fresh.continues == case
    old = said(as_(agent).get(f"/cases/{case.pk}/"))
    assert "My bag is gone" in old
    assert "It is gone again" not in old
    assert "It is gone again" in said(as_(agent).get(f"/cases/{fresh.pk}/"))


def test_a_long_case_shows_its_end_first(as_: As, agent: User, case: Case) -> None:
    conversation = case.conversations.get()
    record(
        [
            Entry(
                scope="sandbox.microblog", key=f"more-{n}", author=None, direction="out",
                channel="sandbox", kind="post", visibility="public", text=f"part {n:03}.",
                conversation=conversation.pk,
            )
            for n in range(205)
        ],
        now=timezone.now(),
    )  # fmt: skip
    client = as_(agent)
    page = said(client.get(f"/cases/{case.pk}/"))
    assert "Show 6 older messages" in page
    assert "My bag is gone" not in page
    assert "My bag is gone" in said(client.get(f"/cases/{case.pk}/?all=1"))


def test_notes_of_a_restricted_department_stay_with_its_people(
    as_: As, agent: User, outsider: User, sales: Department, case: Case
) -> None:
    sales.is_restricted = True
    sales.save()
    case.note("We should pass this on", by=agent)
    case.transfer(to=sales, by=agent, why="A contract")
    case.note("He is wrong about clause 9", by=outsider)
    page = html(as_(agent).get(f"/cases/{case.pk}/"))
    assert "We should pass this on" in page
    assert "clause 9" not in page
    assert 'id="why"' not in page
    assert "clause 9" in html(as_(outsider).get(f"/cases/{case.pk}/"))


@pytest.mark.parametrize("odd", ["²", "9" * 5000, "-1"])
def test_odd_numbers_in_hidden_inputs_are_stale_not_broken(
    as_: As, agent: User, case: Case, odd: str
) -> None:
    assert as_(agent).post(f"/cases/{case.pk}/done/", {"seen": odd}).status_code == 409


@pytest.mark.parametrize("kind", CaseEvent.Kind)
def test_the_names_of_events_are_translatable(kind: CaseEvent.Kind) -> None:
    assert isinstance(kind.label, Promise)
