"""Import of survey answers from a file: the user first sees a preview.

Then each answer is imported exactly once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Attachment, Interaction, Job, Notice, Profile, User
from crm.models.job import ENDLESS, LEASE, MAX_ATTEMPTS
from routing.models import Case
from routing.offline import record, survey
from routing.tasks import import_survey
from tests.killing import killed_at

As = Callable[[User], Client]
GOOD = (
    "Name;E-Mail;Telefon;Datum;NPS;Was hat gefallen?;Was nicht?\n"
    "Jörg;J@x.example;;04.03.2026;9;Das Personal;Der Kaffee\n"
    "عائشة;;+49 30 1234;;3;;\n"
    ";;;;;Alles;\n"
)
BAD = (
    "text,mail,when\n"
    "Good,a@b.example,2026-03-04\n"
    ",nobody,31.02.2026\n"
    "=HYPERLINK(1),c@d.example,03/04/2026\n"
    "a,b,c,d\n"
    '"in "the" middle",e@f.example,\n'
    "Fine,,\n"
)


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def browser(as_: As, agent: User) -> Client:
    return as_(agent)


def upload(browser: Client, raw: bytes | str, name: str = "answers.csv") -> HttpResponse:
    body = raw if isinstance(raw, bytes) else raw.encode()
    return browser.post("/new/survey/", {"file": SimpleUploadedFile(name, body)})


def fields(page: HttpResponse, **changed: Any) -> dict[str, Any]:
    """Return the data that a browser would submit for the form on this page."""
    form = page.context["form"]
    seen = {"shape": form.shape, "seen": form.plan.mark if form.plan else ""}
    facts = {name: form[name].value() or "" for name in form.fields}
    columns = {f"column-{column.n}": column.what for column in form.columns}
    return {**facts, **columns, **seen, **changed}


def looked_at(browser: Client, raw: bytes | str) -> tuple[str, HttpResponse]:
    address = upload(browser, raw).headers["Location"]
    return address, browser.get(address)


def asked_for(browser: Client, raw: bytes | str, **changed: Any) -> Job:
    address, page = looked_at(browser, raw)
    done = browser.post(address, fields(page, **changed) | {"import": "1"})
    assert done.status_code == 302, done.content.decode()
    return Job.objects.latest("pk")


def many(n: int) -> str:
    rows = "".join(f"Answer {i} is here,Person {i},p{i}@of{n}.example\n" for i in range(n))
    return f"text,name,mail\n{rows}"


def run(job: Job) -> Job:
    import_survey(job.pk)
    job.refresh_from_db()
    return job


def test_a_file_is_read_guessed_and_shown_before_anything_is_recorded(browser: Client) -> None:
    _address, page = looked_at(browser, GOOD.encode("utf-16"))
    form = page.context["form"]
    assert (form.sheet.encoding, form.sheet.delimiter) == ("utf-16", ";")
    assert [column.what for column in form.columns] == [
        "name", "mail", "phone", "when", "score", "text", "text",
    ]  # fmt: skip
    assert form.first_rows[0][0] == "Jörg"
    assert "3 rows can be imported." in page.content.decode()
    assert not Interaction.objects.exists()


def test_the_answers_come_in(browser: Client) -> None:
    job = run(asked_for(browser, GOOD, title="Onboard"))
    assert (job.state, job.done, job.total) == ("done", 3, 3)
    assert job.message == (
        "3 answers were imported, 0 rows were skipped. By department: Customer service 3."
    )
    said = {str(each.profile): each for each in Interaction.objects.select_related("profile")}
    assert (
        said["Jörg"].text == "Was hat gefallen?\nDas Personal\n\nWas nicht?\nDer Kaffee\n\nNPS: 9"
    )
    assert said["Jörg"].occurred_at.isoformat() == "2026-03-04T00:00:00+00:00"
    assert (said["Jörg"].profile.network, said["Jörg"].profile.key) == ("email", "j@x.example")
    assert said["عائشة"].text == "NPS: 3"
    assert said["عائشة"].profile.key == "+49301234"
    assert {(each.kind, each.title) for each in said.values()} == {("survey answer", "Onboard")}
    assert Case.objects.count() == 3


def test_whoever_asked_is_told_when_it_is_done(browser: Client, agent: User) -> None:
    job = run(asked_for(browser, GOOD))
    notice = Notice.objects.get(user=agent)
    assert (notice.kind, notice.text) == ("job", job.message)
    assert "3 answers were imported" in browser.get(notice.url).content.decode()


def test_a_number_beside_an_address_is_not_lost(browser: Client) -> None:
    run(asked_for(browser, "text,mail,phone\nGood,a@b.example,+1 212 555 0100\n"))
    assert Interaction.objects.get().text == "Good\n\nPhone: +12125550100"


def test_somebody_who_wrote_before_is_known_by_their_address(browser: Client, admin: User) -> None:
    Profile.objects.create(network="email", key="a@b.example", name="Ann")
    run(asked_for(browser, "text,mail\nGood,A@B.example\n"))
    assert Interaction.objects.get().profile == Profile.objects.get()
    assert Profile.objects.get().name == "Ann"


def test_each_bad_row_is_named_with_its_line_and_column(browser: Client) -> None:
    _address, page = looked_at(browser, BAD)
    judged = page.context["judged"]
    assert [(bad.row.line, bad.column) for bad in judged.bad] == [
        (3, "text"), (3, "mail"), (3, "when"), (4, "when"), (5, ""), (6, ""),
    ]  # fmt: skip
    assert [line for line, _said in judged.good] == [2, 7]
    assert "4 rows have errors" in page.content.decode()


def test_the_bad_rows_can_be_mended_and_brought_in(browser: Client) -> None:
    address, page = looked_at(browser, BAD)
    bad = browser.post(f"{address}bad/", fields(page))
    assert "attachment" in bad.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(bad.content.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["Line", "Problem", "text", "mail", "when"]
    assert [row[0] for row in rows[1:]] == ["3", "4", "5", "6"]
    assert rows[2][2] == "'=HYPERLINK(1)"
    assert "Day and month are ambiguous." in rows[2][1]
    again = looked_at(browser, bad.content)[1]
    kinds = {column.name: column.what for column in again.context["form"].columns}
    assert kinds == {
        "Line": "", "Problem": "", "text": "text", "mail": "mail", "when": "when",
    }  # fmt: skip
    mended = fields(again, order="month")
    judged = browser.post(again.wsgi_request.path, mended).context["judged"]
    assert [said.text for _line, said in judged.good] == ["=HYPERLINK(1)"]


def test_bad_rows_are_skipped_and_listed_at_the_end(browser: Client) -> None:
    job = run(asked_for(browser, BAD))
    assert job.message == (
        "2 answers were imported, 4 rows were skipped. By department: Customer service 2."
    )
    assert set(Interaction.objects.values_list("text", flat=True)) == {"Good", "Fine"}
    page = browser.get(job.result["url"])
    assert "Day and month are ambiguous." in page.content.decode()
    download = browser.post(f"{job.result['url']}bad/")
    assert b"HYPERLINK" in download.content


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "This file is empty"),
        (b"\n , \n", "This file is empty"),
        (b"text,name\n", "has a header but no rows"),
        (b"PK\x03\x04\x14 workbook", "a workbook or an archive, not CSV"),
        (b"\x89PNG\r\n\x1a\n", "This is not a CSV file"),
        (b"\x00\x01\x02\x03" * 500, "This file is not text"),
        (b"text\n" + b"Good\n" * 50_000, "more than 20,000 rows"),
        (b"text\n" + b"Good\n" * 4 * 1024 * 1024, "20.0\xa0MB. The limit is 10 MB"),
    ],
)
def test_what_is_no_file_of_answers_is_said_at_the_field(
    browser: Client, raw: bytes, says: str
) -> None:
    page = upload(browser, raw)
    assert page.status_code == 422
    assert says in str(page.context["form"].errors["file"])
    assert not Attachment.objects.exists()


def test_no_file_at_all_is_said_too(browser: Client) -> None:
    assert "Choose a file." in browser.post("/new/survey/").content.decode()


def test_the_wrong_encoding_is_said_at_its_field_and_the_rest_is_kept(browser: Client) -> None:
    address, page = looked_at(browser, GOOD.replace("عائشة", "Zoë").encode("cp1252"))
    wrong = browser.post(address, fields(page, encoding="utf-8", title="Mine"))
    assert wrong.status_code == 422
    assert "Line 2 is not encoded in UTF-8" in str(wrong.context["form"].errors["encoding"])
    assert "Mine" in wrong.content.decode()


def test_the_wrong_delimiter_shows_what_it_does(browser: Client) -> None:
    address, page = looked_at(browser, GOOD)
    wrong = browser.post(address, fields(page, delimiter=",")).content.decode()
    assert "each row has only one cell" in wrong


def test_a_file_of_which_nothing_is_good_cannot_be_imported(browser: Client) -> None:
    address, page = looked_at(browser, "mail,text\nnobody,Good\n")
    assert "Most rows cannot be imported" in page.content.decode()
    assert 'name="import"' not in page.content.decode()
    assert browser.post(address, fields(page) | {"import": "1"}).status_code == 422
    assert not Job.objects.exists()


def test_some_column_has_to_be_what_they_said(browser: Client) -> None:
    address, page = looked_at(browser, "text,name\nGood,Ron\n")
    wrong = browser.post(address, fields(page, **{"column-0": ""}) | {"import": "1"})
    assert wrong.status_code == 422
    assert "No column contains the text" in wrong.content.decode()
    assert not Job.objects.exists()


def test_two_columns_cannot_both_be_the_name(browser: Client) -> None:
    address, page = looked_at(browser, "text,name,alias\nGood,Ron,Ronny\n")
    wrong = browser.post(address, fields(page, **{"column-2": "name"}))
    assert wrong.status_code == 422
    assert "Another column already has this role" in wrong.content.decode()
    assert 'id="wrong-2"' in wrong.content.decode()


def test_what_was_not_looked_at_is_not_imported(browser: Client) -> None:
    """If a user changes the columns and presses Import without a new preview, nothing is imported.

    This is possible without JavaScript. Fails if `seen` (the columns in the preview) is not
    compared with the chosen columns.
    """
    address, page = looked_at(browser, "text,name\nGood,Ron\n")
    swapped = fields(page, **{"column-0": "name", "column-1": "text"})
    stale = browser.post(address, swapped | {"import": "1"})
    assert stale.status_code == 409
    assert "You changed the file format" in stale.content.decode()
    assert stale.context["judged"].good[0][1].text == "Ron"
    assert browser.post(address, fields(stale) | {"import": "1"}).status_code == 302


def test_a_second_click_is_the_same_job(browser: Client) -> None:
    address, page = looked_at(browser, GOOD)
    form = fields(page) | {"import": "1"}
    first, second = (browser.post(address, form).headers["Location"] for _ in range(2))
    assert first == second
    assert Job.objects.count() == 1


def test_the_very_same_file_again_is_warned_of(browser: Client, agent: User) -> None:
    run(asked_for(browser, GOOD))
    page = looked_at(browser, GOOD)[1].content.decode()
    assert "Anna Agent already imported this file on" in page


def test_an_upload_is_nobody_elses(as_: As, browser: Client, teammate: User, admin: User) -> None:
    address, page = looked_at(browser, GOOD)
    for other in (teammate, admin):
        assert as_(other).get(address).status_code == 404
        assert as_(other).post(address, fields(page)).status_code == 404
        assert as_(other).post(f"{address}bad/", fields(page)).status_code == 404


@pytest.mark.parametrize("last", ["log_all", "progress"])
def test_an_import_that_broke_off_goes_on_and_records_nothing_twice(
    browser: Client, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """If an import is interrupted and continued, no answer is recorded twice.

    Fails if an offline contact gets a random UUID. The UUID must be computed from the job and the
    line.
    """
    job = asked_for(browser, many(450))
    owner = {"log_all": record, "progress": Job}[last]
    step = getattr(owner, last)

    def break_off(*args: Any, **kwargs: Any) -> None:
        step(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, last, break_off)
        with pytest.raises(KeyboardInterrupt):
            import_survey(job.pk)
    assert Interaction.objects.count() == 200
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert (
        run(job).message
        == "450 answers were imported, 0 rows were skipped. By department: Customer service 450."
    )
    assert Interaction.objects.count() == Case.objects.count() == 450


@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_killed_goes_on(browser: Client) -> None:
    job = asked_for(browser, many(250))
    assert (
        killed_at("routing.offline.survey:record.log_all", "after", lambda: import_survey(job.pk))
        == 9
    )
    assert Interaction.objects.count() == 200
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run(job).state == "done"
    assert Interaction.objects.count() == Case.objects.count() == 250


def test_the_same_job_twice_does_nothing_more(browser: Client) -> None:
    job = run(asked_for(browser, GOOD))
    run(job)
    job.done = 0
    survey.bring_in(job)
    assert Interaction.objects.count() == 3


def test_one_that_failed_can_go_on(browser: Client) -> None:
    job = asked_for(browser, many(250))
    for n in range(MAX_ATTEMPTS + 1):
        job.claim(now=timezone.now() + n * 2 * LEASE)
    page = browser.get(f"/new/survey/{job.data['upload']}/").content.decode()
    assert ENDLESS in page
    browser.post(f"/new/survey/{job.data['upload']}/", {"again": "1"})
    assert run(job).state == "done"
    assert Interaction.objects.count() == 250


def test_a_file_that_is_gone_fails_in_words(browser: Client) -> None:
    job = asked_for(browser, GOOD)
    Path(job.file.path).unlink()
    assert run(job).state == "failed"
    assert "can no longer be read" in job.message


def test_statements_do_not_grow_with_the_rows_of_a_batch(browser: Client) -> None:
    counts = []
    for n in (20, 200):
        job = asked_for(browser, many(n))
        with CaptureQueriesContext(connection) as asked:
            run(job)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_its_progress_is_shown_after_each_batch(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    progress = Job.progress
    monkeypatch.setattr(
        Job, "progress", lambda job, done: (shown.append(done), progress(job, done))
    )
    run(asked_for(browser, many(450)))
    assert shown == [200, 400, 450]
