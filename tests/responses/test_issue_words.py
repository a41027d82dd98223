"""The page of an issue shows its mentions and our responses, and has a form for a statement."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, User
from responses import outbox
from responses.compose import Words, places_for, reply
from responses.models import Draft, Feedback, Response, ResponseRule
from routing.models import Case, Issue
from scrm.channels.base import Receipt

As = Callable[[User], Client]
Hear = Callable[..., Case]
HTMX = {"HX-Request": "true"}


def sent(response: Response, key: str) -> Response:
    receipt = Receipt("sandbox.microblog", key)
    outbox.mark_sent(response.deliveries.get(), receipt, now=timezone.now())
    return response


@pytest.fixture
def answered(seats: Issue, hear: Hear, agent: User) -> Callable[..., Response]:
    """Return a function that creates a case of the issue, with a reply that is already sent."""

    def write(handle: str, text: str = "We are so sorry.") -> Response:
        case = hear("@SkywardAir my seat", handle=handle)
        case.group(seats, by=agent)
        words = Words(uuid.uuid4(), text, "public", seen=case.last_inbound_id)
        return sent(reply(case, words, place=places_for(case)[0], by=agent), f"to {handle}")

    return write


def said(issue: Issue) -> str:
    return reverse("responses:issue_said", args=[issue.pk])


def writing(issue: Issue) -> str:
    return reverse("responses:issue_statement", args=[issue.pk])


def draft(issue: Issue) -> str:
    return reverse("responses:issue_draft", args=[issue.pk])


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def typed(account: Account, **more: Any) -> dict[str, Any]:
    fields = {"form": uuid.uuid4(), "accounts": [account.pk], "text": "We are looking into it."}
    return fields | more


# What people wrote, and our answers


def test_statements_and_replies_of_its_cases_stand_together(
    seats: Issue, stated: Response, answered: Callable[..., Response], agent: User, as_: As
) -> None:
    answered("@rita", "Dear Rita, sorry.")
    page = as_(agent).get(said(seats))
    assert [each.pk for each in page.context["statements"]] == [stated.pk]
    assert [each.text for each in page.context["replies"]] == ["Dear Rita, sorry."]
    assert "<html" in html(page)
    assert "<html" not in html(as_(agent).get(said(seats), headers=HTMX))


def test_a_reply_leaves_the_issue_with_its_case(
    seats: Issue, answered: Callable[..., Response], agent: User, as_: As
) -> None:
    case = answered("@rita").case
    assert case
    case.group(None, by=agent)
    assert as_(agent).get(said(seats)).context["replies"] == []


def test_the_answers_are_summed_by_what_they_amount_to(
    seats: Issue, comment: Callable[..., Feedback], agent: User, as_: As
) -> None:
    for text, outcome in (("Good.", "thanks"), ("Bad.", "angry"), ("Bah.", "angry"), ("Hm.", "")):
        comment(text, outcome)
    page = html(as_(agent).get(said(seats)))
    for words in ("4 answers", "1 thanks", "2 angry", "1 not judged"):
        assert words in page


def test_a_sum_opens_the_answers_behind_it(
    seats: Issue, comment: Callable[..., Feedback], agent: User, as_: As
) -> None:
    comment("Good of you.", "thanks")
    comment("Never again.", "angry")
    comment("And my bag?")
    browser = as_(agent)
    for asked, shown in (("angry", "Never again."), ("none", "And my bag?")):
        page = browser.get(said(seats), {"outcome": asked})
        assert [each.feedback.interaction.text for each in page.context["echoes"]] == [shown]


def test_answers_in_a_restricted_conversation_are_counted_but_not_shown(
    seats: Issue, comment: Callable[..., Feedback], outsider: User, service: Department, as_: As
) -> None:
    """If the user may not read a conversation, its answers are counted but not shown.

    The page shows their number separately. Fails without `readable_by`, because then the numbers of
    outcomes include these answers.
    """
    secret = comment("Between us and our lawyers", "angry")
    secret.interaction.conversation.restricted_to = service
    secret.interaction.conversation.save()
    page = as_(outsider).get(said(seats))
    assert "our lawyers" not in html(page)
    assert "1 angry" not in html(page)
    assert "1 more belongs to another department" in html(page)


def test_replies_of_other_departments_are_counted_but_not_shown(
    seats: Issue, answered: Callable[..., Response], outsider: User, as_: As
) -> None:
    answered("@rita", "Dear Rita, sorry.")
    page = as_(outsider).get(said(seats))
    assert "Dear Rita" not in html(page)
    assert page.context["replies_hidden"] == 1


def test_an_answer_is_judged_where_it_stands(
    seats: Issue, comment: Callable[..., Feedback], agent: User, supervisor: User, as_: As
) -> None:
    feedback = comment("Good of you.")
    judge = reverse("responses:judge", args=[feedback.pk])
    assert judge not in html(as_(agent).get(said(seats)))  # only team leads may judge this feedback
    browser = as_(supervisor)
    assert judge in html(browser.get(said(seats)))
    row = browser.post(judge, {"outcome": "thanks"}, headers=HTMX)
    assert json.loads(row["HX-Trigger"]) == {"judged": {}}
    assert 'aria-pressed="true">Thanks' in html(row)
    browser.post(judge, {"outcome": ""}, headers=HTMX)
    feedback.refresh_from_db()
    assert (feedback.outcome, feedback.judged_by) == ("", None)


def test_the_history_opens_all_that_was_said_on_one_issue(
    seats: Issue, stated: Response, answered: Callable[..., Response], hear: Hear, agent: User,
    as_: As,
) -> None:  # fmt: skip
    mine = answered("@rita")
    other = hear("@SkywardAir my bag", handle="@bob")
    words = Words(uuid.uuid4(), "Your bag comes.", "public", seen=other.last_inbound_id)
    reply(other, words, place=places_for(other)[0], by=agent)
    page = as_(agent).get(reverse("responses:history"), {"issue": seats.pk})
    assert {each.pk for each in page.context["responses"]} == {stated.pk, mine.pk}


def test_it_asks_as_little_for_many_answers_as_for_few(
    seats: Issue, comment: Callable[..., Feedback], answered: Callable[..., Response],
    agent: User, as_: As,
) -> None:  # fmt: skip
    asked = []
    browser = as_(agent)
    for several in (1, 6):
        for _ in range(several):
            comment("Hm.", "angry")
            answered(f"@{uuid.uuid4().hex[:8]}")
        with CaptureQueriesContext(connection) as queries:
            browser.get(said(seats), headers=HTMX)
        asked.append(len(queries))
    assert asked[0] == asked[1]


# Writing a statement


def test_it_shows_how_it_will_look_in_each_place_as_one_types(
    seats: Issue, microblog: Account, service: Department, admin: User, agent: User, as_: As
) -> None:
    microblog.config = {"max_length": 20, "titles": False}
    microblog.save()
    blog = Account.objects.create(
        kind="sandbox", network="sandbox.blog", self_key="b", name="Our blog", owner=admin,
        config={"visibilities": ["public"]},
    )  # fmt: skip
    service.accounts.add(blog)
    text = "We change our policy today."
    fields = typed(microblog, accounts=[microblog.pk, blog.pk], subject="Seats", text=text)
    part = as_(agent).post(draft(seats), fields)
    first, second = part.context["form"].previews
    assert (str(first.account), first.title, first.measure.excess) == ("@SkywardAir", "", 7)
    assert (str(second.account), second.title, second.measure.excess) == ("Our blog", "Seats", 0)
    assert f"{len(text)} of 20 characters" in html(part)
    assert "7 too many" in html(part)


def test_without_scripts_a_button_shows_the_previews(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    page = as_(agent).post(writing(seats), typed(microblog, then="preview"))
    assert page.status_code == 200
    assert "23 characters" in html(page)
    assert not Response.objects.exists()


def test_what_is_typed_is_kept_with_its_places_and_found_again(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    browser = as_(agent)
    browser.post(draft(seats), typed(microblog, subject="Seats", draft_version=0))
    page = browser.get(writing(seats))
    assert "We are looking into it.</textarea>" in html(page)
    assert [str(each.account) for each in page.context["form"].previews] == ["@SkywardAir"]
    assert page.context["version"] == 1


def test_the_rules_speak_while_one_types_and_the_button_says_what_will_happen(
    seats: Issue, microblog: Account, make_rule: Callable[..., ResponseRule], agent: User, as_: As
) -> None:
    make_rule("booking")
    browser = as_(agent)
    part = browser.post(draft(seats), typed(microblog, text="Your booking is lost"))
    assert "needs a second pair of eyes" in html(part)
    assert "Ask for approval" in html(part)
    fine = browser.post(draft(seats), typed(microblog, text="All is well", draft_version=1))
    assert "Publish to everyone" in html(fine)


def test_a_rule_about_the_channel_speaks_once_it_is_chosen(
    seats: Issue, microblog: Account, admin: User, agent: User, as_: As
) -> None:
    ResponseRule.objects.create(
        name="Sandbox", owner=admin, verdict="hold", reason="Not in the sandbox.",
        conditions={"all": [{"field": "channel", "op": "is", "value": "sandbox"}]},
    )  # fmt: skip
    browser = as_(agent)
    nowhere = browser.post(draft(seats), typed(microblog, accounts=[]))
    assert "Not in the sandbox." not in html(nowhere)
    chosen = browser.post(draft(seats), typed(microblog, draft_version=1))
    assert "Not in the sandbox." in html(chosen)


def test_a_second_window_does_not_overwrite_the_first(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    browser = as_(agent)
    browser.post(draft(seats), typed(microblog, text="First window", draft_version=0))
    late = browser.post(draft(seats), typed(microblog, text="Second window", draft_version=0))
    assert late.status_code == 409
    assert "First window" in html(late)
    assert Draft.objects.get().text == "First window"


def test_a_published_statement_leaves_no_draft_here_or_in_the_browser(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    browser = as_(agent)
    browser.post(draft(seats), typed(microblog))
    done = browser.post(writing(seats), typed(microblog), headers=HTMX)
    assert done["HX-Redirect"] == seats.get_absolute_url()
    assert json.loads(done["HX-Trigger"])["draft-gone"]["place"] == f"issue-{seats.pk}-statement"
    assert not Draft.objects.exists()
    assert Response.objects.get().issue == seats


def test_a_draft_can_be_thrown_away(seats: Issue, microblog: Account, agent: User, as_: As) -> None:
    browser = as_(agent)
    browser.post(draft(seats), typed(microblog))
    browser.post(writing(seats), typed(microblog, then="discard"))
    assert not Draft.objects.exists()
    assert not Response.objects.exists()


def test_the_same_form_with_other_words_is_stale_and_keeps_them(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    """If the same form is submitted again with another text, the page reports this with status 409.

    The form keeps the new text. Fails if the exception `Stale` is not caught, because then the page
    has status 500.
    """
    fields, browser = typed(microblog), as_(agent)
    browser.post(writing(seats), fields)
    late = browser.post(writing(seats), fields | {"text": "Other words"})
    assert late.status_code == 409
    assert "Other words</textarea>" in html(late)
    assert Response.objects.get().text == "We are looking into it."


def test_a_correction_begins_with_what_it_corrects(
    seats: Issue, stated: Response, agent: User, as_: As
) -> None:
    page = html(as_(agent).get(writing(seats), {"corrects": stated.pk}))
    assert f'<option value="{stated.pk}" selected>' in page
    assert "We change our policy." in page


def test_whose_name_it_is_in_is_kept_with_the_draft(
    seats: Issue, microblog: Account, sales: Department, supervisor: User, as_: As
) -> None:
    sales.accounts.add(microblog)
    browser = as_(supervisor)
    browser.post(draft(seats), typed(microblog, department=sales.pk))
    assert browser.get(writing(seats)).context["department"] == sales


def test_an_undone_statement_is_a_draft_again(
    seats: Issue, microblog: Account, agent: User, as_: As
) -> None:
    browser = as_(agent)
    browser.post(writing(seats), typed(microblog, subject="Seats"))
    browser.post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    page = browser.get(writing(seats))
    assert "We are looking into it.</textarea>" in html(page)
    assert [str(each.account) for each in page.context["form"].previews] == ["@SkywardAir"]
