"""A file that was not fetched with a large mail: listed on the case page, and fetched on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db.models.fields.files import FieldFile
from django.test import Client
from django.urls import reverse

from crm import missing_files
from crm.models import Account, Attachment, Department, Interaction, Job, User
from crm.tasks import fetch_file
from routing.models import Case
from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest
from scrm.channels.email.channel import CHANNEL
from scrm.channels.missing_file import MAX_SIZE, MissingFile, MissingFiles
from tests.test_mail import Post, care, hear, post

__all__ = ["care", "post"]
pytestmark = pytest.mark.django_db
FILES = (
    MissingFile("2", "film.mp4", 48_000_000, "video/mp4", "base64"),
    MissingFile("3", "plan.pdf", 30_000_000, "application/pdf", "base64"),
    MissingFile("4", "huge.iso", MAX_SIZE + 1),
)
MISSING = MissingFiles("INBOX", 3, 7, 90_000_000, FILES)


class Mailbox:
    """A fake mailbox. `asked` lists the sections that were fetched."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error = ""

    def fetch_file(
        self, who: Credentials, missing: MissingFiles, section: str, key: str, out: BinaryIO
    ) -> None:
        assert (missing, key.partition("@")[2][:17]) == (MISSING, "customers.example")
        self.asked.append(section)
        if self.error:
            raise ChannelError(self.error, permanent=True)
        out.write(b"film")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    box = Mailbox()
    channel = replace(CHANNEL, fetch_file=box.fetch_file)
    monkeypatch.setattr(Account, "channel", property(lambda _: channel))
    return box


@pytest.fixture
def said(post: Post, care: Account, monkeypatch: pytest.MonkeyPatch) -> Interaction:
    post.write("See the film.")

    def listen(request: FetchRequest) -> Batch:
        (item,) = Post.listen(post, request).items
        details = {"mail": item.details["mail"] | {"missing_files": MISSING.stored()}}
        return Batch((replace(item, details=details),))

    monkeypatch.setattr(post, "listen", listen)
    hear()
    return Interaction.objects.get()


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


def ask(browser: Client, said: Interaction, section: str = "2", **headers: Any) -> Any:
    return browser.post(
        reverse("crm:files", args=[said.uuid]), {"section": section}, headers=headers
    )


def run() -> None:
    for job in Job.objects.filter(state="queued"):
        fetch_file(job.pk)


def page(browser: Client) -> str:
    return browser.get(Case.objects.get().get_absolute_url()).content.decode()


def test_the_case_lists_the_files(browser: Client, said: Interaction) -> None:
    assert said.mail.missing_files == MISSING
    shown = page(browser)
    for name in ("film.mp4", "plan.pdf", "huge.iso"):
        assert f"<bdi>{name}</bdi>" in shown
    assert 'aria-label="Fetch film.mp4"' in shown
    assert "45.8\xa0MB" in shown
    assert 'aria-label="Fetch huge.iso"' not in shown
    assert "too large to fetch: open it in the mailbox" in shown


def test_a_click_fetches_the_file(browser: Client, said: Interaction, mailbox: Mailbox) -> None:
    waiting = ask(browser, said, HX_Request="true").content.decode()
    assert mailbox.asked == [], "a request waits for the mail server"
    assert "Fetching from the mailbox…" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    run()
    got = Attachment.objects.get()
    facts = (got.interaction, got.name, got.content_type, got.size, got.by)
    assert facts == (said, "film.mp4", "video/mp4", 4, None)
    shown = browser.get(
        reverse("crm:files", args=[said.uuid]), headers={"HX-Request": "true"}
    ).content.decode()
    assert reverse("crm:attachment", args=[got.uuid]) in shown
    assert 'aria-label="Fetch film.mp4"' not in shown
    assert 'aria-label="Fetch plan.pdf"' in shown
    assert "every 2s" not in shown
    answer = browser.get(reverse("crm:attachment", args=[got.uuid]))
    assert b"".join(answer) == b"film"  # type: ignore[arg-type]


def test_a_double_click_fetches_once(browser: Client, said: Interaction, mailbox: Mailbox) -> None:
    assert [ask(browser, said).status_code for _ in range(2)] == [302, 302]
    job = Job.objects.get()
    for _ in range(2):
        fetch_file(job.pk)
    ask(browser, said)
    run()
    assert mailbox.asked == ["2"]
    assert Attachment.objects.count() == 1


# Fails if the file is stored without its own key: a worker that lost its lease stores it again.
def test_two_workers_store_one_file(browser: Client, said: Interaction, mailbox: Mailbox) -> None:
    ask(browser, said)
    job = Job.objects.get()
    for _ in range(2):
        missing_files.fetch(job)
    assert Attachment.objects.count() == 1
    got = Attachment.objects.get()
    assert len(list(got.file.storage.listdir(got.file.name.rpartition("/")[0])[1])) == 1


def test_a_failure_is_shown_and_repeated(
    browser: Client, said: Interaction, mailbox: Mailbox
) -> None:
    mailbox.error = "This email is no longer in the mailbox."
    ask(browser, said)
    run()
    shown = page(browser)
    assert mailbox.error in shown
    assert "Fetch again" in shown
    mailbox.error = ""
    ask(browser, said)
    run()
    assert mailbox.asked == ["2", "2"]
    assert Attachment.objects.get().name == "film.mp4"
    assert "Fetch again" not in page(browser)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device"), "could not be stored: No space left on device"),
        (SoftTimeLimitExceeded(), "Fetching the file took too long."),
    ],
)
def test_a_file_that_cannot_be_stored_is_reported(
    browser: Client, said: Interaction, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch,
    error: Exception, sentence: str,
) -> None:  # fmt: skip
    ask(browser, said)

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(missing_files, "_store", fails)
    run()
    shown = page(browser)
    assert sentence in shown
    assert "Fetch again" in shown


def test_a_file_that_was_deleted_is_fetched_again(
    browser: Client, said: Interaction, mailbox: Mailbox
) -> None:
    ask(browser, said)
    run()
    Attachment.objects.all().delete()
    ask(browser, said)
    run()
    assert mailbox.asked == ["2", "2"]
    assert Attachment.objects.count() == 1


# Fails if a file of a person is stored after the person was erased.
def test_a_file_of_a_mail_that_was_erased_meanwhile_is_not_stored(
    browser: Client, said: Interaction, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_whole = mailbox.fetch_file

    def fetch_file(*given: Any) -> None:
        fetch_whole(*given)
        monkeypatch.setattr(missing_files, "file_of", lambda *_: None)

    monkeypatch.setattr(
        Account, "channel", property(lambda _: replace(CHANNEL, fetch_file=fetch_file))
    )
    deleted: list[str] = []
    monkeypatch.setattr(FieldFile, "delete", lambda file, **_: deleted.append(str(file.name)))
    ask(browser, said)
    run()
    assert not Attachment.objects.exists()
    assert len(deleted) == 1


@pytest.mark.parametrize(
    ("section", "status"), [("4", 302), ("9", 404), ("", 404), ("1.MIME", 404)]
)
def test_nothing_else_can_be_fetched(
    browser: Client, said: Interaction, section: str, status: int
) -> None:
    assert ask(browser, said, section).status_code == status
    assert not Job.objects.exists()


def test_only_who_may_read_the_mail_can_fetch_its_files(
    said: Interaction, browser: Client, sales: Department
) -> None:
    said.conversation.restricted_to = sales
    said.conversation.save()
    assert ask(browser, said).status_code == 404
    assert browser.get(reverse("crm:files", args=[said.uuid])).status_code == 404
    assert "film.mp4" not in page(browser)
    assert not Job.objects.exists()


def test_a_mailbox_that_is_not_connected_any_more(
    browser: Client, said: Interaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "channel", property(lambda _: replace(CHANNEL, fetch_file=None)))
    ask(browser, said)
    run()
    assert "The mailbox of this file is not connected any more." in page(browser)
