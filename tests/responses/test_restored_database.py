"""Guarantees G18 and G26: a restored database sends nothing until a user allows sending again.

The "witness" in these tests is the high-water mark. It is stored outside the database, in Redis and
in a file. It contains the number of attempts to send a delivery. `tests/test_restore.py` tests a
complete restore with dumps, copied files and workers.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis
from django.conf import settings as in_force
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from crm.models import Account, Department, Instance, Notice, Pause, User
from responses import check_sending, outbox, restored_database
from responses.compose import Words, state_publicly
from responses.corrections import correct, take_down
from responses.models import Delivery, Response
from routing.models import Issue
from scrm import pipeline
from scrm.channels.registry import channel
from scrm.db import high_water_mark
from tests.responses.network import Network

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
Many = Callable[..., list[Response]]
DELIVERY_PROBLEMS, RELEASE = "/delivery-problems/", "/delivery-problems/release/"


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Path) -> Path:
    """Set the undo time to zero, and use a separate directory for the file of the witness.

    Returns this directory.
    """
    settings.UNDO_SECONDS = 0
    settings.WITNESS_DIR = tmp_path / "witness"
    return tmp_path / "witness"


@pytest.fixture
def network(microblog: Account) -> Iterator[Network]:
    """Install a network that supports look-ups and records posts outside the database."""
    network = Network("lookup", microblog.network)
    with speaking(network):
        yield network


@contextmanager
def speaking(network: Network) -> Iterator[None]:
    plug = replace(channel("sandbox"), speaker=network, editor=network)
    with patch.object(Account, "channel", plug):
        yield


def restore() -> None:
    """Change the database so that it looks like a copy that was restored on another machine."""
    Instance.objects.count_attempt()
    Instance.objects.update(fingerprint="another/place")


def set_back() -> None:
    """Change the database so that it looks as if its files were replaced by an older copy.

    The function changes only the number of attempts. The witness then knows a higher number than
    the database.
    """
    Instance.objects.count_attempt()
    Instance.objects.update(attempts=0)


def try_all() -> None:
    for delivery in Delivery.objects.order_by("pk"):
        outbox.deliver(Delivery.objects.select_related("account").get(pk=delivery.pk))


def settle_all() -> None:
    for delivery in Delivery.objects.to_settle(timezone.now()).select_related("account"):
        outbox.settle(delivery)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def later(delivery: Delivery) -> None:
    """Plan the delivery for tomorrow."""
    tomorrow = timezone.now() + timedelta(days=1)
    Delivery.objects.filter(pk=delivery.pk).update(send_after=tomorrow)


def release(browser: Client, **typed: str) -> Any:
    return browser.post(RELEASE, {"looked": "on"} | typed)


# Identity of the database


def test_a_database_knows_itself_and_counts_its_attempts(
    answer_many: Many, network: Network
) -> None:
    answer_many(2)
    try_all()
    here = Instance.objects.get()
    assert here.attempts == 2
    assert not Instance.objects.moved().exists()
    assert not Instance.objects.is_set_back()
    pipeline.tick()
    assert not Pause.objects.exists()


def test_a_role_without_rights_may_ask_where_it_is(db: None) -> None:
    Instance.objects.count_attempt()
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain")
        cursor.execute("GRANT SELECT ON crm_instance TO plain; SET ROLE plain")
        try:
            assert not Instance.objects.moved().exists()
        finally:
            cursor.execute("RESET ROLE; REVOKE ALL ON crm_instance FROM plain; DROP ROLE plain")


# Nothing is sent


def test_nothing_leaves_before_anybody_noticed(answer_many: Many, network: Network) -> None:
    """A restored database sends nothing, even before the tick has stopped all sending.

    Fails if `due` does not compare the fingerprint of the database with the recorded one.
    """
    answer_many(2)
    restore()
    try_all()
    assert states() == ["queued"] * 2
    assert not network.arrivals
    assert not Pause.objects.exists()


def test_nor_where_more_was_sent_than_it_knows_of(answer_many: Many, network: Network) -> None:
    """If the witness knows a higher number of attempts than the database, nothing is sent.

    The attempt to send opens a pause with the reason "set back": the database was set back to an
    older state. Fails if `deliver` does not compare the number in the database with the number that
    the witness knows.
    """
    answer_many(1)
    set_back()
    try_all()
    assert not network.arrivals
    assert Pause.objects.restored().get().why == Pause.Evidence.SET_BACK


def test_without_the_row_of_this_database_nothing_is_sent(
    answer_many: Many, network: Network
) -> None:
    """If the table `Instance` has no row, nothing is sent and no row is created.

    Fails if counting an attempt creates the row, because a new row would accept any machine as its
    own.
    """
    answer_many(1)
    Instance.objects.all().delete()
    with pytest.raises(Instance.DoesNotExist):
        try_all()
    assert not network.arrivals
    assert states() == ["queued"]
    assert not Instance.objects.exists()


def test_a_restored_dump_is_not_called_set_back(answer_many: Many, network: Network) -> None:
    """A dump that was restored on another machine is reported as moved, not as set back.

    This is true although the witness also knows a higher number of attempts. Fails if the tick or a
    sender compares the numbers before the fingerprints.
    """
    answer_many(1)
    set_back()
    Instance.objects.update(fingerprint="another/place")
    pipeline.tick()
    assert Pause.objects.restored().get().why == Pause.Evidence.MOVED
    Delivery.objects.update(state="queued", doubted_in=None)
    Pause.objects.all().delete()
    try_all()
    assert Pause.objects.restored().get().why == Pause.Evidence.MOVED


def test_the_tick_holds_everything_once_and_rings_who_may_release(
    answer_many: Many, network: Network, supervisor: User, admin: User, agent: User
) -> None:
    restore()
    for _ in range(3):
        pipeline.tick()
    pause = Pause.objects.get()
    assert (pause.kind, pause.by, pause.why) == ("restored", None, Pause.Evidence.MOVED)
    rung = Notice.objects.filter(kind=Notice.Kind.HELD, url=DELIVERY_PROBLEMS)
    assert {each.user for each in rung} == {supervisor, admin}
    assert rung.count() == 2


def test_a_later_change_to_a_post_is_held_too(
    network: Network, microblog: Account, agent: User, service: Department, seats: Issue
) -> None:
    def state(text: str) -> Response:
        words = Words(uuid.uuid4(), text, "public")
        return state_publicly(
            words, accounts=[microblog], by=agent, department=service, issue=seats
        )

    said, gone = state("The gate is 7."), state("The gate is 8.")
    try_all()
    restore()
    correct(said, Words(uuid.uuid4(), "The gate is 9.", "public"), over=said.pk, by=agent)
    take_down(gone, why="Wrong.", over=gone.pk, by=agent)
    try_all()
    pipeline.tick()
    settle_all()
    try_all()
    assert sorted(filter(None, network.stands.values())) == ["The gate is 7.", "The gate is 8."]


def test_notices_by_mail_wait_as_well(supervisor: User, agent: User, restore_by: str) -> None:
    """While sending is stopped after a restore, no notice is sent by mail.

    A notice from before the restore is never mailed, because the original database may have mailed
    it. The notice about the restore is not mailed either. Fails if `unmailed` returns such notices,
    or if the code does not compare the database with the witness.
    """
    User.objects.update(mail_notices=True)
    (before,) = Notice.give([agent], Notice.Kind.ASSIGNED, text="Of before the hold.")
    {"moved": restore, "set back": set_back}[restore_by]()
    before.mail()
    pipeline.tick()
    (meanwhile,) = Notice.give([agent], Notice.Kind.ASSIGNED, text="Of the hold.")
    Notice.objects.update(at=timezone.now() - timedelta(minutes=2))
    mail_all()
    assert mail.outbox == []
    assert not Notice.objects.to_mail(timezone.now()).exists()
    restored_database.release(by=supervisor, now=timezone.now())
    assert list(Notice.objects.to_mail(timezone.now())) == [meanwhile]
    mail_all()
    mail_all()
    assert [message.to for message in mail.outbox] == [[agent.email]]
    assert "Of the hold." in str(mail.outbox[0].body)
    assert Notice.objects.filter(kind=Notice.Kind.HELD, read_at=None).exists()


def mail_all() -> None:
    for notice in Notice.objects.select_related("user"):
        notice.mail()


@pytest.fixture(params=["moved", "set back"])
def restore_by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Deliveries that the original database may have sent


def test_what_was_due_is_looked_up_and_what_is_planned_waits(
    answer_many: Many, network: Network, supervisor: User
) -> None:
    """After a restore, due deliveries are looked up on the network, and planned deliveries wait.

    Fails if the due deliveries stay queued.
    """
    answer_many(3)
    first, second, planned = Delivery.objects.select_related("account").order_by("pk")
    later(planned)
    network.arrive(first.outgoing)  # sent by the original database after the copy was made
    restore()
    pipeline.tick()
    assert states() == ["unknown", "unknown", "queued"]
    settle_all()
    settle_all()
    assert states() == ["sent", "unknown", "queued"]

    try_all()
    assert network.arrivals[str(second.uuid)] == 0
    restored_database.release(by=supervisor, now=timezone.now())
    settle_all()
    try_all()
    try_all()
    assert states() == ["sent", "sent", "queued"]
    assert set(network.arrivals.values()) == {1}


def test_what_the_original_sends_during_the_hold_does_not_leave_twice(
    answer_many: Many, network: Network, supervisor: User
) -> None:
    """What the original database sends while sending is stopped here is not sent a second time.

    The first delivery is looked up before the original database sends it. The second becomes due
    before the tick runs, and the third after the tick has run. Fails if a delivery that was not
    found on the network is queued again, or if `look` and `release` leave due deliveries queued. In
    both cases the deliveries are sent twice.
    """
    answer_many(3)
    first, second, third = Delivery.objects.select_related("account").order_by("pk")
    later(second)
    later(third)
    restore()
    pipeline.tick()
    settle_all()
    assert states() == ["unknown", "queued", "queued"]
    Delivery.objects.filter(pk=second.pk).update(send_after=timezone.now())
    pipeline.tick()
    assert states() == ["unknown", "unknown", "queued"]
    Delivery.objects.filter(pk=third.pk).update(send_after=timezone.now())
    for delivery in (first, second, third):
        network.arrive(delivery.outgoing)
    restored_database.release(by=supervisor, now=timezone.now())
    try_all()
    settle_all()
    try_all()
    assert states() == ["sent"] * 3
    assert [network.arrivals[str(each.uuid)] for each in (first, second, third)] == [1] * 3


def test_an_answer_of_before_the_release_is_not_taken_after_it(
    answer_many: Many, network: Network, supervisor: User
) -> None:
    """If a user allows sending while a look-up is running, the result of this look-up is ignored.

    The delivery stays unknown until the next look-up. Fails if the code checks only after the
    look-up whether sending is stopped. At that time, the user has already allowed sending, so the
    code would use the result.
    """
    answer_many(1)
    restore()
    pipeline.tick()
    ask = network.find

    def released_meanwhile(*args: Any) -> Any:
        found = ask(*args)
        restored_database.release(by=supervisor, now=timezone.now())
        return found

    with patch.object(network, "find", released_meanwhile):
        settle_all()
    assert states() == ["unknown"]
    settle_all()
    assert states() == ["queued"]


def test_what_is_written_during_the_hold_is_sent_by_the_release(
    answer_many: Many, microblog: Account, supervisor: User
) -> None:
    """A delivery that was created after the restore is sent when a user allows sending again.

    The original database cannot have sent this delivery, so no look-up on the network is needed.
    """
    with speaking(Network("none", microblog.network)):
        answer_many(1)
        restore()
        pipeline.tick()
        answer_many(1)
        check_sending.send_again(Delivery.objects.filter(state="unknown").get(), by=supervisor)
        pipeline.tick()
        assert states() == ["unknown", "queued", "queued"]
        Delivery.objects.filter(state="queued").update(
            send_after=timezone.now() - timedelta(hours=3)
        )
        restored_database.release(by=supervisor, now=timezone.now())
        try_all()
        assert states() == ["unknown", "sent", "sent"]


def test_the_page_counts_the_unknown_of_this_hold_alone(
    answer_many: Many, microblog: Account, supervisor: User, as_: As
) -> None:
    """The page counts only the deliveries that became unknown because of the latest restore.

    Fails if the page also counts unknown deliveries of an earlier restore.
    """
    with speaking(Network("none", microblog.network)):
        for _hold in range(2):
            answer_many(1)
            restore()
            pipeline.tick()
            page = as_(supervisor).get(DELIVERY_PROBLEMS)
            assert page.context["unknown_n"] == 1
            restored_database.release(by=supervisor, now=timezone.now())


def test_what_no_network_can_tell_is_for_a_human_to_decide(
    answer_many: Many, microblog: Account, supervisor: User, as_: As
) -> None:
    network = Network("none", microblog.network)
    with speaking(network):
        answer_many(1)
        network.arrive(Delivery.objects.select_related("account").get().outgoing)
        restore()
        pipeline.tick()
        settle_all()
        page = as_(supervisor).get(DELIVERY_PROBLEMS).content.decode()
        assert "The original may have already sent this" in page
        assert "1 delivery may have been sent by the original" in page
        release(as_(supervisor))
        try_all()
        assert states() == ["unknown"]
        assert set(network.arrivals.values()) == {1}


# A user releases


def test_the_page_says_why_and_shows_what_would_leave(
    answer_many: Many, network: Network, supervisor: User, agent: User, as_: As
) -> None:
    answer_many(1)
    later(Delivery.objects.get())
    restore()
    pipeline.tick()
    page = as_(supervisor).get(DELIVERY_PROBLEMS).content.decode()
    assert str(Pause.Evidence.MOVED.label) in page
    assert "We are so sorry." in page
    assert "1 text is waiting" in page
    theirs = as_(agent).get("/contacts/").content.decode()
    assert "This database may be a copy of another. Nothing is sent" in theirs
    assert "Resume sending" not in as_(agent).get(DELIVERY_PROBLEMS).content.decode()


def test_without_a_look_at_it_nothing_is_released(
    answer_many: Many, network: Network, supervisor: User, as_: As
) -> None:
    answer_many(1)
    restore()
    pipeline.tick()
    page = as_(supervisor).post(RELEASE, {})
    assert page.status_code == 422
    assert page.context["release_form"].errors.keys() == {"looked"}
    assert [row["delivery"].state for row in page.context["rows"]] == ["unknown"]
    assert Pause.objects.restored().exists()


@pytest.mark.parametrize("verb", ["release", "pause"])
def test_a_form_told_off_shows_the_whole_page(
    verb: str, answer_many: Many, microblog: Account, supervisor: User, as_: As
) -> None:
    """If a form of the page is refused, the response is the whole page with all deliveries."""
    with speaking(Network("none", microblog.network)):
        answer_many(1)
        restore()
        pipeline.tick()
        page = as_(supervisor).post(f"{DELIVERY_PROBLEMS}{verb}/", {"to": "paused"})
    assert page.status_code == 422
    assert [row["delivery"].state for row in page.context["rows"]] == ["unknown"]


def test_reasons_are_translated_when_they_are_shown(supervisor: User, as_: As) -> None:
    """The database stores a code for each reason, and the page shows the translated reason."""
    restore()
    pipeline.tick()
    words = {
        str(Pause.Evidence.MOVED.label): "Umgezogen.",
        str(Notice.Kind.HELD.label): "Angehalten.",
    }
    said = translation._trans.gettext  # type: ignore[attr-defined]
    with patch.object(translation._trans, "gettext", lambda text: words.get(text, said(text))):  # type: ignore[attr-defined]
        assert "Umgezogen." in as_(supervisor).get(DELIVERY_PROBLEMS).content.decode()
        assert "Angehalten." in as_(supervisor).get("/notices/").content.decode()


@pytest.mark.parametrize("who", ["agent", "lead"])
def test_who_may_not_release_is_told_so(who: str, as_: As, request: pytest.FixtureRequest) -> None:
    assert release(as_(request.getfixturevalue(who))).status_code == 403


def test_a_release_is_written_down_and_a_second_one_changes_nothing(
    answer_many: Many, network: Network, supervisor: User, admin: User, as_: As
) -> None:
    restore()
    pipeline.tick()
    before = Instance.objects.get().uuid
    release(as_(supervisor))
    pause = Pause.objects.get()
    assert pause.ended_by == supervisor
    assert Instance.objects.get().uuid != before
    page = as_(admin).post(RELEASE, {"looked": "on"}, follow=True).content.decode()
    assert "Sending was already resumed" in page
    pipeline.tick()
    assert Pause.objects.get().ended_by == supervisor


def test_what_became_late_meanwhile_is_looked_up_before_it_leaves(
    answer_many: Many, network: Network, supervisor: User, as_: As
) -> None:
    answer_many(1)
    later(Delivery.objects.get())
    restore()
    pipeline.tick()
    Delivery.objects.update(send_after=timezone.now() - timedelta(hours=3))
    try_all()
    release(as_(supervisor))
    try_all()
    assert states() == ["unknown"]
    settle_all()
    try_all()
    assert states() == ["sent"]


def test_older_files_put_back_after_a_release_are_held_again(
    answer_many: Many, network: Network, supervisor: User
) -> None:
    """A user allowed sending; if older database files are put back later, sending is stopped again.

    The witness knows that the name (UUID) in the older files is no longer valid.
    """
    answer_many(1)
    files = Instance.objects.values("uuid", "fingerprint", "attempts").get()
    Instance.objects.update(fingerprint="another/place")
    pipeline.tick()
    restored_database.release(by=supervisor, now=timezone.now())
    settle_all()
    Instance.objects.update(**files)
    try_all()
    assert not network.arrivals
    assert Pause.objects.restored().get().why == Pause.Evidence.SET_BACK


def test_a_sender_that_was_just_looking_does_not_undo_a_release(
    supervisor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a user allows sending while a sender asks the witness, sending is not stopped again.

    The number that the sender gets belongs to the old name (UUID) of the database, so it proves
    nothing.
    """
    set_back()
    restored_database.check(now=timezone.now())
    ask = high_water_mark.highest

    def released_meanwhile(name: str) -> int:
        known = ask(name)
        restored_database.release(by=supervisor, now=timezone.now())
        return known

    monkeypatch.setattr(high_water_mark, "highest", released_meanwhile)
    assert not restored_database.is_set_back(now=timezone.now())
    assert not Pause.objects.restored().exists()


def test_what_is_cancelled_before_the_release_never_leaves(
    answer_many: Many, network: Network, supervisor: User, as_: As
) -> None:
    first, _second = answer_many(2)
    for delivery in Delivery.objects.all():
        later(delivery)
    restore()
    pipeline.tick()
    answer = as_(supervisor).post(f"/responses/{first.pk}/cancel/", {"back": "delivery_problems"})
    assert answer.url == DELIVERY_PROBLEMS
    Delivery.objects.filter(state="queued").update(send_after=timezone.now())
    release(as_(supervisor))
    settle_all()
    try_all()
    assert states() == ["cancelled", "sent"]
    assert sum(network.arrivals.values()) == 1


def test_a_pause_by_hand_stays_when_the_database_is_released(
    answer_many: Many, network: Network, supervisor: User, as_: As
) -> None:
    answer_many(1)
    later(Delivery.objects.get())
    Pause.objects.begin(by=supervisor, why="A storm.")
    restore()
    pipeline.tick()
    page = as_(supervisor).get(DELIVERY_PROBLEMS).content.decode()
    assert "A storm." in page
    assert str(Pause.Evidence.MOVED.label) in page
    Pause.objects.end(by=supervisor)
    assert Pause.objects.restored().exists()
    Delivery.objects.update(send_after=timezone.now())
    try_all()
    assert states() == ["queued"]
    Pause.objects.begin(by=supervisor, why="Another storm.")
    release(as_(supervisor))
    settle_all()
    try_all()
    assert states() == ["queued"]
    assert Pause.objects.open().get().why == "Another storm."


# The witness


def test_it_is_told_before_the_network_is_tried(answer_many: Many, network: Network) -> None:
    """The sender reports each attempt to the witness before the sender calls the network."""
    answer_many(2)
    told: list[tuple[int, int]] = []
    network.check = lambda _: told.append(
        (high_water_mark.highest(str(Instance.objects.get().uuid)), Instance.objects.get().attempts)
    )
    try_all()
    assert told == [(1, 1), (2, 2)]


@pytest.mark.parametrize("gone", ["Redis", "the file"])
def test_each_of_its_two_places_is_enough(
    gone: str, answer_many: Many, network: Network, place: Path
) -> None:
    answer_many(1)
    set_back()
    _lose(gone, place)
    try_all()
    assert not network.arrivals
    assert Pause.objects.restored().exists()


def test_where_both_are_gone_nothing_is_said_and_work_goes_on(
    answer_many: Many, network: Network, place: Path
) -> None:
    answer_many(1)
    set_back()
    _lose("Redis", place)
    _lose("the file", place)
    try_all()
    assert states() == ["sent"]


def _lose(what: str, place: Path) -> None:
    if what == "Redis":
        redis.Redis.from_url(in_force.REDIS_URL).delete(high_water_mark.KEY)
    else:
        for file in place.iterdir():
            file.unlink()


def test_a_redis_that_is_gone_holds_nobody_up(
    answer_many: Many, network: Network, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = redis.Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2)
    monkeypatch.setattr(high_water_mark, "_client", lambda: dead)
    answer_many(2)
    try_all()
    assert states() == ["sent"] * 2


@pytest.mark.parametrize("litter", ["", "\n", "not a number", "-3"])
def test_a_file_that_says_nothing_is_no_witness(litter: str, place: Path) -> None:
    place.mkdir()
    name = uuid.uuid4().hex
    (place / name).write_text(litter)
    assert high_water_mark.highest(name) == 0
    high_water_mark.keep(name, 7)
    high_water_mark.keep(name, 3)
    assert (place / name).read_text() == "7\n"
    assert high_water_mark.highest(name) == 7


def test_a_place_that_cannot_be_written_stops_nothing(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.WITNESS_DIR = tmp_path / "file" / "below"
    high_water_mark.keep("x", 1)
    _lose("Redis", tmp_path)
    assert high_water_mark.highest("x") == 0


def test_many_senders_at_once_are_not_taken_for_a_restored_database(
    answer_many: Many, network: Network
) -> None:
    answer_many(24)
    keys = list(Delivery.objects.values_list("pk", flat=True))

    def send(mine: list[int]) -> None:
        try:
            for pk in mine:
                outbox.deliver(Delivery.objects.select_related("account").get(pk=pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[keys[n::6]]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states() == ["sent"] * 24
    assert not Pause.objects.exists()
    assert Instance.objects.get().attempts == 24


def test_who_counts_on_between_two_looks_is_not_taken_for_one_either(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another sender counts an attempt during the check, the check does not report "set back".

    Fails if the code reads the number in the database only before it asks the witness, and not
    again afterwards.
    """
    Instance.objects.count_attempt()
    ask = high_water_mark.highest

    def another_counts_first(name: str) -> int:
        Instance.objects.count_attempt()
        return ask(name)

    monkeypatch.setattr(high_water_mark, "highest", another_counts_first)
    assert not Instance.objects.is_set_back()
