"""One public answer serves several people of a thread: timelines, cases, and what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, User
from responses import default_rules, outbox
from responses.compose import places_for, readdress
from responses.forms.serves import WROTE_AGAIN
from responses.models import Delivery, Draft, Response, ServedPerson
from responses.served import MAX_READ, candidates
from routing.models import Case, Decision
from scrm.channels.sandbox import community
from scrm.channels.sandbox.channel import CHANNEL
from scrm.channels.sandbox.models import Post

As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None, settings: Any) -> Iterator[None]:
    settings.UNDO_SECONDS = 0
    community.reset()
    yield
    community.reset()


@pytest.fixture
def crowd(hear: Callable[..., Case]) -> tuple[Case, Case, Case]:
    """Return the cases of three people who ask the same in one public thread."""
    key = community.post("sandbox.microblog", "@roncalder", "Why is the flight late?")
    ron = hear("Why is the flight late?", thread_key="t1", key=key)
    rita = hear("Same question!", handle="@rita", thread_key="t1")
    rob = hear("And me?", handle="@rob", thread_key="t1")
    assert len({ron, rita, rob}) == 3
    return ron, rita, rob


def form_of(browser: Client, case: Case) -> Any:
    return browser.get(reverse("responses:composer", args=[case.pk]), {"tab": "reply"}).context[
        "form"
    ]


def value(case: Case) -> str:
    """Return the value of the checkbox for the person of this case and the newest message."""
    case.refresh_from_db()
    return f"{case.profile_id}:{case.last_inbound_id}"


def send(browser: Client, case: Case, *served: Case, **typed: Any) -> Any:
    form = form_of(browser, case)
    public = next(name for name in form.places if name.endswith(":public"))
    fields = {
        "form": form["form"].value(),
        "seen": form["seen"].value(),
        "place": public,
        "text": "The fog is gone, boarding starts at 6.",
        "serves": [value(other) for other in served],
    }
    return browser.post(reverse("responses:reply", args=[case.pk]), fields | typed)


def deliver() -> Interaction:
    delivery = Delivery.objects.due(timezone.now()).get()
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    assert delivery.state == "sent", delivery.error
    return Interaction.objects.get(direction="out")


def test_an_answer_serves_the_others_in_the_thread(
    crowd: tuple[Case, Case, Case], agent: User, as_: As
) -> None:
    """Fails if the others' cases still wait, or if the answer is sent to each of them."""
    ron, rita, rob = crowd
    browser = as_(agent)
    assert send(browser, ron, rita).status_code == 302
    response = Response.objects.get()
    assert (response.audience, response.visibility) == ("one", "public")
    rita.refresh_from_db()
    assert rita.status == "new" or rita.status == "open"
    said = deliver()
    assert Post.objects.filter(author_key="skywardair").count() == 1
    for case, status in ((ron, "waiting"), (rita, "waiting"), (rob, "new")):
        case.refresh_from_db()
        assert case.status == status
    decision = Decision.objects.get(case=rita)
    assert (decision.outcome, decision.by) == ("micro", agent)
    for case in (ron, rita):
        profile = browser.get(case.profile.get_absolute_url()).content.decode()
        assert profile.count("The fog is gone") == 1
        page = browser.get(case.get_absolute_url()).content.decode()
        assert page.count(f'id="said-{said.pk}"') == 1
    assert "The fog is gone" not in browser.get(rob.profile.get_absolute_url()).content.decode()


def test_the_case_of_another_agent_is_refused_like_for_any_reply(
    crowd: tuple[Case, Case, Case], admin: User, lead: User, agent: User, as_: As
) -> None:
    """Fails if the rules for replies do not match an answer that also serves a bystander."""
    default_rules.add("Case of another agent", owner=admin)
    ron, rita, _rob = crowd
    Case.objects.filter(pk=ron.pk).update(assignee=lead)
    page = send(as_(agent), ron, rita)
    assert page.status_code == 422
    assert "Another agent works on this case." in page.content.decode()
    assert not Response.objects.exists()


def test_a_case_that_another_agent_has_taken_is_not_served(
    crowd: tuple[Case, Case, Case], lead: User, agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    Case.objects.filter(pk=rita.pk).update(assignee=lead)
    page = send(as_(agent), ron, rita)
    assert page.status_code == 422
    (error,) = page.context["form"].errors["serves"]
    assert str(lead) in error
    assert not Response.objects.exists()
    assert not ServedPerson.objects.exists()


def test_the_composer_and_the_card_show_the_names(
    crowd: tuple[Case, Case, Case], make_rule: Callable[..., Any], agent: User, lead: User, as_: As
) -> None:
    ron, rita, rob = crowd
    make_rule("fog")
    labels = [label for _pk, label in form_of(as_(agent), ron).fields["serves"].choices]
    assert labels == [f"{rob.profile} (open case)", f"{rita.profile} (open case)"]
    send(as_(agent), ron, rita, rob)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "Also serves" in page
    assert page.count(str(rita.profile)) >= 1


def test_a_message_after_the_answer_was_written_keeps_the_case_open(
    crowd: tuple[Case, Case, Case], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    send(as_(agent), ron, rita)
    hear("Hello??", handle="@rita", thread_key="t1")
    deliver()
    rita.refresh_from_db()
    assert rita.status in {"new", "open"}


def test_a_case_of_another_department_is_not_touched(
    crowd: tuple[Case, Case, Case], sales: Department, agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    Case.objects.filter(pk=rita.pk).update(department=sales)
    send(as_(agent), ron, rita)
    deliver()
    rita.refresh_from_db()
    assert rita.status == "new"
    assert ServedPerson.objects.get().case is None
    assert not Decision.objects.filter(case=rita).exists()


def test_a_private_answer_serves_nobody_else(
    crowd: tuple[Case, Case, Case], agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    form = form_of(as_(agent), ron)
    private = next(name for name in form.places if name.endswith(":private"))
    send(as_(agent), ron, rita, place=private)
    assert Response.objects.get().audience == "one"
    assert not ServedPerson.objects.exists()


def test_a_person_of_the_other_thread_of_the_case_is_refused(
    crowd: tuple[Case, Case, Case], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """The answer is sent to the newest thread. Fails if `check_people` does not compare threads."""
    ron, rita, _rob = crowd
    assert hear("And my bag is gone.", thread_key="t2") == ron
    page = send(as_(agent), ron, rita)
    (error,) = page.context["form"].errors["serves"]
    assert "wrote in another thread" in error
    assert not Response.objects.exists()


def test_a_person_of_no_thread_of_the_case_is_refused(
    crowd: tuple[Case, Case, Case], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    elsewhere = hear("Something else", handle="@eve", thread_key="t2")
    page = send(as_(agent), crowd[0], elsewhere)
    assert "serves" in page.context["form"].errors
    assert not Response.objects.exists()


def test_a_message_that_the_author_has_not_read_is_not_served(
    crowd: tuple[Case, Case, Case], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """Fails if the newest message at the time of sending counts as read."""
    ron, rita, _rob = crowd
    read = value(rita)
    hear("My child is ill!", handle="@rita", thread_key="t1")
    page = send(as_(agent), ron, serves=[read])
    assert page.status_code == 422
    assert page.context["form"].errors["serves"] == [WROTE_AGAIN]
    assert not Response.objects.exists()
    assert send(as_(agent), ron, rita).status_code == 302


@pytest.fixture
def quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the microblog have quotes."""
    channel = replace(CHANNEL, quotes=True)
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: channel)


def test_a_quote_serves_nobody_else(
    crowd: tuple[Case, Case, Case], quotes: None, agent: User, as_: As
) -> None:
    """A quote is not in the thread."""
    ron, rita, _rob = crowd
    quote = next(name for name in form_of(as_(agent), ron).places if ":quote:" in name)
    assert send(as_(agent), ron, rita, place=quote).status_code == 302
    assert Response.objects.get().is_quote
    assert not ServedPerson.objects.exists()


@pytest.mark.parametrize("moved", ["quote", "other thread", "other account"])
def test_an_answer_that_leaves_the_thread_serves_nobody_else_there(
    crowd: tuple[Case, Case, Case], hear: Callable[..., Case], microblog: Account,
    second_account: Account, make_rule: Callable[..., Any], moved: str, agent: User, as_: As,
) -> None:  # fmt: skip
    """A change to another account in the same thread keeps the people."""
    make_rule("fog")
    ron, rita, _rob = crowd
    send(as_(agent), ron, rita)
    response = Response.objects.get()
    response.edit(text=response.text, by=agent)  # a held response cannot become a quote
    place = next(row for row in places_for(ron) if row.visibility == "public")
    if moved == "quote":
        place = replace(place, quote=True)
    elif moved == "other thread":
        eve = hear("Something else", handle="@eve", thread_key="t2")
        place = replace(place, profile=eve.profile, conversation=eve.conversations.get())
    else:
        other = microblog if place.account == second_account else second_account
        place = replace(place, account=other)
    readdress(response, [place], by=agent)
    assert ServedPerson.objects.exists() == (moved == "other account")


def test_the_composer_loads_no_texts_of_the_thread(
    crowd: tuple[Case, Case, Case], agent: User
) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(candidates(crowd[0], agent)) == 2
    (read,) = [row["sql"] for row in queries if f"LIMIT {MAX_READ}" in row["sql"]]
    assert '"crm_interaction"."sort_at"' in read
    for column in ("text", "html", "words"):
        assert f'"crm_interaction"."{column}"' not in read


def test_the_approval_page_costs_the_same_for_more_answers_that_serve_others(
    crowd: tuple[Case, Case, Case], make_rule: Callable[..., Any], agent: User, lead: User, as_: As
) -> None:
    make_rule("fog")
    ron, rita, rob = crowd
    browser, asked = as_(lead), []
    for case in (ron, rob):
        send(as_(agent), case, rita)
        browser.get(reverse("responses:approvals"))
        with CaptureQueriesContext(connection) as queries:
            assert "Also serves" in browser.get(reverse("responses:approvals")).content.decode()
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_an_undone_answer_keeps_whom_it_serves_in_the_draft(
    crowd: tuple[Case, Case, Case], agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    send(as_(agent), ron, rita)
    as_(agent).post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    assert Draft.objects.get().fields["serves"] == [value(rita)]
    assert form_of(as_(agent), ron)["serves"].value() == [value(rita)]


def test_a_double_click_serves_each_person_once(
    crowd: tuple[Case, Case, Case], agent: User, as_: As
) -> None:
    ron, rita, _rob = crowd
    form = form_of(as_(agent), ron)["form"].value()
    for _ in range(2):
        assert send(as_(agent), ron, rita, form=form).status_code == 302
    assert ServedPerson.objects.count() == 1
    assert Decision.objects.filter(case=rita).count() == 1


def test_a_case_without_other_people_offers_nobody(complaint: Case, agent: User, as_: As) -> None:
    assert "serves" not in form_of(as_(agent), complaint).fields
