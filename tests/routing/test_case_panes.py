"""The case page beside the inbox list.

The tests cover the parts of the page that actions return, the presence of colleagues, and undo.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from crm.models import Department, Interaction, Notice, Profile, User
from crm.tasks import mail_notice
from routing import at_names
from routing.models import Case, Presence, ResponseTarget
from routing.models.presence import FRESH
from routing.models.status import Stale
from routing.undo import restore, snapshot
from routing.wake import wake_snoozed
from scrm import pipeline
from scrm.bus import nudge

As = Callable[[User], Client]
Make = Callable[..., Case]
Say = Callable[..., Interaction]
DESK = {"HX-Request": "true", "HX-Target": "open", "Scrm-List": "view=unassigned"}


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_a_row_opens_beside_its_list(as_: As, agent: User, case: Case) -> None:
    panes = html(as_(agent).get(f"/cases/{case.pk}/?view=unassigned", headers=DESK))
    assert "<html" not in panes
    assert panes.lstrip().startswith('<div id="open"')
    assert f'id="row-{case.pk}"' in panes  # the row of the open case, marked as current
    whole = html(as_(agent).get(f"/cases/{case.pk}/?view=unassigned"))
    assert 'id="case-rows"' in whole
    assert 'class="timeline"' in whole


def test_a_verb_gives_the_panes_back_and_says_what_happened(
    as_: As, agent: User, case: Case
) -> None:
    panes = html(as_(agent).post(f"/cases/{case.pk}/claim/", {"assignee": ""}, headers=DESK))
    assert "The case is assigned to you." in panes
    assert "<b>you</b>" in panes


def test_the_row_that_comes_with_a_verb_knows_its_list(as_: As, agent: User, case: Case) -> None:
    """After an action, the server returns the new row of the case for the list on screen.

    If the case no longer belongs to that list, its row is marked as gone. Otherwise the row would
    look unchanged until the next refresh of the list.
    """
    claim, typed = f"/cases/{case.pk}/claim/", {"assignee": ""}
    panes = html(as_(agent).post(claim, typed, headers=DESK))
    assert f'<li id="row-{case.pk}" class="case-row current gone"' in panes
    assert "assigned to you" in panes
    mine = html(as_(agent).post(claim, typed, headers={**DESK, "Scrm-List": "shows=mine"}))
    assert f'<li id="row-{case.pk}" class="case-row current"' in mine


def test_a_list_on_screen_keeps_its_view(
    as_: As, agent: User, teammate: User, case: Case, make_case: Make
) -> None:
    """A refresh of the list names the view that is on screen.

    Without the name, the server would return the default view, which is “Mine” for this agent.
    """
    other = make_case(by="ruth")
    case.claim(by=agent)
    asked = {"ids": f"{case.pk},{other.pk}", "shows": "unassigned"}
    rows = html(as_(agent).get("/inbox/news/", asked))
    assert f'<li id="row-{case.pk}" class="case-row gone"' in rows
    assert f'<li id="row-{other.pk}" class="case-row fresh"' in rows
    assert "shows" not in rows
    new = html(as_(agent).get("/inbox/news/", {"ids": other.pk, "shows": "mine"}))
    assert "not in this list" in new  # and not “moved”: it was never in there
    listed = html(as_(agent).get("/", {"shows": "unassigned"}, headers={"HX-Target": "cases"}))
    assert (f'id="row-{case.pk}"' in listed, f'id="row-{other.pk}"' in listed) == (False, True)
    wrong = html(as_(agent).get("/", {"shows": "mine' OR"}, headers={"HX-Target": "cases"}))
    assert f'id="row-{case.pk}"' in wrong


def test_taking_it_can_be_taken_back(as_: As, agent: User, case: Case) -> None:
    client = as_(agent)
    answer = client.post(f"/cases/{case.pk}/claim/", {"assignee": ""}, headers=DESK)
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    back = client.post("/undo/", {"how": how}, headers=DESK)
    assert json.loads(back["HX-Trigger"])["case-back"] == {"href": case.get_absolute_url()}
    case.refresh_from_db()
    assert (case.assignee, case.status) == (None, "new")


@pytest.mark.parametrize("verb", ["done", "snooze", "noise"])
def test_after_a_finishing_verb_the_next_case_comes_and_undo_brings_it_back(
    as_: As, agent: User, case: Case, verb: str
) -> None:
    client, before = as_(agent), snapshot(Case.objects.get(pk=case.pk))
    typed = {"seen": case.last_inbound_id, "preset": "hour", "every": "Thanks"}
    answer = client.post(f"/cases/{case.pk}/{verb}/", typed, headers=DESK)
    assert json.loads(answer["HX-Trigger"]) == {"case-finished": {"id": case.pk}}
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    assert snapshot(Case.objects.get(pk=case.pk)) != before
    client.post("/undo/", {"how": how})
    assert snapshot(Case.objects.get(pk=case.pk)) == before
    assert case.events.latest("pk").kind == "undone"


def test_handing_over_can_be_taken_back(
    as_: As, agent: User, outsider: User, sales: Department, service: Department, case: Case
) -> None:
    """If a transfer is undone, the restriction to the other department is removed too."""
    sales.is_restricted = True
    sales.save()
    client, before = as_(agent), snapshot(Case.objects.get(pk=case.pk))
    typed = {"department": sales.pk, "person": "", "why": "A sales matter"}
    answer = html(client.post(f"/cases/{case.pk}/transfer/", typed, headers=DESK))
    assert case.conversations.get().restricted_to
    how = re.findall(r'name="how" value="([^"]+)"', answer)[0]
    assert as_(outsider).post("/undo/", {"how": how}).status_code == 404
    client.post("/undo/", {"how": how})
    assert snapshot(Case.objects.get(pk=case.pk)) == before
    assert not case.conversations.get().restricted_to


def test_what_they_wrote_there_meanwhile_stays_with_them(
    as_: As, agent: User, outsider: User, sales: Department, case: Case
) -> None:
    """A transfer cannot be undone after the other department wrote a note in the case.

    Fails if the undo ignores the note, because the agent could then read the note of the other
    department.
    """
    typed = {"department": sales.pk, "person": "", "why": "A sales matter"}
    answer = html(as_(agent).post(f"/cases/{case.pk}/transfer/", typed, headers=DESK))
    how = re.findall(r'name="how" value="([^"]+)"', answer)[0]
    as_(outsider).get(f"/cases/{case.pk}/")
    as_(outsider).post(f"/cases/{case.pk}/left/")
    Case.objects.get(pk=case.pk).note("He is wrong about clause 9", by=outsider)
    page = html(as_(agent).post("/undo/", {"how": how}, follow=True))
    assert "The transfer was not undone." in page
    assert Case.objects.get(pk=case.pk).department == sales


def test_who_took_it_back_reads_no_further_because_of_it(
    as_: As, agent: User, teammate: User, outsider: User, sales: Department, case: Case
) -> None:
    """After an undone transfer, a later transfer by a colleague gives the user no access.

    The user transferred the case and undid this transfer. Then a colleague transferred the case.
    Fails if the undone transfer still gives the user the right to read the case after the second
    transfer.
    """
    client = as_(agent)
    typed = {"department": sales.pk, "person": outsider.pk, "why": "A sales matter"}
    answer = html(client.post(f"/cases/{case.pk}/transfer/", typed, headers=DESK))
    assert Notice.objects.filter(user=outsider).exists()
    client.post("/undo/", {"how": re.findall(r'name="how" value="([^"]+)"', answer)[0]})
    assert not Notice.objects.filter(user=outsider).exists()
    Case.objects.get(pk=case.pk).transfer(to=sales, by=teammate, why="Theirs after all")
    assert client.get(f"/cases/{case.pk}/").status_code == 404
    assert as_(teammate).get(f"/cases/{case.pk}/").status_code == 200


def test_who_left_the_department_takes_nothing_back_into_it(
    as_: As, agent: User, sales: Department, case: Case
) -> None:
    typed = {"department": sales.pk, "person": "", "why": "A sales matter"}
    answer = html(as_(agent).post(f"/cases/{case.pk}/transfer/", typed, headers=DESK))
    how = re.findall(r'name="how" value="([^"]+)"', answer)[0]
    agent.memberships.all().delete()
    assert as_(agent).post("/undo/", {"how": how}).status_code == 404
    assert Case.objects.get(pk=case.pk).department == sales


def test_what_was_done_already_has_no_way_back_of_its_own(as_: As, agent: User, case: Case) -> None:
    """A second click on “Done” changes nothing, so the message after it offers no undo."""
    for ways_back in (1, 0):
        typed = {"seen": case.last_inbound_id, "every": "Thanks"}
        answer = html(as_(agent).post(f"/cases/{case.pk}/done/", typed, headers=DESK))
        assert answer.count('name="how"') == ways_back
    assert case.events.filter(kind="done").count() == 1


def test_what_a_colleague_did_at_the_same_moment_has_no_way_back_either(
    agent: User, teammate: User, case: Case
) -> None:
    """If two users finish a case at the same moment, the slower user is offered no undo.

    Each request has its own copy of the case. The undo is offered only if this copy changed, so the
    slower request must not change its copy. Fails if the copy gets the state that the faster user
    stored.
    """
    theirs, seen = Case.objects.get(pk=case.pk), case.last_inbound_id
    before = snapshot(theirs)
    case.finish(by=agent, seen=seen, reasons="No question")
    theirs.finish(by=teammate, seen=seen, reasons="No question")
    assert snapshot(theirs) == before
    assert case.events.filter(kind="done").count() == 1


def test_undo_leaves_alone_what_somebody_changed_since(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    client = as_(agent)
    typed = {"seen": case.last_inbound_id, "every": "Thanks"}
    answer = client.post(f"/cases/{case.pk}/done/", typed, headers=DESK)
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    Case.objects.get(pk=case.pk).reopen(by=teammate, why="They called.")
    page = client.post("/undo/", {"how": how}, follow=True)
    assert "Another user has changed the case since" in html(page)
    assert Case.objects.get(pk=case.pk).status == "open"


def test_who_writes_again_after_noise_is_seen_with_the_mark(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    """If a person writes again after noise, list and new case show “marked as noise before”.

    If a user then tries to undo the noise, the message names the new case.
    """
    client = as_(agent)
    answer = client.post(f"/cases/{case.pk}/noise/", headers=DESK)
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    fresh = Case.objects.get(last_inbound=say("It is lost, really!", thread_key="post-1"))
    assert fresh.continues == case
    assert "marked as noise before</span>" in html(client.get("/?view=unassigned"))
    assert f"marked as noise before: #{case.pk}" in html(client.get(fresh.get_absolute_url()))
    page = client.post("/undo/", {"how": how}, follow=True)
    assert f"A new message opened case #{fresh.pk}." in html(page)
    assert "marked as noise before:" not in html(client.get(case.get_absolute_url()))


def test_a_way_back_is_nobody_elses(as_: As, agent: User, teammate: User, case: Case) -> None:
    answer = as_(agent).post(f"/cases/{case.pk}/noise/", headers=DESK)
    how = re.findall(r'name="how" value="([^"]+)"', html(answer))[0]
    assert as_(teammate).post("/undo/", {"how": how}).status_code == 404
    assert as_(agent).post("/undo/", {"how": how + "x"}).status_code == 404


def test_put_back_compares_all_that_it_would_overwrite(agent: User, case: Case) -> None:
    before = snapshot(case)
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question")
    after = snapshot(case)
    case.tag(add=["later"], by=agent)
    with pytest.raises(Stale):
        restore(case, before, after=after, by=agent)
    assert Case.objects.get(pk=case.pk).tags == ["later"]


def test_snooze_until_they_write(as_: As, agent: User, case: Case, say: Say) -> None:
    typed = {"seen": case.last_inbound_id, "preset": "reply"}
    as_(agent).post(f"/cases/{case.pk}/snooze/", typed)
    case.refresh_from_db()
    assert (case.status, case.snoozed_until) == ("snoozed", None)
    assert wake_snoozed(now=timezone.now() + timedelta(days=400)) == 0
    root = case.last_inbound.key
    say("Anybody there?", thread_key=root, in_reply_to=root)
    assert Case.objects.get(pk=case.pk).status == "open"


def test_tags_of_two_windows_both_stay(as_: As, agent: User, case: Case) -> None:
    """If tags are set in two browser windows, both tags are kept.

    Each form also submits the tags that its page showed, and only the differences from these are
    applied.
    """
    client = as_(agent)
    client.post(f"/cases/{case.pk}/tags/", {"was": "", "tags": "urgent bag, lisbon"})
    client.post(f"/cases/{case.pk}/tags/", {"was": "", "tags": "refund"})
    case.refresh_from_db()
    assert case.tags == ["urgent bag", "lisbon", "refund"]
    client.post(f"/cases/{case.pk}/tags/", {"was": "lisbon,refund", "tags": "refund"})
    case.refresh_from_db()
    assert case.tags == ["urgent bag", "refund"]
    assert case.events.latest("pk").why == "-lisbon"


def test_a_tag_too_long_is_refused_and_kept_in_its_field(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).post(f"/cases/{case.pk}/tags/", {"tags": "x" * 61})
    assert page.status_code == 422
    assert "A tag has at most 60 characters." in html(page)
    assert "x" * 61 in html(page)


def test_priority_moves_the_time_to_answer_by(
    as_: As, agent: User, service: Department, case: Case
) -> None:
    ResponseTarget.objects.create(department=service, priority="urgent", first=60, next=60)
    Case.objects.update(due_at=timezone.now() + timedelta(hours=8))
    as_(agent).post(f"/cases/{case.pk}/priority/", {"priority": "urgent"})
    case.refresh_from_db()
    assert case.priority == "urgent"
    assert case.due_at == case.last_inbound_at + timedelta(hours=1)
    assert case.rank == 0


def test_assigning_tells_the_colleague(
    as_: As, agent: User, teammate: User, outsider: User, case: Case
) -> None:
    client = as_(agent)
    client.post(f"/cases/{case.pk}/assign/", {"person": teammate.pk})
    case.refresh_from_db()
    assert case.assignee == teammate
    assert Notice.objects.get().user == teammate
    page = client.post(f"/cases/{case.pk}/assign/", {"person": outsider.pk})
    assert page.status_code == 422
    case.refresh_from_db()
    assert case.assignee == teammate


def test_who_is_here_is_named_and_opening_and_leaving_are_recorded(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    as_(teammate).post(f"/cases/{case.pk}/here/")
    assert "Theo Teammate is viewing" in html(as_(agent).post(f"/cases/{case.pk}/here/"))
    as_(teammate).post(f"/cases/{case.pk}/here/", {"replying": 1})
    assert "Theo Teammate is replying" in html(as_(agent).get(f"/cases/{case.pk}/present/"))
    as_(teammate).post(f"/cases/{case.pk}/left/")
    assert "Theo" not in html(as_(agent).get(f"/cases/{case.pk}/present/"))
    seen = case.events.filter(by=teammate).values_list("kind", flat=True)
    assert list(seen) == ["opened", "left"]


def test_who_went_without_a_word_is_written_down_as_left(
    agent: User, case: Case, noon: datetime
) -> None:
    Presence.here(case, agent, now=noon)
    assert Presence.objects.sweep(now=noon + FRESH / 2) == 0
    assert Presence.objects.sweep(now=noon + FRESH + timedelta(seconds=1)) == 1
    left = case.events.latest("pk")
    assert (left.kind, left.by, left.at) == ("left", agent, noon)


def test_presence_is_for_those_who_see_the_case(as_: As, outsider: User, case: Case) -> None:
    for verb in ("here", "left"):
        assert as_(outsider).post(f"/cases/{case.pk}/{verb}/").status_code == 404
    assert not Presence.objects.exists()


def test_a_mentioned_colleague_hears_of_it_once(
    as_: As, agent: User, teammate: User, outsider: User, case: Case
) -> None:
    form = "6f2c0e0e-0f4e-4f6e-9c53-0c6c4a1d2b3e"
    typed = {"form": form, "text": "Can you look, @theo?"}
    for _click in range(2):
        as_(agent).post(f"/cases/{case.pk}/note/", typed)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.about) == (teammate, "mentioned", f"case:{case.pk}")
    assert case.events.filter(kind="noted").count() == 1
    page = html(as_(teammate).get("/notices/"))
    assert "You were mentioned" in page
    assert "1 new notice" in html(as_(teammate).get("/notices/bell/"))
    done = as_(teammate).post("/notices/read/", {"notice": notice.pk})
    assert done["Location"] == case.get_absolute_url()
    assert "new notice" not in html(as_(teammate).get("/notices/bell/"))


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("@Theo Teammate, please", True),
        ("cc @theo.", True),
        ("(@THEO)", True),
        ("@theodor", False),
        ("mail theo@scrm.example", False),
        ("theo", False),
        ("@", False),
    ],
)
def test_who_is_called_by_name(
    teammate: User, agent: User, case: Case, text: str, called: bool
) -> None:
    assert (teammate in at_names.read(text, case).users) is called


def test_a_name_that_two_share_names_neither_and_says_so(
    service: Department, teammate: User, case: Case
) -> None:
    other = User.objects.create_user("t2@scrm.example", name="Theo Other", role="supervisor")
    # The local part of Theo's mail address.
    assert at_names.read("@theo?", case) == at_names.Named(users=(teammate,))
    User.objects.filter(pk=teammate.pk).update(email="x@scrm.example")
    named = at_names.read("@theo?", case)
    assert named.users == ()
    assert "“@theo” matches several colleagues: @Theo Other, @Theo Teammate" in named.problems[0]
    assert at_names.read("@Theo Other?", case).users == (other,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@Theop, please call", "No colleague is named “Theop”. Did you mean @Theo Teammate?"),
        ("ask @Zebulon", "No colleague is named “Zebulon”. Correct the name, or remove the @."),
        ("@Otto Outsider?", "Otto Outsider cannot read this case of Customer service."),
    ],
)
def test_a_note_with_a_name_that_reaches_nobody_is_not_saved_and_its_text_is_kept(
    as_: As, agent: User, teammate: User, outsider: User, case: Case, text: str, problem: str
) -> None:
    """The error is at the field, and nobody is notified.

    Before, the note was saved and a message said afterwards that nobody was notified.
    """
    User.objects.filter(pk=outsider.pk).update(name="Otto Outsider")
    typed = {"form": str(uuid4()), "text": text}
    answer = as_(agent).post(f"/cases/{case.pk}/note/", typed, headers=DESK)
    assert answer.status_code == 422
    assert problem in unescape(html(answer))
    assert text in unescape(html(answer))
    assert not case.events.filter(kind="noted").exists()


def test_a_handle_of_the_party_goes_before_a_colleague_who_cannot_read_the_case(
    outsider: User, case: Case
) -> None:
    """Fails if “@tom” is refused because Tom Miller works in another department."""
    User.objects.filter(pk=outsider.pk).update(name="Tom Miller")
    assert at_names.read("asked @tom again", case).problems
    Profile.objects.filter(pk=case.profile_id).update(handle="@Tom")
    case = Case.objects.get(pk=case.pk)
    assert at_names.read("asked @tom again", case) == at_names.Named()


@pytest.mark.parametrize(
    "text",
    [
        "mail ron@calder.example",
        "on Mastodon: @ron@calder.example",
        "https://blog.example/@ron",
        "@roncalder wrote again",  # the handle of the party
        "4 seats @ 20 EUR",
    ],
)
def test_what_is_no_name_of_a_colleague_does_not_stop_a_note(
    agent: User, case: Case, text: str
) -> None:
    Profile.objects.filter(pk=case.profile_id).update(handle="@RonCalder")
    assert at_names.read(text, case) == at_names.Named()


def test_the_note_offers_who_can_read_the_case_by_a_name_that_is_their_own(
    as_: As, agent: User, teammate: User, outsider: User, case: Case
) -> None:
    User.objects.create_user("theo.two@scrm.example", name="Theo Teammate", role="supervisor")
    offered = html(as_(agent).get(f"/cases/{case.pk}/composer/?tab=note", headers=DESK))
    assert f'data-insert="@{agent.name} "' in offered
    assert 'data-insert="@theo.two "' in offered
    assert 'data-insert="@Theo Teammate "' not in offered
    assert f"@{outsider.name}" not in offered


def test_a_notice_is_mailed_once_to_whoever_wants_mail(
    settings: Any, agent: User, teammate: User, case: Case
) -> None:
    User.objects.filter(pk=teammate.pk).update(mail_notices=True)
    Notice.give([teammate, agent], Notice.Kind.ASSIGNED, by=agent, about=case.as_subject)
    notice = Notice.objects.get()
    mail_notice(notice.pk)
    mail_notice(notice.pk)
    assert [message.to for message in mail.outbox] == [[teammate.email]]
    assert f"/cases/{case.pk}/" in mail.outbox[0].body


def test_a_mail_whose_nudge_was_lost_is_sent_by_the_tick(
    agent: User, teammate: User, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick (`pipeline.tick`) sends the mail for a notice whose Celery message was lost.

    The tick mails only notices of the last day that are neither read nor mailed. The user must have
    chosen mail, and the notice must be more than a moment old.
    """
    User.objects.filter(pk=teammate.pk).update(mail_notices=True)
    now = timezone.now()
    ages = {"lost": 5, "just now": 0, "old": 60 * 25, "read": 5, "mailed": 5}
    for text, minutes in ages.items():
        at = now - timedelta(minutes=minutes)
        users = [teammate, agent]
        Notice.give(users, Notice.Kind.MENTIONED, about=case.as_subject, text=text, now=at)
    Notice.objects.filter(text="read").update(read_at=now)
    Notice.objects.filter(text="mailed").update(mailed_at=now)
    nudged: list[tuple[str, int]] = []
    monkeypatch.setattr(nudge, "nudge", lambda task, pk: nudged.append((task, pk)))
    # Messages of earlier tests may fill the queue, and then no message would be sent.
    monkeypatch.setattr(nudge, "_waiting", lambda _task: 0)
    pipeline.tick()
    (lost,) = [pk for task, pk in nudged if task == "crm.mail_notice"]
    assert Notice.objects.get(pk=lost).text == "lost"
    mail_notice(lost)
    assert mail.outbox[0].to == [teammate.email]


def test_a_reopened_case_rings_for_whoever_works_on_it(agent: User, case: Case, say: Say) -> None:
    case.claim(by=agent)
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question")
    root = case.last_inbound.key
    say("Not yet!", thread_key=root, in_reply_to=root)
    assert Notice.objects.get().kind == "reopened"


def test_the_whole_public_thread_is_shown(as_: As, agent: User, case: Case, say: Say) -> None:
    root = case.last_inbound.key
    say("Same here", by="rita", thread_key=root, in_reply_to=root)
    page = html(as_(agent).get(f"/cases/{case.pk}/thread/"))
    assert "My bag is gone" in page
    assert "Same here" in page


def test_settings_of_ones_own(as_: As, agent: User) -> None:
    client = as_(agent)
    assert 'data-shortcuts="on"' in html(client.get("/"))
    client.post("/me/", {"name": "Anna Agent", "email": agent.email})
    assert 'data-shortcuts="off"' in html(client.get("/"))


def test_an_expired_login_comes_back_to_the_page_of_the_form(client: Client, case: Case) -> None:
    page = f"http://testserver/cases/{case.pk}/?view=mine"
    answer = client.post(f"/cases/{case.pk}/done/", headers={"referer": page})
    assert answer["Location"] == f"/account/login/?next=/cases/{case.pk}/%3Fview%3Dmine"
