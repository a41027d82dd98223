"""The scanned files of a letter: each file is checked.

If another field of the form has an error, all files are kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm.models import Attachment, Interaction, User
from scrm.web.upload_limits import MAX_SCANS
from tests.together import at_once

As = Callable[[User], Client]
PNG, PDF = b"\x89PNG\r\n\x1a\n....", b"%PDF-1.7 ...."


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def scan(name: str, body: bytes, kind: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body, content_type=kind)


def letter(**facts: Any) -> dict[str, Any]:
    return {
        "form": uuid.uuid4(), "kind": "letter", "text": "Two pages, by hand.", "name": "Hedwig",
    } | facts  # fmt: skip


def test_a_letter_comes_with_its_scans(as_: As, agent: User) -> None:
    files = [scan("1.png", PNG), scan("2.PDF", PDF, "application/pdf")]
    page = as_(agent).post("/new/", letter(scans=files), follow=True)
    said = Interaction.objects.get()
    rows = Attachment.objects.order_by("name")
    assert [(row.name, row.content_type, row.interaction_id) for row in rows] == [
        ("1.png", "image/png", said.pk),
        ("2.PDF", "application/pdf", said.pk),
    ]
    link = f"/attachments/{rows[0].uuid}/"
    assert link in page.content.decode()
    assert b"".join(as_(agent).get(link).streaming_content) == PNG


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("evil.exe", PNG, "is not a PDF, PNG, JPEG or TIFF"),
        ("evil.png", b"MZ\x90 program", "is not a PDF, PNG, JPEG or TIFF"),
        ("evil.svg", b"<svg onload='alert(1)'>", "is not a PDF, PNG, JPEG or TIFF"),
        ("evil.pdf", PNG, "is not a PDF, PNG, JPEG or TIFF"),
        ("blank.png", b"", "is empty"),
    ],
)
def test_what_is_no_scan_is_said_at_the_field(
    as_: As, agent: User, name: str, body: bytes, says: str
) -> None:
    """For a file that is not a scan, the form shows an error at its field.

    Fails if `content_type` trusts the file extension.
    """
    page = as_(agent).post("/new/", letter(scans=[scan(name, body)]))
    assert page.status_code == 422
    assert says in str(page.context["form"].errors["scans"])
    assert not Interaction.objects.exists()
    assert not Attachment.objects.exists()


def test_a_scan_of_30_mb_is_refused_and_nothing_typed_is_lost(as_: As, agent: User) -> None:
    large = scan("large.png", PNG + b"\0" * 30 * 1024 * 1024)
    form = letter(scans=[large, scan("good.png", PNG)], received_on="2026-03-04")
    page = as_(agent).post("/new/", form)
    assert page.status_code == 422
    assert "30.0\xa0MB. The limit is 25 MB" in str(page.context["form"].errors["scans"])
    html = page.content.decode()
    for words in ("Two pages, by hand.", "Hedwig", "2026-03-04", str(form["form"])):
        assert words in html
    kept = Attachment.objects.get()
    assert (kept.name, kept.interaction) == ("good.png", None)
    assert f'name="kept" value="{kept.uuid}" checked' in html
    as_(agent).post("/new/", letter(form=form["form"], kept=[kept.uuid]))
    kept.refresh_from_db()
    assert kept.interaction == Interaction.objects.get()


def test_a_scan_survives_a_search_and_another_tab(as_: As, agent: User) -> None:
    for button in ({"search": "1"}, {"tab": "letter"}):
        page = as_(agent).post("/new/", letter(scans=[scan("1.png", PNG)]) | button)
        assert page.status_code == 200
        assert page.content.decode().count('name="kept"') == 1


def test_the_same_letter_twice_keeps_its_scans_once(as_: As, agent: User) -> None:
    form = letter()
    for _ in range(2):
        as_(agent).post("/new/", form | {"scans": [scan("1.png", PNG)]})
    assert Interaction.objects.count() == Attachment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_the_same_moment_are_one_letter(as_: As, agent: User) -> None:
    form, browsers = letter(), [as_(agent) for _ in range(6)]

    def click(browser: Client) -> str:
        page = browser.post("/new/", form | {"scans": [scan("1.png", PNG)]})
        return page.headers["Location"]

    assert len(set(at_once(*(partial(click, each) for each in browsers)))) == 1
    assert Interaction.objects.count() == Attachment.objects.count() == 1


def test_a_scan_that_is_added_on_the_way_back_is_not_lost(as_: As, agent: User) -> None:
    form = letter()
    as_(agent).post("/new/", form)
    as_(agent).post("/new/", form | {"scans": [scan("1.png", PNG)]})
    assert Attachment.objects.get().interaction == Interaction.objects.get()


def test_a_scan_of_somebody_else_cannot_be_taken(as_: As, agent: User, teammate: User) -> None:
    theirs = Attachment.objects.create(by=teammate, name="x.png", content_type="a", size=1)
    page = as_(agent).post("/new/", letter(kept=[theirs.uuid]))
    assert page.status_code == 422
    theirs.refresh_from_db()
    assert theirs.interaction is None


def test_more_than_twenty_scans_are_too_many(as_: As, agent: User) -> None:
    files = [scan(f"{n}.png", PNG) for n in range(MAX_SCANS + 1)]
    page = as_(agent).post("/new/", letter(scans=files))
    assert "At most 20 files" in page.content.decode()
    assert Attachment.objects.count() == MAX_SCANS


def test_a_name_in_any_script_is_kept_and_stored_plainly(as_: As, agent: User) -> None:
    as_(agent).post("/new/", letter(scans=[scan("письмо от 王小明 😀.png", PNG)]))
    row = Attachment.objects.get()
    assert row.name == "письмо от 王小明 😀.png"
    assert Path(row.file.name).name.isascii()
