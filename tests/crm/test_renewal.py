"""The secrets of an account are renewed before they expire, by one worker at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from crm import connecting
from crm.models import Account, Notice, Pause, User
from crm.renewal import LEASE, MARGIN, fresh_credentials
from listening.fetch import fetch_source
from listening.models import Source
from scrm import pipeline
from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest, Found
from scrm.channels.channel import Channel
from scrm.channels.connector import Connected
from tests.crm.pigeon import Gate
from tests.killing import killed_at
from tests.together import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pigeon_post")]
SOON, PAST = timedelta(minutes=4), timedelta(seconds=-1)


@pytest.fixture
def gate(pigeon_post: Gate) -> Gate:
    return pigeon_post


@pytest.fixture
def make_loft(admin: User) -> Callable[[timedelta | None], Account]:
    def make(expires_in: timedelta | None) -> Account:
        return Account.objects.create(
            kind="pigeon",
            network="pigeon",
            self_key="north",
            name="Loft north",
            secrets={"ticket": "t"},
            owner=admin,
            secrets_expire_at=timezone.now() + expires_in if expires_in else None,
        )

    return make


MakeLoft = Callable[[timedelta | None], Account]


def stored() -> Account:
    return Account.objects.get()


def ticket(account: Account | None = None) -> str:
    """Return the ticket with which a worker would call the network now."""
    value: str = fresh_credentials(account or stored()).secrets["ticket"]
    return value


def attempt() -> Credentials | ChannelError:
    try:
        return fresh_credentials(stored())
    except ChannelError as error:
        return error


def lapse() -> None:
    """Let the lease lapse, as if its time had passed."""
    Account.objects.update(renewal_lease_until=timezone.now() - timedelta(seconds=1))


def test_secrets_that_expire_soon_are_renewed_and_stored(make_loft: MakeLoft, gate: Gate) -> None:
    account = make_loft(SOON)
    assert ticket(account) == "t+"
    row = stored()
    assert row.secrets == account.secrets == {"ticket": "t+"}
    assert row.secrets_expire_at
    assert row.secrets_expire_at > timezone.now() + timedelta(hours=1)
    assert row.renewal_lease_until is None
    assert ticket() == "t+"
    assert gate.renewals == 1


@pytest.mark.parametrize("expires_in", [None, MARGIN + timedelta(minutes=1)])
def test_secrets_that_last_are_not_renewed(
    make_loft: MakeLoft, gate: Gate, expires_in: timedelta | None
) -> None:
    assert ticket(make_loft(expires_in)) == "t"
    assert gate.renewals == 0


def test_the_network_is_called_outside_any_transaction(make_loft: MakeLoft, gate: Gate) -> None:
    make_loft(SOON)
    seen: list[bool] = []
    gate.meanwhile = lambda: seen.append(connection.in_atomic_block)
    ticket()
    assert seen == [False]


def test_of_two_workers_at_once_one_renews_and_the_other_uses_the_present_secrets(
    make_loft: MakeLoft, gate: Gate
) -> None:
    """Fails if the lease is taken without compare-and-set: the ticket is then spent twice."""
    make_loft(SOON)
    found = at_once(*[attempt] * 4)
    assert gate.renewals == 1
    assert {each.secrets["ticket"] for each in found if isinstance(each, Credentials)} <= {
        "t",
        "t+",
    }
    assert not any(isinstance(each, ChannelError) for each in found)
    assert stored().secrets == {"ticket": "t+"}
    assert not Notice.objects.exists()


def test_while_expired_secrets_are_renewed_others_are_told_to_wait(
    make_loft: MakeLoft, gate: Gate
) -> None:
    make_loft(PAST)
    others: list[Any] = []
    gate.meanwhile = lambda: others.append(attempt())
    assert ticket() == "t+"
    (error,) = others
    assert (error.permanent, error.retry_after, error.uncertain) == (False, 5, False)
    assert gate.renewals == 1


def test_a_refused_renewal_notifies_the_owner_once_and_is_not_tried_again(
    make_loft: MakeLoft, gate: Gate, admin: User, as_: Callable[[User], Client]
) -> None:
    account = make_loft(PAST)
    gate.spent.add("t")
    first, second = attempt(), attempt()
    lapse()
    third = attempt()
    for error in (first, second, third):
        assert isinstance(error, ChannelError)
        assert error.permanent
        assert "Reconnect the account" in error.message
    assert gate.renewals == 1
    notice = Notice.objects.get()
    assert (notice.user, notice.kind) == (admin, Notice.Kind.RECONNECT)
    assert notice.url == f"/our-accounts/{account.pk}/connect/"
    assert notice.title == "Loft north"
    assert "The gate does not know this ticket." in notice.text
    for page in ("/our-accounts/", f"/our-accounts/{account.pk}/"):
        assert "reconnect: the login has ended" in as_(admin).get(page).content.decode()


def test_after_a_reconnect_the_owner_is_notified_of_the_next_refusal(
    make_loft: MakeLoft, gate: Gate, admin: User
) -> None:
    account = make_loft(PAST)
    gate.spent |= {"t", "new"}
    attempt()
    account.refresh_from_db()
    expired = timezone.now() - timedelta(hours=1)
    reconnected = Connected("pigeon", "north", secrets={"ticket": "new"}, expires_at=expired)
    connecting.save(account, reconnected, owner=admin)
    attempt()
    assert Notice.objects.count() == 2


def test_a_refused_renewal_of_secrets_that_still_work_lets_them_be_used(
    make_loft: MakeLoft, gate: Gate
) -> None:
    make_loft(SOON)
    gate.spent.add("t")
    assert ticket() == "t"
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (ChannelError("The gate is busy.", retry_after=30), 30),
        (ChannelError("No answer.", uncertain=True), None),
        (ValueError("ticket t"), None),
    ],
)
def test_a_failed_renewal_is_tried_again_when_its_lease_has_lapsed(
    make_loft: MakeLoft,
    gate: Gate,
    error: Exception,
    wait: float | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A failure is neither permanent nor uncertain, and the network is not asked too often."""
    make_loft(PAST)

    def fail() -> None:
        gate.spent.clear()
        raise error

    gate.meanwhile = fail
    first, second = attempt(), attempt()
    assert isinstance(first, ChannelError)
    assert isinstance(second, ChannelError)
    assert (first.permanent, first.uncertain, first.retry_after) == (False, False, wait)
    assert gate.renewals == 1
    assert "ticket t" not in "".join(capfd.readouterr())
    assert "ticket t" not in first.message
    gate.meanwhile = lambda: None
    lapse()
    assert ticket() == "t+"
    assert not Notice.objects.exists()


def test_secrets_of_a_reconnect_are_not_overwritten_by_a_renewal(
    make_loft: MakeLoft, gate: Gate, admin: User
) -> None:
    """If a user reconnects the account during a renewal, the secrets of the reconnect stay.

    Fails if `_store` does not compare the secrets.
    """
    make_loft(SOON)
    connected = Connected(
        "pigeon",
        "north",
        secrets={"ticket": "mine"},
        expires_at=timezone.now() + timedelta(hours=3),
    )
    gate.meanwhile = lambda: void(connecting.save(stored(), connected, owner=admin))
    assert ticket() == "mine"
    assert stored().secrets == {"ticket": "mine"}


def void(_result: object) -> None: ...


def test_a_worker_that_was_suspended_longer_than_its_lease_loses_no_secrets(
    make_loft: MakeLoft, gate: Gate
) -> None:
    """The late worker stores what it received, because the network accepts nothing else any more.

    A second worker has meanwhile tried the old ticket and was refused. Fails if `_store` checks the
    lease: the account must then be reconnected.
    """
    make_loft(SOON)

    def sleep_long() -> None:
        gate.meanwhile = lambda: None
        lapse()
        assert ticket() == "t"
        assert stored().reconnect_asked_at

    gate.meanwhile = sleep_long
    assert ticket() == "t+"
    assert stored().secrets == {"ticket": "t+"}
    assert stored().reconnect_asked_at is None
    assert gate.renewals == 2


def test_a_lost_database_connection_during_a_renewal_loses_no_secrets(
    make_loft: MakeLoft, gate: Gate
) -> None:
    """Fails if `_store` is not tried again: the only ticket that works is then lost."""
    make_loft(SOON)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def cut() -> None:
        def kill() -> None:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

        at_once(kill)

    gate.meanwhile = cut
    assert ticket() == "t+"
    assert stored().secrets == {"ticket": "t+"}


@pytest.mark.parametrize(
    ("step", "was_spent"), [("crm.renewal:_take_lease", False), ("crm.renewal:_store", True)]
)
def test_a_killed_worker_blocks_the_renewal_for_one_lease(
    make_loft: MakeLoft, gate: Gate, step: str, was_spent: bool
) -> None:
    """After a kill, the next worker renews when the lease has lapsed.

    If the worker died between the network's answer and the store, the new ticket is lost. This is a
    documented limit: the owner is asked to reconnect the account.
    """
    make_loft(PAST)
    when = "before" if was_spent else "after"
    assert killed_at(step, when, lambda: fresh_credentials(stored())) == 9
    if was_spent:
        gate.spent.add("t")  # the child process had its own gate
    waiting = attempt()
    assert isinstance(waiting, ChannelError)
    assert waiting.retry_after == 5
    lease = stored().renewal_lease_until
    assert lease
    assert lease <= timezone.now() + LEASE
    lapse()
    found = attempt()
    if was_spent:
        assert isinstance(found, ChannelError)
        assert found.permanent
        assert Notice.objects.count() == 1
    else:
        assert isinstance(found, Credentials)


def test_a_restored_database_does_not_renew(make_loft: MakeLoft, gate: Gate) -> None:
    """A copy must not spend the ticket of the original database.

    Fails without `_is_restored`.
    """
    make_loft(PAST)
    Pause.objects.begin_restored(why=Pause.Evidence.MOVED, now=timezone.now())
    error = attempt()
    assert isinstance(error, ChannelError)
    assert not error.permanent
    assert gate.renewals == 0
    assert stored().renewal_lease_until is None


class Roof:
    """A listener that records the requests and finds nothing."""

    def __init__(self) -> None:
        self.requests: list[FetchRequest] = []

    def listen(self, request: FetchRequest) -> Batch:
        self.requests.append(request)
        return Batch()

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        return []


@pytest.fixture
def roof(monkeypatch: pytest.MonkeyPatch) -> Roof:
    roof = Roof()
    found = Channel(kind="pigeon", label="Pigeon post", listener=roof)
    monkeypatch.setattr("listening.models.source.channel", lambda _kind: found)
    return roof


def test_a_fetch_gets_renewed_secrets(
    make_loft: MakeLoft, roof: Roof, make_source: Callable[..., Source]
) -> None:
    """Fails if the source gives its listener the credentials of the stored row."""
    fetch_source(make_source(kind="pigeon", address="roof", account=make_loft(PAST)))
    (request,) = roof.requests
    assert request.credentials
    assert request.credentials.secrets == {"ticket": "t+"}


def test_a_fetch_fails_with_the_reason_if_the_login_has_ended(
    make_loft: MakeLoft, gate: Gate, roof: Roof, make_source: Callable[..., Source]
) -> None:
    source = make_source(kind="pigeon", address="roof", account=make_loft(PAST))
    gate.spent.add("t")
    fetch_source(source)
    source.refresh_from_db()
    assert "The login has ended" in source.error
    assert "Reconnect the account" in source.error
    assert roof.requests == []


# Logins that cannot be renewed


@pytest.fixture
def fixed_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logins of the test channel cannot be renewed."""
    monkeypatch.setattr(Account, "renew", None)


@pytest.mark.usefixtures("fixed_login")
def test_the_owner_is_notified_once_a_week_before_a_login_expires(
    make_loft: MakeLoft, admin: User, noon: datetime
) -> None:
    account = make_loft(timedelta(days=1))
    Account.objects.update(secrets_expire_at=noon + timedelta(days=7, seconds=1))
    Account.objects.warn_of_expiry(now=noon)
    assert not Notice.objects.exists()
    later = noon + timedelta(seconds=1)
    at_once(*[lambda: Account.objects.warn_of_expiry(now=later)] * 3)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind) == (admin, Notice.Kind.RECONNECT)
    assert "The login expires on 11 March 2026." in notice.text
    assert notice.url == f"/our-accounts/{account.pk}/connect/"


def test_the_tick_warns(make_loft: MakeLoft, monkeypatch: pytest.MonkeyPatch) -> None:
    make_loft(timedelta(days=1))
    pipeline.tick()
    assert not Notice.objects.exists()  # this login is renewed
    monkeypatch.setattr(Account, "renew", None)
    pipeline.tick()
    pipeline.tick()
    assert Notice.objects.count() == 1


@pytest.mark.usefixtures("fixed_login")
@pytest.mark.parametrize(
    ("expires_in", "in_list", "on_page"),
    [
        (timedelta(days=60), "login expires on", "expires on"),
        (timedelta(days=3), "chip warn", "expires on"),
        (timedelta(seconds=-9), "reconnect: the login has ended", "expired on"),
    ],
)
def test_pages_say_when_a_login_expires(
    make_loft: MakeLoft,
    admin: User,
    as_: Callable[[User], Client],
    expires_in: timedelta,
    in_list: str,
    on_page: str,
) -> None:
    account = make_loft(expires_in)
    assert in_list in as_(admin).get("/our-accounts/").content.decode()
    page = as_(admin).get(f"/our-accounts/{account.pk}/").content.decode()
    assert on_page in page
    assert f"{account.secrets_expire_at:%Y-%m-%d}" in page


def test_pages_do_not_mention_a_login_that_is_renewed(
    make_loft: MakeLoft, admin: User, as_: Callable[[User], Client]
) -> None:
    account = make_loft(SOON)
    for page in ("/our-accounts/", f"/our-accounts/{account.pk}/"):
        assert "expires on" not in as_(admin).get(page).content.decode()
