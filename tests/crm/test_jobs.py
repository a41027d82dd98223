from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from crm.models import Job, User
from crm.models.job import ENDLESS, LEASE, MAX_ATTEMPTS

As = Callable[[User], Client]


@pytest.fixture
def job(agent: User) -> Job:
    return Job.ask("routing.nothing", by=agent, total=10, what="this")


def test_only_one_worker_gets_it(job: Job, noon: datetime) -> None:
    assert job.claim(now=noon)
    assert not Job.objects.get(pk=job.pk).claim(now=noon)


def test_a_dead_worker_loses_it_when_its_lease_is_over(job: Job, noon: datetime) -> None:
    job.claim(now=noon)
    late = noon + LEASE + timedelta(seconds=1)
    assert list(Job.objects.due(late)) == [job]
    other = Job.objects.get(pk=job.pk)
    assert other.claim(now=late)
    job.finish("Mine, I thought.")
    assert job.state == "running"
    other.finish("Done.", n=3)
    job.refresh_from_db()
    assert (job.state, job.message, job.result) == ("done", "Done.", {"n": 3})


def test_one_that_always_kills_its_worker_fails_in_words(job: Job, noon: datetime) -> None:
    for n in range(MAX_ATTEMPTS):
        assert job.claim(now=noon + n * 2 * LEASE)
    assert not job.claim(now=noon + 20 * LEASE)
    job.refresh_from_db()
    assert (job.state, job.message) == (
        "failed",
        ENDLESS,
    )


def test_its_page_shows_how_far_it_is_and_asks_again(as_: As, agent: User, job: Job) -> None:
    job.claim()
    job.progress(4)
    page = as_(agent).get(job.get_absolute_url()).content.decode()
    assert "4 of 10" in page
    assert 'hx-trigger="every 1s"' in page
    job.finish("All of it.", url="/somewhere/")
    page = as_(agent).get(job.get_absolute_url()).content.decode()
    assert "All of it." in page
    assert 'href="/somewhere/"' in page
    assert "hx-trigger" not in page.partition('id="job"')[2].partition("</section>")[0]


def test_it_is_nobody_elses(as_: As, teammate: User, admin: User, job: Job) -> None:
    for other in (teammate, admin):
        assert as_(other).get(job.get_absolute_url()).status_code == 404
