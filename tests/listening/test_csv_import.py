"""Import of mentions from the export of another listening tool.

The user first sees what would happen; then each mention is stored exactly once.
"""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Attachment, Interaction, Job, Notice, Profile, User
from crm.models.job import ENDLESS, LEASE, MAX_ATTEMPTS
from listening import csv_import
from listening.fetch import fetch_source
from listening.models import Fetch, Mention, Sighting, Source, Topic
from listening.models.quarantined import Quarantined
from listening.tasks import import_mentions
from routing.models import Case
from scrm import pipeline
from scrm.web.csv_forms import CsvUploadForm
from tests.killing import killed_at

As = Callable[[User], Client]
NEW = "/sources/new/csv/"
HEADING = "Media Type,Author,Publish Date,Sentiment,URL,Topic Profile,Headline,Content\n"


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def browser(as_: As, admin: User) -> Client:
    return as_(admin)


def row(n: int, *, day: str = "2026-03-04", text: str = "") -> str:
    return (
        f"TWITTER,person{n % 50},{day} 14:30,Negative,https://twitter.com/p/status/{n},Skyward,,"
        f"{text or f'Skyward lost bag {n}'}\n"
    )


def export(numbers: range, bad: int = 0) -> str:
    """Return an export; `bad` of its rows have an error."""
    rows = [row(n, day="soon" if i < bad else "2026-03-04") for i, n in enumerate(numbers)]
    return HEADING + "".join(rows)


def upload(browser: Client, raw: bytes | str, name: str = "export.csv") -> HttpResponse:
    body = raw if isinstance(raw, bytes) else raw.encode()
    return browser.post(NEW, {"file": SimpleUploadedFile(name, body)})


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


def run(job: Job) -> Job:
    import_mentions(job.pk)
    job.refresh_from_db()
    return job


def counts(page: HttpResponse) -> tuple[int, int, int]:
    found = page.context["counts"]
    return found.new, found.known, found.bad


def result(job: Job) -> tuple[int, int, int]:
    return job.result["new"], job.result["known"], job.result["bad"]


def test_an_export_is_recognised_and_nothing_is_stored(browser: Client) -> None:
    _address, page = looked_at(browser, export(range(3), bad=1))
    form = page.context["form"]
    assert form.tool == "Radian6"
    assert [column.what for column in form.columns] == [
        "network", "author", "when", "", "url", "", "title", "text",
    ]  # fmt: skip
    assert counts(page) == (2, 0, 1)
    html = page.content.decode()
    assert "Recognised: Radian6 export" in html
    assert "This is not a date" in html
    assert "soon 14:30" in html
    assert not Mention.objects.exists()
    assert not Source.objects.exists()


def test_the_mentions_come_in(browser: Client, admin: User) -> None:
    job = run(asked_for(browser, export(range(3), bad=1)))
    assert job.message == (
        "2 mentions were imported, 0 were known already, 1 row with errors was skipped."
    )
    source = Source.objects.get()
    assert (source.kind, source.name, source.owner) == ("csv", "Radian6 export", admin)
    mention = Mention.objects.get(key="twitter.com/p/status/2")
    assert (mention.scope, mention.text) == ("csv:twitter.com", "Skyward lost bag 2")
    assert b"Negative" in bytes(mention.raw)
    fetch = Fetch.objects.get()
    assert (fetch.outcome, fetch.found, fetch.new) == ("ok", 2, 2)
    notice = Notice.objects.get(user=admin)
    assert (notice.kind, notice.text) == ("job", job.message)
    assert job.message in browser.get(notice.url).content.decode()


def test_the_source_is_never_fetched(browser: Client) -> None:
    run(asked_for(browser, export(range(1))))
    source = Source.objects.get()
    assert not Source.objects.due(timezone.now() + timedelta(days=365)).exists()
    assert fetch_source(source) is None
    assert browser.post(f"/sources/{source.pk}/fetch/").status_code == 404
    page = browser.get(source.get_absolute_url()).content.decode()
    assert "last import" in page
    assert "Fetch now" not in page
    assert "Fetch interval" not in page
    facts = {"name": "Old tool", "stance": "for us", "owner": source.owner_id}
    assert browser.post(f"/sources/{source.pk}/edit/", facts).status_code == 302
    assert Source.objects.get().name == "Old tool"


def test_old_mentions_open_no_case_unless_wanted(browser: Client) -> None:
    recent = timezone.now() - timedelta(hours=2)
    raw = HEADING + row(1) + row(2, day=f"{recent:%Y-%m-%d}").replace("14:30", f"{recent:%H:%M}")
    raw += row(3, day="").replace(" 14:30", "")
    run(asked_for(browser, raw))
    assert dict(Mention.objects.values_list("key", "backlog")) == {
        "twitter.com/p/status/1": True,
        "twitter.com/p/status/2": False,
        "twitter.com/p/status/3": True,
    }
    run(asked_for(browser, export(range(4, 5)), since="all"))
    assert not Mention.objects.get(key="twitter.com/p/status/4").backlog
    run(asked_for(browser, HEADING + row(5, day="").replace(" 14:30", "")))
    assert Mention.objects.get(key="twitter.com/p/status/5").backlog


@pytest.mark.usefixtures("service")
def test_long_hosts_ids_and_urls_are_processed(browser: Client) -> None:
    """What the import counts can also be recorded in the ledger, under an identity that is stable.

    Fails if `Author` does not shorten its network and key: the rows then end in quarantine.
    """
    host = ".".join(["a" * 60] * 3 + ["b" * 60, "example"])
    url = f"https://{host}/" + "p'" * 850
    raw = "URL,Content,Author,Author ID\n" + "".join(
        f"{url}{n},Skyward lost bag {n},Anna,{'i' * 999}{n % 2}\n" for n in range(4)
    )
    job = run(asked_for(browser, raw, source="Long", stance="for us", since="all"))
    assert result(job) == (4, 0, 0)
    while pipeline.process():
        pass
    assert not Quarantined.objects.exists()
    assert Interaction.objects.filter(channel="csv").count() == 4
    assert Profile.objects.filter(network__startswith="csv:").count() == 2
    assert Case.objects.count() == 2
    again = run(asked_for(browser, raw, source="Long", stance="for us", since="all"))
    assert result(again) == (0, 4, 0)


def test_the_stance_is_chosen(browser: Client, admin: User) -> None:
    run(asked_for(browser, export(range(1)), source="A", stance="for us"))
    assert Source.objects.get().stance == "for us"
    Topic.objects.create(name="Brand", owner=admin)
    _address, page = looked_at(browser, export(range(1)))
    assert page.context["form"]["stance"].value() == "about us"


def test_the_same_file_again_adds_nothing(browser: Client) -> None:
    raw = export(range(10), bad=2)
    run(asked_for(browser, raw))
    address, page = looked_at(browser, raw)
    assert counts(page) == (0, 8, 2)
    browser.post(address, fields(page) | {"import": "1"})
    job = run(Job.objects.latest("pk"))
    assert result(job) == (0, 8, 2)
    assert Mention.objects.count() == Sighting.objects.count() == 8
    assert Source.objects.count() == 1


def test_an_overlapping_export_adds_only_what_is_new(browser: Client) -> None:
    run(asked_for(browser, export(range(10))))
    address, page = looked_at(browser, export(range(5, 15)))
    assert counts(page) == (5, 5, 0)
    browser.post(address, fields(page) | {"import": "1"})
    assert result(run(Job.objects.latest("pk"))) == (5, 5, 0)
    assert Mention.objects.count() == 15


def test_rows_that_repeat_each_other_are_counted(browser: Client) -> None:
    address, page = looked_at(browser, HEADING + row(1) + row(1) + row(2))
    assert counts(page) == (2, 1, 0)
    browser.post(address, fields(page) | {"import": "1"})
    assert result(run(Job.objects.latest("pk"))) == (2, 1, 0)


def test_the_order_of_dates_that_fits_all_rows_is_guessed(browser: Client) -> None:
    raw = HEADING + row(1, day="03/04/2026") + row(2, day="03/25/2026")
    _address, page = looked_at(browser, raw)
    assert page.context["form"]["order"].value() == "month"
    assert counts(page) == (2, 0, 0)
    _address, page = looked_at(browser, HEADING + row(1, day="03/04/2026"))
    assert counts(page) == (0, 0, 1)
    assert "Day and month are ambiguous" in page.content.decode()


def test_another_choice_shows_a_new_preview_before_the_import(browser: Client) -> None:
    address, page = looked_at(browser, export(range(2)))
    changed = fields(page, **{"column-6": "text", "column-7": "title"}) | {"import": "1"}
    answer = browser.post(address, changed)
    assert answer.status_code == 409
    assert "This is the new preview" in answer.content.decode()
    assert not Job.objects.exists()
    twice = browser.post(address, fields(page, **{"column-6": "text"}))
    assert twice.status_code == 422
    assert "Another column already has this role" in twice.content.decode()
    none = browser.post(address, fields(page, **{"column-6": "", "column-7": ""}))
    assert "No column contains the text" in none.content.decode()


def test_five_thousand_rows_with_twelve_bad_ones(browser: Client) -> None:
    raw = export(range(5000), bad=12)
    began = time.monotonic()
    address, page = looked_at(browser, raw)
    assert counts(page) == (4988, 0, 12)
    browser.post(address, fields(page) | {"import": "1"})
    asked = time.monotonic() - began
    job = run(Job.objects.latest("pk"))
    took = time.monotonic() - began
    print(f"requests {asked:.1f} s, all {took:.1f} s")
    assert took < 60
    assert (job.done, job.total) == (4988, 4988)
    assert result(job) == (4988, 0, 12)
    assert Mention.objects.count() == 4988
    rows = bad_file(browser, address)
    assert len(rows) == 13


def bad_file(browser: Client, address: str, **typed: Any) -> list[list[str]]:
    answer = browser.post(f"{address}bad/", typed)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_bad_rows_can_be_downloaded_corrected_and_imported(browser: Client) -> None:
    raw = HEADING + row(1) + row(2, day="soon", text="=HYPERLINK(1)")
    address, page = looked_at(browser, raw)
    heading, bad = bad_file(browser, address, **fields(page))
    assert heading[:3] == ["Line", "Problem", "Media Type"]
    assert bad[0] == "3"
    assert "Publish Date: This is not a date" in bad[1]
    assert bad[-1] == "'=HYPERLINK(1)"
    out = io.StringIO()
    csv.writer(out).writerows([heading, [cell.replace("soon", "2026-03-04") for cell in bad]])
    run(asked_for(browser, out.getvalue()))
    assert Mention.objects.get().text == "=HYPERLINK(1)"


def test_a_cell_of_200_000_characters_is_an_error_of_its_row(browser: Client) -> None:
    _address, page = looked_at(browser, HEADING + row(1) + row(2, text="x" * 200_000))
    assert counts(page) == (1, 0, 1)
    assert "longer than 131,072 characters" in page.content.decode()


@pytest.mark.parametrize(
    "raw", [b"", b"PK\x03\x04", b"text,url\n", b"\x00\x01" * 50, b"x" * 11_000_000]
)
def test_a_file_that_is_no_csv_is_refused_at_its_field(browser: Client, raw: bytes) -> None:
    answer = upload(browser, raw)
    assert answer.status_code == 422
    assert answer.context["form"].errors["file"]
    assert not Attachment.objects.exists()


def test_an_upload_that_cannot_be_read_says_why(browser: Client, admin: User) -> None:
    row = Attachment.objects.create(
        by=admin, name="a.csv", content_type="text/csv", size=9,
        file=ContentFile(b"text,url\n", name="a.csv"),
    )  # fmt: skip
    assert "a header but no rows" in browser.get(f"{NEW}{row.uuid}/").content.decode()


def test_text_of_a_file_is_never_html(browser: Client) -> None:
    raw = HEADING.replace("Sentiment", "<script>1") + row(1, day="<b>", text="<script>2")
    _address, page = looked_at(browser, raw)
    assert "<script>1" not in page.content.decode()
    assert "<script>2" not in page.content.decode()
    assert "<b>" not in page.content.decode()


def test_the_job_of_an_upload_is_found_by_its_key(browser: Client) -> None:
    """The page asks every few seconds. Fails if all jobs are searched for the upload."""
    job = asked_for(browser, export(range(1)))
    upload = Attachment.objects.get(uuid=job.data["upload"])
    with CaptureQueriesContext(connections["default"]) as queries:
        assert csv_import.imported(upload) == job
    assert '"uuid" = ' in queries[0]["sql"]


def test_a_later_import_does_not_change_the_type_of_a_running_one(browser: Client) -> None:
    """Fails if the batches of the first import use what the second import set for the source."""
    first = asked_for(browser, export(range(1)), source="A", stance="for us")
    asked_for(browser, export(range(1, 2)), source="A", stance="about us")
    used = []
    with patch.object(csv_import, "store", side_effect=lambda _f, source, *_, **__: used.append(
        source.stance) or 0):  # fmt: skip
        run(first)
    assert used == ["for us"]


def test_two_clicks_start_one_import(browser: Client) -> None:
    address, page = looked_at(browser, export(range(3)))
    for _ in range(2):
        assert browser.post(address, fields(page) | {"import": "1"}).status_code == 302
    assert Job.objects.count() == Fetch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_import_that_is_killed_goes_on(browser: Client, when: str) -> None:
    """Fails if the progress is stored in another transaction than the mentions."""
    job = asked_for(browser, export(range(1200), bad=3))
    Job.objects.update(started_at=timezone.now())
    step = "listening.csv_import:nudge"
    assert killed_at(step, when, lambda: import_mentions(job.pk)) == 9
    assert Mention.objects.count() == csv_import.BATCH
    assert killed_at("crm.models.job:Job.progress", "after", lambda: rerun(job)) == 9
    assert Mention.objects.count() == csv_import.BATCH
    rerun(job)
    job.refresh_from_db()
    assert (job.state, result(job)) == ("done", (1197, 0, 3))
    assert Mention.objects.count() == Sighting.objects.count() == 1197
    assert Fetch.objects.get().new == 1197


def rerun(job: Job) -> None:
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    import_mentions(job.pk)


def test_the_same_job_twice_does_nothing_more(browser: Client) -> None:
    job = run(asked_for(browser, export(range(3))))
    run(job)
    job.done = 0
    csv_import.bring_in(job)
    assert Mention.objects.count() == 3
    assert Job.objects.get().result["new"] == 3


def test_a_worker_that_lost_the_job_stores_nothing(browser: Client) -> None:
    job = asked_for(browser, export(range(3)))
    job.claim()
    Job.objects.update(attempt=7)
    csv_import.bring_in(job)
    assert not Mention.objects.exists()
    assert Job.objects.get().state == "running"


def test_an_import_that_failed_can_go_on(browser: Client) -> None:
    job = asked_for(browser, export(range(3)))
    for n in range(MAX_ATTEMPTS):
        job.claim(now=timezone.now() + n * 2 * LEASE)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run(job)
    address = f"{NEW}{job.data['upload']}/"
    assert ENDLESS in browser.get(address).content.decode()
    assert Fetch.objects.get().outcome == "failed"
    browser.post(address, {"again": "1"})
    assert run(job).state == "done"
    assert (Fetch.objects.get().outcome, Fetch.objects.get().error) == ("ok", "")


def test_a_file_that_is_gone_fails_the_import(browser: Client) -> None:
    job = asked_for(browser, export(range(3)))
    Path(job.file.path).unlink()
    assert run(job).state == "failed"
    assert "can no longer be read" in Notice.objects.get().text


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_store_each_mention_once(browser: Client) -> None:
    jobs = [
        asked_for(browser, export(range(start, start + 1500)), source=f"Source {start}")
        for start in (0, 500)
    ]

    def work(pk: int) -> None:
        import_mentions(pk)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(job.pk,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job in jobs:
        job.refresh_from_db()
        assert job.state == "done", job.message
    assert sum(job.result["new"] for job in jobs) == Mention.objects.count() == 2000
    assert sum(job.result["known"] for job in jobs) == 1000
    assert Sighting.objects.count() == 3000


def test_only_admins_and_only_their_own_files(
    browser: Client, as_: As, supervisor: User, agent: User
) -> None:
    address, _page = looked_at(browser, export(range(1)))
    for user in (supervisor, agent):
        assert as_(user).get(NEW).status_code == 403
        assert as_(user).get(address).status_code == 403
    other = User.objects.create_user("b@scrm.example", name="Bea", role="admin")
    assert as_(other).get(address).status_code == 404
    assert as_(other).post(f"{address}bad/").status_code == 404


def test_the_way_there_is_a_link(browser: Client) -> None:
    assert NEW in browser.get("/sources/new/").content.decode()
    assert str(CsvUploadForm.base_fields["file"].help_text) == "Up to 20,000 rows and 10 MB."


def test_a_failing_preview_leaves_the_file(browser: Client) -> None:
    address = upload(browser, "nothing;here\n1;2\n").headers["Location"]
    page = browser.get(address)
    assert page.status_code == 200
    assert "No column contains the text" in page.content.decode()
    assert Attachment.objects.count() == 1
