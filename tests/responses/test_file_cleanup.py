"""The cleanup deletes unused files, and never a file that a row refers to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Attachment, Interaction, Job, User
from listening.models import Enclosure, Mention, Source
from responses import file_cleanup as sweeping
from responses.file_cleanup import UNTOUCHED, sweep
from responses.models import Draft, RecordCheck, Response, record_check
from routing.models import Case
from tests.together import at_once

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=8)
As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def files(place: Path) -> list[str]:
    return sorted(path.read_text() for path in place.rglob("*") if path.is_file())


@pytest.fixture
def scan(agent: User) -> Callable[..., Attachment]:
    """Return a function that stores an uploaded file. The content of the file is also its name."""

    def make(text: str = "scan", age: timedelta = LONG_AGO, **facts: Any) -> Attachment:
        facts = {"by": agent, "content_type": "image/png", "size": len(text)} | facts
        file = ContentFile(text.encode(), name="file.png")
        born = timezone.now() - age
        return Attachment.objects.create(name=text, file=file, created_at=born, **facts)

    return make


def test_all_of_it_goes_whatever_stands_before_it(
    scan: Callable[..., Attachment], agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cleanup deletes all unused files even if older files are still used in a draft.

    Fails if the cleanup examines only the oldest files, because then the newer unused files stay.
    """
    monkeypatch.setattr(sweeping, "SLICE", 2)
    named = [str(scan(f"named {n}").uuid) for n in range(2)]
    for n in range(3):
        scan(f"left {n}")
    Draft.objects.create(kind="reply", author=agent, text="See these.", fields={"kept": named})
    assert sweep(now=timezone.now()) == 3
    assert {str(row.uuid) for row in Attachment.objects.all()} == set(named)


def test_what_was_left_on_a_page_goes_with_its_file(
    scan: Callable[..., Attachment], media: Path
) -> None:
    scan("left")
    young = scan("young", age=UNTOUCHED - timedelta(hours=1))
    assert sweep(now=timezone.now()) == 1
    assert Attachment.objects.get() == young
    assert files(media) == ["young"]


def test_what_anything_refers_to_stays(
    scan: Callable[..., Attachment], answer: Callable[..., Response], agent: User, media: Path,
    make_source: Callable[..., Source],
) -> None:  # fmt: skip
    """The cleanup keeps each file that any row refers to.

    The rows are an interaction, a mention, a response, a draft and a job. Fails if one of them is
    not checked.
    """
    response = answer()
    said = Interaction.objects.latest("pk")
    fetch = make_source(kind="sandbox", address="search").start_fetch(now=timezone.now())
    mention = Mention.objects.create(
        scope="s", key="k", fetch=fetch, kind="mail", visibility="private"
    )
    scan("recorded", interaction=said)
    Enclosure.objects.create(mention=mention, attachment=scan("came", by=None))
    response.attachments.add(scan("goes along"))
    drafted, survey = scan("in a draft"), scan("survey")
    Draft.objects.create(case=response.case, kind="reply", author=agent, text="x",
                         fields={"kept": [str(drafted.uuid)]})  # fmt: skip
    Job.objects.create(kind="routing.import_survey", owner=agent, data={"upload": str(survey.uuid)})
    assert sweep(now=timezone.now()) == 0
    assert files(media) == ["came", "goes along", "in a draft", "recorded", "survey"]


def test_bytes_that_another_row_names_stay(scan: Callable[..., Attachment], media: Path) -> None:
    """If two rows have the same stored file, the cleanup deletes only the unused row.

    The file stays, because the other row needs it.
    """
    left, other = scan("shared"), scan("own", age=timedelta(0))
    Attachment.objects.filter(pk=other.pk).update(file=left.file.name)
    assert sweep(now=timezone.now()) == 1
    with Attachment.objects.get().file.open("rb") as there:
        assert there.read() == b"shared"


@pytest.mark.django_db(transaction=True)
def test_what_is_being_used_at_this_moment_is_passed_over(
    scan: Callable[..., Attachment], answer: Callable[..., Response], media: Path
) -> None:
    """The cleanup skips a file whose row another transaction has locked.

    Fails without `skip_locked`, because then the cleanup waits for the lock.
    """
    response, row, used, swept = answer(), scan("used"), Event(), Event()

    def use() -> int:
        with transaction.atomic():
            row.save(force_update=True)
            response.attachments.add(row)
            used.set()
            assert swept.wait(30)
        return 0

    def look() -> int:
        assert used.wait(30)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5s'")
        try:
            return sweep(now=timezone.now())
        finally:
            swept.set()

    assert at_once(use, look) == [0, 0]
    assert files(media) == ["used"]
    assert response.attachments.get() == row


def test_what_was_swept_away_comes_back_by_nobodys_save(scan: Callable[..., Attachment]) -> None:
    row = scan()
    sweep(now=timezone.now())
    with pytest.raises(DatabaseError), transaction.atomic():
        row.save(force_update=True)
    assert not Attachment.objects.exists()


def test_a_scan_that_was_swept_away_is_told_of_when_it_is_logged(
    scan: Callable[..., Attachment], agent: User, as_: As
) -> None:
    row = scan()
    sweep(now=timezone.now())
    typed = {"form": row.uuid, "kind": "letter", "text": "Dear", "name": "Ron", "profile": "new",
             "kept": [row.uuid]}  # fmt: skip
    page = as_(agent).post(reverse("routing:new"), typed)
    assert page.status_code == 422
    assert not Case.objects.exists()


def test_it_is_called_for_once_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    nudged: list[str] = []
    monkeypatch.setattr(record_check, "nudge", nudged.append)
    night = timezone.now().replace(hour=3)
    for _ in range(2):
        RecordCheck.objects.start_nightly(night)
    assert nudged == ["responses.sweep"]
