"""A topic that is made after its items: what is stored is offered, marked, and may open cases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, Job, User
from listening import stored_items
from listening.models import Match, Mention, Source, Topic
from listening.tasks import mark_stored
from routing.models import Case
from scrm import pipeline
from scrm.bus import nudge

As = Callable[[User], Client]
Keep = Callable[..., Mention]


@pytest.fixture
def keep(make_source: Callable[..., Source], service: Department) -> Keep:
    """Return a function that stores a processed item, `days` old, that no topic matched."""
    source = make_source()
    fetch = source.fetches.create()

    def kept(text: str, *, days: float = 0.1, **facts: Any) -> Mention:
        at = timezone.now() - timedelta(days=days)
        key = str(Mention.objects.count())
        row = Mention.objects.create(
            scope="feed:x", key=key, fetch=fetch, author_network="feed:x", author_key=f"ron{key}",
            kind="post", visibility="public", text=text, occurred_at=at, processed_at=at, **facts,
        )  # fmt: skip
        row.sightings.create(source=source, fetch=fetch)
        return row

    return kept


def make(admin: User, as_: As, words: str = "pram") -> Any:
    typed = {"name": "Prams", "owner": admin.pk, "any_of": words, "all_of": "", "none_of": ""}
    return as_(admin).post("/topics/new/", typed)


def run(admin: User, as_: As, topic: Topic, days: int) -> Job:
    url = reverse("listening:topic_stored", args=[topic.pk])
    as_(admin).post(url, {"days": days})
    job = Job.objects.get(kind=stored_items.MARK)
    mark_stored(job.pk)
    job.refresh_from_db()
    return job


def test_a_new_topic_says_how_many_stored_items_it_matches(
    admin: User, as_: As, keep: Keep
) -> None:
    """Before, a topic that was made after its source never looked at what was stored."""
    keep("My pram came back bent.")
    keep("Where is my pram?", days=40)
    keep("Nice seats.")
    response = make(admin, as_)
    topic = Topic.objects.get()
    assert response.url == reverse("listening:topic_stored", args=[topic.pk])
    page = as_(admin).get(response.url).content.decode()
    assert "2 stored items match this topic and are not yet marked with it." in page
    assert "2 of them have no case." in page
    assert "<mark>" not in page
    assert "My pram came back bent." in page
    assert "Nice seats." not in page


def test_a_topic_that_matches_nothing_stored_asks_nothing(admin: User, as_: As, keep: Keep) -> None:
    keep("Nice seats.")
    assert make(admin, as_).url == Topic.objects.get().get_absolute_url()


def test_recent_items_open_cases_and_all_items_are_marked(
    admin: User, as_: As, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudge, "nudge", lambda *_args: None)
    young, old = keep("My pram came back bent."), keep("Where is my pram?", days=5, backlog=True)
    make(admin, as_)
    job = run(admin, as_, Topic.objects.get(), days=3)
    assert job.message == "2 stored items marked. 1 item will be routed to a case."
    assert set(Match.objects.values_list("mention", flat=True)) == {young.pk, old.pk}
    pipeline.process()
    young.refresh_from_db()
    case = Case.objects.get()
    assert case.last_inbound == young.interaction
    assert Match.objects.get(mention=young).interaction == young.interaction


def test_only_marking_opens_no_case(admin: User, as_: As, keep: Keep) -> None:
    keep("My pram came back bent.")
    make(admin, as_)
    job = run(admin, as_, Topic.objects.get(), days=0)
    assert job.message == "1 stored item marked."
    pipeline.process()
    assert not Case.objects.exists()


def test_what_has_a_case_is_marked_and_not_routed_again(admin: User, as_: As, keep: Keep) -> None:
    """A done case stays done, and its item is not processed a second time."""
    row = keep("My pram came back bent.")
    make(admin, as_)
    run(admin, as_, Topic.objects.get(), days=1)
    pipeline.process()
    case = Case.objects.get()
    case.finish(by=admin, seen=case.last_inbound_id, reasons="No question")
    typed = {"name": "Bent", "owner": admin.pk, "any_of": "bent", "all_of": "", "none_of": ""}
    as_(admin).post("/topics/new/", typed)
    job = stored_items.ask(Topic.objects.get(name="Bent"), days=30, by=admin)
    mark_stored(job.pk)
    row.refresh_from_db()
    assert row.processed_at is not None
    assert Match.objects.filter(mention=row, interaction=row.interaction).count() == 2
    case.refresh_from_db()
    assert (case.status, Case.objects.count()) == ("done", 1)


def test_a_job_that_was_killed_goes_on_after_its_last_batch(
    admin: User, as_: As, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_items, "BATCH", 2)
    for number in range(5):
        keep(f"Pram {number}")
    make(admin, as_)
    job = stored_items.ask(Topic.objects.get(), days=0, by=admin)
    keep_batch, calls = stored_items.keep_matches, []

    def dies_at_the_second(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("killed")
        keep_batch(*args)

    monkeypatch.setattr(stored_items, "keep_matches", dies_at_the_second)
    with pytest.raises(RuntimeError):
        mark_stored(job.pk)
    Job.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    mark_stored(job.pk)
    job.refresh_from_db()
    assert job.message == "5 stored items marked."
    assert (job.done, Match.objects.count()) == (5, 5)


def test_the_job_looks_at_a_limited_number_of_items(
    admin: User, as_: As, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_items, "BATCH", 2)
    monkeypatch.setattr(stored_items, "MAX_SCANNED", 2)
    for number in range(5):
        keep(f"Pram {number}")
    make(admin, as_)
    job = run(admin, as_, Topic.objects.get(), days=0)
    assert job.message == "2 stored items marked. Older items were not checked."
