"""Each upload limit is defined once in the code; pages and documents state the same number."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from crm.forms import TagForm
from crm.models import Contact, User
from crm.models.contact import MAX_TAG_LENGTH
from responses.forms.attached_files import FileFields
from routing.forms import offline_grid
from routing.models import Case, RuleRevision
from scrm.channels.email.channel import CHANNEL as EMAIL
from scrm.channels.mastodon.channel import CHANNEL as MASTODON
from scrm.channels.registry import channel
from scrm.web.request_limits import ANONYMOUS, FORM
from scrm.web.upload_limits import (
    MAX_CSV_BYTES,
    MAX_CSV_ROWS,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_SCANS,
    size_words,
)

ROOT = Path(__file__).parents[2]
REOPENS = "Done", f"within {MASTODON.reopens_within.days} days ({EMAIL.reopens_within.days} days"
FILE, CSV = size_words(MAX_FILE_BYTES), size_words(MAX_CSV_BYTES)
FORM_SIZE, PASTED = size_words(FORM), size_words(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


@pytest.mark.parametrize(
    ("page", "numbers"),
    [
        ("offline.md", (f"{MAX_SCANS} scans", FILE)),
        ("offline.md", (f"{MAX_CSV_ROWS:,} rows", CSV)),
        ("offline.md", ("Comment cards", f"up to {offline_grid.MAX_ROWS} ")),
        ("channels/email.md", (f"{MAX_FILES} files", f"{FILE} together")),
        ("operations.md", ("a form", FORM_SIZE, PASTED)),
        ("operations.md", ("without a login", size_words(ANONYMOUS))),
        ("user-guide.md", REOPENS),
    ],
)
def test_the_documents_state_the_limits(page: str, numbers: tuple[str, ...]) -> None:
    """The page of the documentation states the current limits, with all numbers on one line.

    Fails if a limit is changed but the page of the documentation is not.
    """
    lines = (ROOT / "docs" / page).read_text().splitlines()
    assert any(all(number in line for number in numbers) for line in lines)


@pytest.mark.parametrize("folder", ["templates", "static/js"])
def test_no_page_states_a_size_of_its_own(folder: str) -> None:
    """No template and no script contains a size such as "25 MB"; the limits come from the code."""
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if re.search(r"\d (KB|MB)\b", path.read_text())] == []


@pytest.mark.django_db
def test_pages_show_the_limits(as_: Callable[[User], Client], agent: User) -> None:
    """The pages with an upload field show the limits for files and rows."""
    letter: Any = as_(agent).get("/new/?kind=letter")
    survey: Any = as_(agent).get("/new/survey/")
    assert f"up to {FILE} each" in letter.content.decode()
    assert f'data-largest="{MAX_FILE_BYTES}"' in letter.content.decode()
    assert f"up to {MAX_CSV_ROWS:,} rows and {CSV}" in survey.content.decode()
    uploads = FileFields.base_fields["uploads"]  # type: ignore[attr-defined]
    assert str(uploads.help_text) == f"Up to {MAX_FILES} files, {FILE} together."


def test_a_mail_carries_what_may_be_uploaded() -> None:
    assert channel("email").carries == MAX_FILE_BYTES


def test_a_tag_has_the_same_length_everywhere() -> None:
    """The models and the form have the same limit for the length of a tag."""
    lengths = [
        model._meta.get_field("tags").base_field.max_length  # type: ignore[attr-defined]
        for model in (Contact, Case, RuleRevision)
    ]
    assert {*lengths, TagForm.base_fields["tag"].max_length} == {MAX_TAG_LENGTH}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "words"), [(64 * 1024, "64 KB"), (1024 * 1024, "1 MB"), (25 * 1024 * 1024, "25 MB")]
)
def test_sizes_are_said_in_words(size: int, words: str) -> None:
    assert size_words(size) == words
