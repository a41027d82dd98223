"""The sample workspace: functions of the product create the whole story in a few seconds."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crm.models import (
    Account,
    Contact,
    ContactRelation,
    Department,
    Interaction,
    Membership,
    User,
    Workspace,
)
from listening import sensitive_topics
from listening.models import Mention, Quarantined, Source, Topic
from responses.models import Delivery, Feedback, Response, SavedReply
from responses.saved_reply_variables import unknown_variables
from routing.models import Case, Issue, ResponseTarget
from scrm.sample import ending, marker

FAST = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def somewhere(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PASSWORD_HASHERS = FAST


def run(command: str) -> list[str]:
    words = StringIO()
    call_command(command, stdout=words)
    return words.getvalue().splitlines()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_sample_tells_the_whole_story(tmp_path: Path) -> None:
    """The sample contains each part of the story.

    All these checks share one sample, because loading it takes seconds.
    """
    run("load_sample")
    everything_was_taken_in()
    nothing_happens_in_the_future()
    the_directors_one_case_has_three_micro_responses()
    the_issue_holds_his_case_and_the_crowds()
    the_statement_was_approved_and_corrected()
    every_sending_is_in_the_ledger_once_and_every_feedback_has_a_parent()
    the_record_is_whole()
    every_state_can_be_seen()
    everybody_can_log_in()
    it_can_be_told_from_a_real_workspace()
    no_page_of_the_records_is_empty()
    assert (tmp_path / "logins.json").stat().st_mode & 0o777 == 0o600
    it_can_be_left_for_good()


def everything_was_taken_in() -> None:
    assert sensitive_topics.missing() == []
    assert Mention.objects.count() > 100
    assert not Mention.objects.unprocessed().exists()
    assert not Mention.objects.filter(backlog=True).exists()
    assert not Quarantined.objects.exists()
    assert not Source.objects.exclude(error="").exists()
    assert not Case.objects.exclude(events__kind="routed").exists()


def no_page_of_the_records_is_empty() -> None:
    assert SavedReply.objects.filter(department=None).exists()
    assert not [each for each in SavedReply.objects.all() if unknown_variables(each.text)]
    assert ContactRelation.objects.filter(ended_at=None).exists()


def nothing_happens_in_the_future() -> None:
    now = timezone.now()
    assert not Interaction.objects.filter(sort_at__gt=now).exists()
    assert not Case.objects.filter(opened_at__gt=now).exists()
    first = Interaction.objects.earliest("sort_at").sort_at
    assert 20 <= (now - first).days <= 22


def the_directors_one_case_has_three_micro_responses() -> None:
    case = Case.objects.get(profile__links__contact__name="Ron Calder")
    assert [each.audience for each in case.responses.all()] == ["one"] * 3
    assert case.status == "done"
    kinds = Interaction.objects.filter(conversation__in=case.conversations, direction="in")
    assert {"post", "message", "call"} == set(kinds.values_list("kind", flat=True))


def the_issue_holds_his_case_and_the_crowds() -> None:
    issue = Issue.objects.get()
    assert issue.name == "Seat policy"
    assert issue.cases.count() > 20
    assert issue.cases.filter(profile__links__contact__name="Ron Calder").count() == 1


def the_statement_was_approved_and_corrected() -> None:
    first = Response.objects.get(corrections__isnull=False)
    assert first.approvals.get().by.name == "Nora Haddad"
    about_it = first.feedback.filter(interaction__profile__key="roncalder")
    assert "second seat" in about_it.get().interaction.text
    assert "second seat" not in first.corrections.get().text


def every_sending_is_in_the_ledger_once_and_every_feedback_has_a_parent() -> None:
    sent = Delivery.objects.filter(state="sent")
    assert sent.values("interaction").distinct().count() == sent.count()
    out = Interaction.objects.filter(direction="out")
    assert out.exclude(deliveries=None).count() == sent.count()
    # The later posts of a thread are found as our own posts, each answering the one before.
    for part in out.filter(deliveries=None):
        assert out.filter(key=part.in_reply_to, kind="statement").exists()
    assert Feedback.objects.count() > 10
    assert not Feedback.objects.exclude(delivery__state="sent").exists()
    answers = Interaction.objects.filter(direction="in", feedback=None).exclude(in_reply_to="")
    ours = Interaction.objects.filter(direction="out").values("key")
    assert not answers.filter(in_reply_to__in=ours).exists()


def the_record_is_whole() -> None:
    assert run("check_record") == ["No gaps found."]


def every_state_can_be_seen() -> None:
    assert set(Delivery.objects.values_list("state", flat=True)) >= {"sent", "failed", "unknown"}
    assert set(Response.objects.values_list("state", flat=True)) >= {"held", "released"}
    assert set(Case.objects.values_list("status", flat=True)) == {
        "new", "open", "waiting", "snoozed", "done", "noise",
    }  # fmt: skip
    assert set(Feedback.objects.values_list("outcome", flat=True)) >= {"thanks", "angry"}
    assert Department.objects.filter(cases__status="new").distinct().count() > 1


def everybody_can_log_in() -> None:
    lines = run("logins")
    assert len(lines) == User.objects.count() == 12
    for line in lines:
        email, password = line.split()[-2:]
        assert User.objects.get(email=email).check_password(password)

    changed = User.objects.get(email=lines[0].split()[-2])
    changed.set_password("another one")
    changed.save()
    User.objects.filter(email=lines[1].split()[-2]).update(is_active=False)
    left = [line.split() for line in run("logins")]
    assert left == [line.split() for line in lines[2:]]  # changed logins are not printed


def it_can_be_told_from_a_real_workspace() -> None:
    loaded = marker.loaded_at()
    assert loaded
    assert not Response.objects.filter(created_at__gt=loaded).exists()
    assert not User.objects.filter(created_at__gt=loaded).exists()


def it_can_be_left_for_good() -> None:
    """Check that the sample can be removed completely, because the user has added no rows."""
    ada = User.objects.get(role="admin")
    goes = ending.preview(ada)
    assert [label for label, _n in goes.stays] == ["user", "account"]
    nina = ending.Newcomer("Nina", "nina@acme.example", "a password of my own")
    ending.start_for_real(Workspace(organisation="Acme"), by=ada, newcomer=nina, session="")
    assert User.objects.get().email == "nina@acme.example"
    assert (Department.objects.count(), ResponseTarget.objects.count()) == (4, 16)
    for model in (Interaction, Mention, Case, Response, Contact, SavedReply, Source):
        assert not model.objects.exists()
    assert not Topic.objects.filter(sensitivity="").exists()
    assert run("logins") == ["No logins are stored here: users log in with their own passwords."]
    assert marker.loaded_at() is None


def test_it_refuses_a_database_with_people_in_it(db: None) -> None:
    User.objects.create_user("somebody@scrm.example")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("load_sample")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("first_admin")
    assert User.objects.count() == 1


def test_without_the_sample_there_is_a_first_admin_with_departments(db: None) -> None:
    run("first_admin")
    admin = User.objects.get()
    assert admin.is_admin
    assert run("logins")[0].split()[:2] == ["admin", admin.email]
    assert admin.check_password(run("logins")[0].split()[-1])
    assert Department.objects.fallback().name == "Customer service"
    assert Department.objects.count() == 4
    assert Account.objects.get().channel.speaker is None
    assert not Membership.objects.exists()
    assert sensitive_topics.missing() == []
    assert set(Topic.objects.values_list("owner", flat=True)) == {admin.pk}
    assert marker.loaded_at() is None
    admin.set_password("one of their own")
    admin.save()
    assert run("logins") == ["No logins are stored here: users log in with their own passwords."]


def test_no_logins_are_said_to_be_none() -> None:
    assert run("logins") == ["No logins are stored here: users log in with their own passwords."]
