"""“Start for real” removes either the whole sample or nothing, and the user stays logged in."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from crm.models import (
    Account,
    Attachment,
    Department,
    Interaction,
    Job,
    Membership,
    User,
    Workspace,
)
from listening.fetch import _keep
from listening.models import Fetch, Mention, Source, Topic
from responses.by_hand import log_by_hand
from responses.compose import Words
from responses.models import Delivery
from routing.models import Case, ResponseTarget
from routing.offline import record
from scrm.batch import process_or_halve
from scrm.channels.base import Author, Batch, Item
from scrm.models import Heartbeat
from scrm.sample import ending, keeping, logins, marker
from scrm.sample.ending import Newcomer
from scrm.sample.logins import Login
from tests.killing import killed_at

pytestmark = pytest.mark.django_db(transaction=True)

TYPED = {
    "organisation": "Acme", "zone": "Europe/Berlin", "handles": "@acme\n@acmehelp",
    "signature": "Yours, Acme", "confirm": "Acme", "name": "Nina New",
    "email": "Nina@Acme.example", "password": "a password of my own",
    "password_again": "a password of my own",
}  # fmt: skip
NINA = Newcomer("Nina New", "nina@acme.example", "a password of my own")


@pytest.fixture(autouse=True)
def somewhere(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def sample(
    agent: User, service: Department, microblog: Account, make_source: Callable[..., Source]
) -> Case:
    """A small sample: a case with a scanned file, an account of the sandbox, a source and users."""
    offline_contact = record.OfflineContact(
        uuid.uuid4(), "letter", "Dear airline", name="Mr Ferreira"
    )
    case = record.log(offline_contact, by=agent)
    Attachment.objects.create(
        interaction=case.last_inbound, name="scan.png", content_type="image/png", size=3,
        file=ContentFile(b"png", name="scan.png"),
    )  # fmt: skip
    make_source(kind="sandbox", account=microblog)
    logins.keep([Login("admin", "admin@scrm.example", "a"), Login("agent", agent.email, "b")])
    Heartbeat.beat("tick", now=timezone.now())
    marker.set_now(now=timezone.now())
    return case


@pytest.fixture
def browser(sample: Case, admin: User, as_: Any) -> Client:
    admin.set_password("the old password")
    admin.save()
    client: Client = as_(admin)
    return client


def start(browser: Client, **typed: str) -> HttpResponse:
    return browser.post("/start/", TYPED | typed)


def begin(by: User | None) -> None:
    assert by
    ending.start_for_real(Workspace(organisation="A"), by=by, newcomer=NINA, session="")


def rows() -> dict[str, int]:
    """Return the number of rows of each table that “Start for real” empties."""
    with connection.cursor() as cursor:
        counts = {}
        for table in ending._tables():
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table.strip('"')] = cursor.fetchone()[0]
    return counts


def test_the_page_says_what_goes_and_what_stays(browser: Client, admin: User) -> None:
    before = rows()
    page = browser.get("/start/")
    words = page.content.decode()
    assert ("case", 1) in page.context["preview"].goes
    assert ("user", 1) in page.context["preview"].goes
    assert page.context["preview"].stays == [("user", 1)]
    assert admin.email in words
    assert rows() == before


def test_the_organisation_begins_with_an_empty_ledger(browser: Client, admin: User) -> None:
    assert start(browser).url == "/map/"
    here = Workspace.objects.get()
    assert (here.organisation, here.zone, here.signature) == (
        "Acme", "Europe/Berlin", "Yours, Acme",
    )  # fmt: skip
    assert here.handles == ["@acme", "@acmehelp"]
    left = {table for table, n in rows().items() if n and not table.endswith("change")}
    assert left == {
        "crm_user", "crm_account", "crm_workspace", "crm_department",
        "crm_department_accounts", "responses_responserule",
        "listening_topic", "listening_topicrevision",
    }  # fmt: skip
    # Only the topics that find sensitive messages are there from the start.
    assert not Topic.objects.filter(sensitivity="").exists()
    assert Department.objects.fallback().name == "Customer service"
    assert (Department.objects.count(), ResponseTarget.objects.count()) == (1, 0)
    assert Account.objects.get().channel.speaker is None
    assert not Account.objects.filter(kind="sandbox").exists()  # so the sandbox has stopped
    assert marker.loaded_at() is None
    assert Heartbeat.objects.filter(name="tick").exists()


def test_the_same_person_goes_on_under_their_own_name_and_password(
    browser: Client, admin: User
) -> None:
    start(browser)
    assert browser.get("/map/").status_code == 200
    admin.refresh_from_db()
    assert User.objects.get() == admin
    assert (admin.name, admin.email) == ("Nina New", "nina@acme.example")
    assert [admin.check_password(each) for each in ("the old password", NINA.password)] == [
        False, True,
    ]  # fmt: skip
    assert log_in("nina@acme.example", NINA.password)
    assert not log_in("admin@scrm.example", NINA.password)


def log_in(email: str, password: str) -> bool:
    typed = {"login": email, "password": password}
    return Client().post("/account/login/", typed).status_code == 302


def test_the_login_knows_no_earlier_address(browser: Client, admin: User) -> None:
    """After “Start for real”, the admin cannot log in with the old address.

    Fails without `forget_old_addresses`, because the address that was printed for the sample can
    then still be used to log in.
    """
    EmailAddress.objects.create(user=admin, email=admin.email, verified=True, primary=True)
    start(browser)
    assert not log_in("admin@scrm.example", NINA.password)
    assert log_in("nina@acme.example", NINA.password)


def test_everybody_else_is_out(browser: Client, agent: User, as_: Any) -> None:
    theirs = as_(agent)
    assert theirs.get("/contacts/").status_code == 200
    start(browser)
    assert theirs.get("/contacts/").url.startswith("/account/login/")
    assert Session.objects.count() == 1


def test_files_and_printed_logins_of_the_sample_go(browser: Client, tmp_path: Path) -> None:
    scan = Attachment.objects.get().file.name
    assert default_storage.exists(scan)
    start(browser)
    assert not default_storage.exists(scan)
    assert not (tmp_path / "logins.json").exists()
    assert logins.kept() == []


def test_no_old_link_leads_to_a_new_row(browser: Client, sample: Case, admin: User) -> None:
    """The ids of new rows are higher than those of removed rows, so an old link leads to no page.

    Fails if the numbering begins again (RESTART IDENTITY), because an old link then opens a new
    row.
    """
    start(browser)
    offline_contact = record.OfflineContact(
        uuid.uuid4(), "letter", "The first real one", name="Ms Real"
    )
    assert record.log(offline_contact, by=admin).pk > sample.pk
    assert browser.get(f"/cases/{sample.pk}/").status_code == 404


def test_the_ledger_refuses_deletes_before_and_after(browser: Client, admin: User) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Interaction.objects.all().delete()
    start(browser)
    record.log(record.OfflineContact(uuid.uuid4(), "call", "Hello", name="Ms Real"), by=admin)
    with pytest.raises(DatabaseError), transaction.atomic():
        Interaction.objects.all().delete()


# Refusals


def test_without_the_name_twice_nothing_goes(browser: Client) -> None:
    before = rows()
    page = start(browser, confirm="Acne")
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"confirm"}
    assert "@acmehelp" in page.content.decode()
    assert rows() == before


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("email", "agent"),
        ("email", "ANNA@scrm.example"),
        ("password", "short"),
        ("password", "the old password"),
        ("password_again", "another password"),
    ],
)
def test_what_is_wrong_about_the_admin_is_said_at_its_field(
    browser: Client, field: str, typed: str
) -> None:
    """Errors in the values for the new admin are shown at their fields.

    The old password is also refused, because it was printed when the sample was loaded. Fails if
    one of the checks is removed.
    """
    before = rows()
    again = {"password_again": typed} if field == "password" else {}
    page = start(browser, **{field: typed} | again)
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {field}
    assert ("password" in field) != (f'value="{typed}"' in page.content.decode())
    assert rows() == before


def test_a_second_click_is_refused_in_words(browser: Client) -> None:
    start(browser)
    before = rows()
    page = start(browser)
    assert page.status_code == 409
    assert "There is no sample data" in page.content.decode()
    assert rows() == before


def test_two_clicks_at_once_start_once(browser: Client) -> None:
    """If “Start for real” is clicked twice at the same moment, it runs only once.

    Fails if the marker of the sample is read without a lock, because the second request then
    removes the new workspace.
    """

    def click(_: int) -> int:
        try:
            second = Client()
            second.cookies = browser.cookies
            return start(second).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(click, range(2))) == [302, 409]
    assert Workspace.objects.count() == 1


def test_a_workspace_that_was_no_sample_is_never_emptied(browser: Client, sample: Case) -> None:
    """If the database has no marker of the sample, “Start for real” changes nothing.

    Fails if the marker is not checked, because a real workspace is then removed.
    """
    marker.rows().delete()
    before = rows()
    assert "There is no sample data" in browser.get("/start/").content.decode()
    assert start(browser).status_code == 409
    assert rows() == before
    with pytest.raises(ending.NotSample):
        begin(User.objects.first())
    assert rows() == before


@pytest.mark.parametrize("who", ["agent", "lead", "supervisor"])
def test_only_an_admin_may(
    who: str, sample: Case, as_: Any, request: pytest.FixtureRequest
) -> None:
    assert start(as_(request.getfixturevalue(who))).status_code == 403
    assert Case.objects.filter(pk=sample.pk).exists()


def test_whoever_was_admin_a_moment_ago_may_not(sample: Case, agent: User) -> None:
    with pytest.raises(User.DoesNotExist):
        begin(agent)
    assert Case.objects.filter(pk=sample.pk).exists()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_TRIES", 2)
    monkeypatch.setattr(ending, "_PAUSE", 0.01)


@pytest.mark.parametrize("what", ["sending", "job", "batch"])
def test_it_waits_for_who_is_in_the_middle_of_something(
    what: str, browser: Client, agent: User, impatient: None, sample: Case,
    make_source: Callable[..., Source],
) -> None:  # fmt: skip
    """“Start for real” waits for work that is in progress.

    Fails without `_is_busy`. Fails also if `_is_busy` ignores mentions.
    """
    soon, past = (timezone.now() + timedelta(minutes=each) for each in (1, -1))
    if what == "sending":
        account = Account.objects.get(kind="sandbox")
        log_by_hand(sample, Words(uuid.uuid4(), "x", "private"), account=account, by=agent)
        Delivery.objects.update(state="sending", lease_until=soon)
    elif what == "batch":
        fetch = make_source().fetches.create()
        Mention.objects.create(
            scope="feed:x", key="1", fetch=fetch, author_network="feed", author_key="a",
            kind="post", visibility="public", lease_until=soon,
        )  # fmt: skip
    else:
        Job.objects.create(kind="x", owner=agent, state="running", lease_until=soon)
    page = start(browser)
    assert page.status_code == 409
    assert "Nothing was removed" in page.content.decode()
    assert 'value="Acme"' in page.content.decode()
    assert Case.objects.exists()
    Delivery.objects.update(lease_until=past)
    Job.objects.update(lease_until=past)
    Mention.objects.update(lease_until=past)
    assert start(browser).status_code == 302


def test_a_visit_under_way_brings_nothing_back(browser: Client) -> None:
    """A fetch that is running during “Start for real” does not create rows of the sample again.

    Fails if `Fetch.fence` calls `Fetch.end`, because `Fetch.end` calls `save`. The row of the
    fetch was removed meanwhile, and `save` would insert it again.
    """
    source = Source.objects.get()
    fetch = source.start_fetch(now=timezone.now())
    assert fetch
    start(browser)
    said = Item("sandbox.microblog", "1", Author("sandbox.microblog", "ann"), "Still there?")
    _keep(fetch, Batch((said,), {}), {}, now=timezone.now())
    assert not Mention.objects.exists()
    assert not Fetch.objects.exists()


def test_a_batch_under_way_brings_nothing_back(browser: Client) -> None:
    source = Source.objects.get()
    fetch = source.start_fetch(now=timezone.now())
    assert fetch
    said = Item("sandbox.microblog", "1", Author("sandbox.microblog", "ann"), "Still there?")
    _keep(fetch, Batch((said,), {}), {}, now=timezone.now())
    claimed = Mention.objects.claim_batch(now=timezone.now(), lease=timedelta(minutes=1))
    assert len(claimed) == 1
    start(browser)
    process_or_halve(claimed)
    assert not Interaction.objects.exists()
    assert not Mention.objects.exists()


# All or nothing


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("scrm.sample.ending:_let_nobody_in", "after"),
        ("scrm.sample.keeping:set_aside", "after"),
        ("scrm.sample.keeping:put_back", "before"),
        ("scrm.sample.keeping:put_back", "after"),
        ("scrm.sample.ending:by_hand", "after"),
    ],
)
def test_a_process_that_dies_in_the_middle_changes_nothing(
    where: str, when: str, browser: Client, admin: User
) -> None:
    """If the process dies during “Start for real”, nothing is changed.

    Fails if `_replace` does not run in a transaction.
    """
    before = rows()

    def work() -> None:
        begin(admin)

    assert killed_at(where, when, work) == signal.SIGKILL
    assert rows() == before
    assert marker.loaded_at()
    assert Membership.objects.exists()


def test_every_table_has_a_fate() -> None:
    """TABLE_RULES has a rule for each table. Fails if a new table has no rule."""
    managed = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed]
    assert {m._meta.label for m in managed if not m._meta.proxy} == set(keeping.TABLE_RULES)


def test_what_merely_is_emptied_may_be_empty() -> None:
    """Each foreign key in `_LOOSE` exists and accepts NULL."""
    for name in keeping._LOOSE:
        label, _dot, field = name.rpartition(".")
        assert apps.get_model(label)._meta.get_field(field).null
