"""Campaigns: users add statements, a topic finds mentions, and the page shows total numbers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Contact, Conversation, Department, User
from listening.models import Match, Mention, Source, Topic
from responses.models import Campaign, CampaignStatement, Delivery, Feedback, Response
from responses.models.campaign import leave_campaign
from responses.models.response import Refused
from responses.results.campaigns import Asked, Results, by_channel, by_person
from routing.models import Case, Issue
from routing.models.case_conversation import restrict
from tests.together import at_once

As = Callable[[User], Client]
CAMPAIGNS, NEW = "/campaigns/", "/campaigns/new/"


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


@pytest.fixture
def summer(lead: User, service: Department) -> Campaign:
    """Return a campaign that began yesterday. Its topic matches the hashtag of the campaign."""
    campaign = Campaign.objects.create(
        name="Skyward Summer",
        aim="More guests on Tuesdays.",
        owner=lead,
        department=service,
        starts_on=timezone.localdate() - timedelta(days=1),
    )
    campaign.listen_for(["#SkywardSummer"], by=lead)
    return campaign


@pytest.fixture
def running(summer: Campaign, stated: Response, lead: User) -> Campaign:
    """Add a statement to the campaign, and return the campaign."""
    summer.add(stated, by=lead)
    return summer


@pytest.fixture
def heard_of(running: Campaign, make_source: Callable[..., Source]) -> Mention:
    """Return a mention that contains the hashtag of the campaign and matches its topic."""
    fetch = make_source(kind="sandbox", address="search").start_fetch(now=timezone.now())
    mention = Mention.objects.create(
        scope="sandbox.microblog", key="t", fetch=fetch, text="See #SkywardSummer", kind="post",
        visibility="public", author_network="sandbox.microblog", author_key="ines",
        processed_at=timezone.now(),
    )  # fmt: skip
    assert running.topic
    Match.objects.create(mention=mention, revision=running.topic.current)
    return mention


def typed(where: Department, owner: User, **more: Any) -> dict[str, Any]:
    fields = {
        "name": "Skyward Summer", "aim": "More guests.", "department": where.pk,
        "owner": owner.pk, "starts_on": "2026-06-01", "ends_on": "", "words": "#SkywardSummer",
    }  # fmt: skip
    return fields | more


# Creating a campaign


def test_its_topic_is_made_with_it(lead: User, service: Department, as_: As) -> None:
    words = "#SkywardSummer\nhttps://www.skyward.example/summer/"
    answer = as_(lead).post(NEW, typed(service, lead, words=words))
    campaign = Campaign.objects.get()
    assert answer["Location"] == campaign.get_absolute_url()
    assert campaign.words == ["#SkywardSummer", "skyward.example/summer"]
    assert campaign.topic
    assert (campaign.topic.name, campaign.topic.owner) == ("Campaign: Skyward Summer", lead)
    assert campaign.topic in Topic.objects.active()


def test_without_words_no_topic_is_made(lead: User, service: Department, as_: As) -> None:
    as_(lead).post(NEW, typed(service, lead, words=""))
    assert Campaign.objects.get().topic is None
    assert not Topic.objects.exists()


def test_where_no_topic_can_be_made_no_campaign_is(
    lead: User, service: Department, as_: As
) -> None:
    Topic.objects.create(name="Campaign: Skyward Summer", owner=lead)
    page = as_(lead).post(NEW, typed(service, lead))
    assert page.status_code == 422
    assert "Nothing was saved" in html(page)
    assert "#SkywardSummer" in html(page)  # the form still shows the typed text
    assert not Campaign.objects.exists()


def test_other_words_are_a_new_revision_of_the_same_topic(
    summer: Campaign, lead: User, service: Department, as_: As
) -> None:
    browser, edit = as_(lead), reverse("responses:campaign_edit", args=[summer.pk])
    topic = summer.topic
    browser.post(edit, typed(service, lead, aim="Fuller planes."))
    assert topic
    assert topic.revisions.count() == 1
    browser.post(edit, typed(service, lead, words="#SkywardSummer, #FlyTuesday"))
    summer.refresh_from_db()
    assert summer.topic == topic
    assert (topic.revisions.count(), summer.words) == (2, ["#SkywardSummer", "#FlyTuesday"])


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"name": ""}, "name"), ({"aim": ""}, "aim"), ({"ends_on": "2026-05-01"}, "ends_on"),
        ({"starts_on": "soon"}, "starts_on"), ({"words": "!!!"}, "words"),
        ({"department": "0"}, "department"),
    ],
)  # fmt: skip
def test_an_error_stands_at_its_field(
    lead: User, service: Department, as_: As, wrong: dict[str, str], where: str
) -> None:
    page = as_(lead).post(NEW, typed(service, lead, **wrong))
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [where]
    assert not Topic.objects.exists()


def test_it_is_begun_in_the_name_of_a_department_that_one_leads(
    lead: User, agent: User, sales: Department, service: Department, as_: As
) -> None:
    assert as_(agent).get(NEW).status_code == 403
    assert as_(lead).post(NEW, typed(sales, lead)).status_code == 422
    assert not Campaign.objects.exists()


def test_a_closed_one_listens_no_more_until_it_is_opened_again(
    summer: Campaign, lead: User, as_: As
) -> None:
    close = reverse("responses:campaign_close", args=[summer.pk])
    browser = as_(lead)
    browser.post(close, {"close": "1"})
    summer.refresh_from_db()
    assert summer.closed_at
    assert summer.topic not in Topic.objects.active()
    browser.post(close, {"open": "1"})
    summer.refresh_from_db()
    assert summer.closed_at is None
    assert summer.topic in Topic.objects.active()


def test_strangers_are_not_told_that_it_exists(
    running: Campaign, outsider: User, reader: User, as_: As
) -> None:
    behind = reverse("responses:campaign_rows", args=[running.pk])
    for user, status in ((outsider, 404), (reader, 200)):
        assert as_(user).get(running.get_absolute_url()).status_code == status
        assert as_(user).get(behind).status_code == status
    assert "Skyward Summer" not in html(as_(outsider).get(CAMPAIGNS))
    assert "Skyward Summer" in html(as_(reader).get(CAMPAIGNS))


# Adding statements to a campaign


def test_a_statement_is_counted_in_on_its_own_page(
    summer: Campaign, stated: Response, lead: User, as_: As
) -> None:
    browser, say = as_(lead), reverse("responses:count_in", args=[stated.pk])
    assert say in html(browser.get(stated.get_absolute_url()))
    answer = browser.post(say, {"campaign": summer.pk}, follow=True)
    assert answer.redirect_chain[0][0] == stated.get_absolute_url()
    assert "Added to the campaign “Skyward Summer”." in html(answer)
    assert [each.pk for each in summer.statements] == [stated.pk]
    assert "Added to the campaign" in html(answer)  # the history of the statement says so


def test_it_counts_for_one_campaign_at_a_time(
    running: Campaign, stated: Response, lead: User, service: Department, as_: As
) -> None:
    winter = Campaign.objects.create(name="Winter", aim="x", owner=lead, department=service)
    browser, say = as_(lead), reverse("responses:count_in", args=[stated.pk])
    browser.post(say, {"campaign": winter.pk})
    assert (running.statements.count(), winter.statements.count()) == (0, 1)
    browser.post(say, {"campaign": ""})
    assert not CampaignStatement.objects.exists()


def test_a_statement_is_not_taken_out_of_a_campaign_that_is_not_offered(
    running: Campaign, stated: Response, lead: User, service: Department, as_: As
) -> None:
    """A statement stays in a closed campaign if a user posts the form with no campaign selected.

    The form does not offer closed campaigns. Fails if only the posted choice is checked, because
    then the statement leaves its campaign.
    """
    Campaign.objects.filter(pk=running.pk).update(closed_at=timezone.now())
    say = reverse("responses:count_in", args=[stated.pk])
    page = html(as_(lead).post(say, {"campaign": ""}, follow=True))
    assert "closed or not yours. Nothing was changed." in page
    assert running.statements.get() == stated


@pytest.mark.parametrize("choice", ["another", "none"])
def test_a_statement_stays_in_a_campaign_that_its_user_may_not_see(
    stated: Response, sales: Department, admin: User, lead: User, service: Department, as_: As,
    choice: str,
) -> None:  # fmt: skip
    """A user cannot remove a statement from a campaign that this user may not see.

    The test checks the page and the functions behind the page. Fails without `_check_reach`.
    """
    facts = {"owner": admin, "aim": "x"}
    theirs = Campaign.objects.create(name="Theirs", department=sales, **facts)
    ours = Campaign.objects.create(name="Ours", department=service, **facts)
    theirs.add(stated, by=admin)
    say, wanted = reverse("responses:count_in", args=[stated.pk]), ours.pk
    typed = {"campaign": wanted if choice == "another" else ""}
    page = html(as_(lead).post(say, typed, follow=True))
    assert "closed or not yours. Nothing was changed." in page
    with pytest.raises(Refused, match="not yours"):
        ours.add(stated, by=lead) if choice == "another" else leave_campaign(stated, by=lead)
    assert theirs.statements.get() == stated


@pytest.mark.django_db(transaction=True)
def test_nor_is_it_taken_out_by_whoever_counts_it_in_at_the_same_moment(
    stated: Response, sales: Department, admin: User, lead: User, service: Department
) -> None:
    facts = {"owner": admin, "aim": "x"}
    theirs = Campaign.objects.create(name="Theirs", department=sales, **facts)
    ours = Campaign.objects.create(name="Ours", department=service, **facts)

    def count_in(campaign: Campaign, by: User) -> None:
        with suppress(Refused):
            campaign.add(stated, by=by)

    at_once(lambda: count_in(theirs, admin), lambda: count_in(ours, lead))
    assert theirs.statements.get() == stated, "the admin sees both, and has the last word"
    assert not ours.statements.exists()


def test_a_reply_to_one_person_counts_for_none(
    summer: Campaign, answer: Callable[..., Response], lead: User, as_: As
) -> None:
    reply, browser = answer(), as_(lead)
    say = reverse("responses:count_in", args=[reply.pk])
    assert say not in html(browser.get(reply.get_absolute_url()))
    assert "is a reply to one person" in html(
        browser.post(say, {"campaign": summer.pk}, follow=True)
    )
    with pytest.raises(Refused):
        summer.add(reply, by=lead)
    assert not CampaignStatement.objects.exists()


def test_a_closed_campaign_takes_nothing_in(
    summer: Campaign, stated: Response, lead: User, as_: As
) -> None:
    summer.close()
    say = reverse("responses:count_in", args=[stated.pk])
    page = as_(lead).post(say, {"campaign": summer.pk}, follow=True)
    assert "That campaign is closed or not yours." in html(page)
    with pytest.raises(Refused, match="closed"):
        summer.add(stated, by=lead)


def test_the_campaign_offers_the_last_statements(
    summer: Campaign, stated: Response, lead: User, reader: User, as_: As
) -> None:
    assert as_(lead).get(summer.get_absolute_url()).context["offered"] == [stated]
    assert as_(reader).get(summer.get_absolute_url()).context["offered"] == []
    say = reverse("responses:count_in", args=[stated.pk])
    answer = as_(lead).post(say, {"campaign": summer.pk, "stay": "1"})
    assert answer["Location"] == summer.get_absolute_url()


def test_the_history_is_narrowed_to_a_campaign(
    running: Campaign, stated: Response, answer: Callable[..., Response], lead: User,
    outsider: User, as_: As,
) -> None:  # fmt: skip
    answer()
    page = as_(lead).get("/responses/", {"campaign": running.pk})
    assert page.context["responses"] == [stated]
    assert as_(outsider).get("/responses/", {"campaign": running.pk}).status_code == 422


# Results of a campaign


def test_every_figure_is_the_number_of_rows_behind_it(
    running: Campaign, comment: Callable[..., Feedback], heard_of: Mention, lead: User,
    supervisor: User, as_: As,
) -> None:  # fmt: skip
    comment("Shame on you.", "angry", handle="@ines")
    comment("Thank you.", handle="@ines")
    comment("Good.", "thanks", handle="@omar")
    Delivery.objects.update(silent_at=timezone.now())
    omar = Contact.objects.create(name="Omar")
    Feedback.objects.latest("pk").interaction.profile.link_to(omar, by=lead, evidence="Said so.")
    browser = as_(supervisor)
    page = browser.get(running.get_absolute_url())
    behind = reverse("responses:campaign_rows", args=[running.pk])

    def count(query: str) -> int:
        opened = browser.get(f"{behind}?{query}")
        drawn = opened.context
        shown = drawn.get("echoes") or drawn.get("items") or drawn.get("rows") or []
        assert drawn["count"] == len(shown)
        return len(shown)

    figures = {kind: n for kind, _label, n in page.context["figures"]}
    assert figures == {
        "deliveries": 1, "answers": 3, "mentions": 1, "people": 2, "contacts": 1, "cases": 2,
    }  # fmt: skip
    assert {kind: count(f"kind={kind}") for kind in figures} == figures
    for row in (*page.context["channels"], *page.context["people"]):
        assert count(f"kind=answers&{row.key}") == row.answers
        for outcome, _word, n in row.outcomes:
            assert count(f"kind=answers&{row.key}&outcome={outcome}") == n
    (channel,) = page.context["channels"]
    assert count(f"kind=deliveries&{channel.key}&outcome=silent") == channel.silent == 1
    assert [(str(row.who), row.answers) for row in page.context["people"]] == [
        ("Ron Calder", 2),
        ("Omar", 1),
    ]


def test_a_contact_is_one_person_on_all_their_profiles(
    running: Campaign, comment: Callable[..., Feedback], lead: User
) -> None:
    ines = Contact.objects.create(name="Ines")
    for handle in ("@ines", "@ines_flies"):
        comment("Fine.", handle=handle).interaction.profile.link_to(
            ines, by=lead, evidence="Said so."
        )
    results = Results(running, lead)
    (person,) = by_person(results)
    assert (person.who, person.answers) == (ines, 2)
    assert results.rows(Asked("answers", contact=ines.pk)).count() == 2


def test_answers_with_departments_of_others_are_in_no_figure(
    running: Campaign, comment: Callable[..., Feedback], lead: User, supervisor: User, as_: As
) -> None:
    """The numbers of a campaign leave out the answers that the user may not read.

    Fails without `readable_by`, because then the numbers include answers in the restricted cases of
    other departments.
    """
    secret = comment("Between us and our lawyers", "angry").interaction.conversation
    legal = Department.objects.create(name="Legal", owner=lead, is_restricted=True)
    Case.objects.filter(conversation_links__conversation=secret).update(department=legal)
    restrict(Conversation.objects.filter(pk=secret.pk))
    page = as_(lead).get(running.get_absolute_url())
    figures = {kind: n for kind, _label, n in page.context["figures"]}
    assert (figures["answers"], figures["people"], figures["cases"]) == (0, 0, 0)
    assert page.context["people"] == []
    assert "1 answer belongs to another department" in html(page)
    behind = reverse("responses:campaign_rows", args=[running.pk])
    assert "our lawyers" not in html(as_(lead).get(behind))
    assert "our lawyers" in html(as_(supervisor).get(behind))


def test_what_was_there_before_it_began_is_not_new(
    running: Campaign, comment: Callable[..., Feedback], lead: User
) -> None:
    comment("Good.")
    running.starts_on = timezone.localdate() + timedelta(days=1)
    assert not Results(running, lead).cases.exists()


def test_long_lists_are_read_page_by_page(
    running: Campaign, comment: Callable[..., Feedback], lead: User, as_: As,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("responses.views.campaign.PAGE", 2)
    said = {comment(f"Number {number}").pk for number in range(5)}
    behind = reverse("responses:campaign_rows", args=[running.pk])
    seen: list[int] = []
    query = "kind=answers"
    while query:
        context = as_(lead).get(f"{behind}?{query}").context
        seen += [each.feedback.pk for each in context["echoes"]]
        query = context["older"]
    assert len(seen) == 5
    assert set(seen) == said


def test_the_page_costs_the_same_for_few_answers_and_for_many(
    running: Campaign, comment: Callable[..., Feedback], lead: User, as_: As
) -> None:
    costs = []
    for number in (1, 8):
        for _ in range(number):
            comment("Hm.", "angry")
        with CaptureQueriesContext(connection) as asked:
            as_(lead).get(running.get_absolute_url())
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_two_channels_are_told_apart(
    running: Campaign, comment: Callable[..., Feedback], stated: Response, admin: User, lead: User
) -> None:
    comment("Good.", "thanks")
    blog = Account.objects.create(kind="sandbox", network="sandbox.blog", name="Blog", owner=admin)
    said = stated.deliveries.get()
    Delivery.objects.create(
        response=stated, account=blog, state="sent", sent_at=timezone.now(),
        interaction=said.interaction, uuid=uuid.uuid4(),
    )  # fmt: skip
    rows = by_channel(Results(running, lead))
    assert [(str(row.who), row.deliveries, row.answers) for row in rows] == [
        ("@SkywardAir", 1, 1),
        ("Blog", 1, 0),
    ]


def test_its_days_are_shown(running: Campaign, lead: User, as_: As) -> None:
    running.ends_on = date(2030, 1, 1)
    running.save()
    assert "2030-01-01" in html(as_(lead).get(CAMPAIGNS))


# Choosing a campaign while writing a statement


@pytest.fixture
def typing(seats: Issue, microblog: Account) -> dict[str, Any]:
    return {"form": uuid.uuid4(), "accounts": [microblog.pk], "text": "Fly on a Tuesday."}


def test_a_statement_on_an_issue_counts_for_the_campaign_that_was_chosen(
    summer: Campaign, seats: Issue, agent: User, as_: As, typing: dict[str, Any]
) -> None:
    browser, page = as_(agent), reverse("responses:issue_statement", args=[seats.pk])
    assert "Skyward Summer</option>" in html(browser.get(page))
    browser.post(page, typing | {"campaign": summer.pk})
    assert summer.statements.get().text == "Fly on a Tuesday."


def test_a_statement_in_a_case_counts_for_the_campaign_that_was_chosen(
    summer: Campaign, complaint: Case, agent: User, as_: As, typing: dict[str, Any]
) -> None:
    """A statement that is written in a case is added to the chosen campaign.

    If the form is submitted twice, only one statement is added.
    """
    browser, tab = as_(agent), reverse("responses:composer", args=[complaint.pk])
    assert "Skyward Summer</option>" in html(browser.get(tab, {"tab": "statement"}))
    typing |= {"campaign": summer.pk, "seen": complaint.last_inbound_id}
    for _ in range(2):
        browser.post(reverse("responses:statement", args=[complaint.pk]), typing)
    assert summer.statements.get().case == complaint


def test_a_campaign_that_is_closed_meanwhile_publishes_nothing_and_keeps_the_text(
    summer: Campaign, seats: Issue, agent: User, as_: As, typing: dict[str, Any]
) -> None:
    summer.close()
    page = reverse("responses:issue_statement", args=[seats.pk])
    answer = as_(agent).post(page, typing | {"campaign": summer.pk})
    assert answer.status_code == 422
    assert "Fly on a Tuesday." in html(answer)
    assert not Response.objects.exists()


def test_none_is_offered_where_none_may_be_seen(
    summer: Campaign, seats: Issue, outsider: User, sales: Department, microblog: Account, as_: As
) -> None:
    sales.accounts.add(microblog)
    page = html(as_(outsider).get(reverse("responses:issue_statement", args=[seats.pk])))
    assert "compose-text" in page
    assert "Skyward Summer" not in page


def test_the_draft_keeps_the_campaign_and_so_does_an_undo(
    summer: Campaign, seats: Issue, agent: User, as_: As, typing: dict[str, Any]
) -> None:
    """A draft of a statement keeps the chosen campaign.

    If the statement is undone, its draft has the campaign again, and the campaign no longer
    contains the statement. Fails if the campaign is not among the stored fields of a draft.
    """
    browser, page = as_(agent), reverse("responses:issue_statement", args=[seats.pk])
    chosen = f'<option value="{summer.pk}" selected>'
    draft = {"draft_kind": "statement", "draft_version": 0, "campaign": summer.pk}
    browser.post(reverse("responses:issue_draft", args=[seats.pk]), typing | draft)
    assert chosen in html(browser.get(page))

    browser.post(page, typing | {"campaign": summer.pk})
    assert chosen not in html(browser.get(page))
    browser.post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    assert chosen in html(browser.get(page))
    assert not summer.statements.exists()
