"""A batch of mentions is matched, recorded and routed.

Each mention is processed exactly once, despite crashes and bad items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.testing import capture_logs

from crm.models import Account, Conversation, Department, Interaction, Profile, User
from listening.fetch import store
from listening.models import Match, Mention, Quarantined, Source, Topic
from listening.models.mention import HOPELESS, RISKY
from listening.topic_hits import find_matches
from responses.models import Delivery, Feedback, Response
from routing.models import Case, CaseEvent, Decision, RoutingRule
from routing.rules import WEEKDAYS
from scrm import batch, pipeline
from scrm.batch import process_batch, process_or_halve
from scrm.channels.base import Author, Item
from scrm.channels.sandbox import community
from tests.together import at_once

pytestmark = pytest.mark.django_db

NET = "sandbox.microblog"
LEASE = timedelta(seconds=60)
Hear = Callable[..., list[Mention]]


@pytest.fixture(autouse=True)
def house(service: Department, brand: Topic, brand_rule: RoutingRule) -> None:
    """Create the workspace that the tests need: a department, a topic and a routing rule."""


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    with capture_logs() as log:
        yield log


@pytest.fixture(autouse=True)
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks for which Celery messages would be sent. No message is sent."""
    sent: list[str] = []
    monkeypatch.setattr("scrm.bus.nudge._send", lambda task, *_: sent.append(task))
    monkeypatch.setattr("scrm.bus.live._publish", lambda _message: None)
    return sent


@pytest.fixture
def talk(make_source: Callable[..., Source]) -> Source:
    return make_source(address="search", stance="about us")


@pytest.fixture
def ours(make_source: Callable[..., Source], microblog: Account) -> Source:
    return make_source(kind="sandbox", address="mentions", stance="for us", account=microblog)


def item(key: str, text: str = "Skyward lost my bag", by: str = "anna", **facts: Any) -> Item:
    author = Author(NET, by, handle=f"@{by}", name=by.title(), reach=facts.pop("reach", None))
    common = {"scope": NET, "key": key, "author": author, "text": text}
    return Item(**{**common, "occurred_at": timezone.now(), **facts})


def hear(source: Source, *items: Item) -> list[Mention]:
    """Store items as a fetch does, and return their mentions."""
    fetch = source.fetches.create()
    store(fetch, source, items, now=timezone.now())
    return list(Mention.objects.filter(fetch=fetch).order_by("pk"))


def claim(now: datetime | None = None, most: int = 500) -> list[Mention]:
    return Mention.objects.claim_batch(now=now or timezone.now(), lease=LEASE, most=most)


def work(mentions: Sequence[Mention] | None = None) -> list[Mention]:
    """Process all due mentions as one batch, as the Celery task does, and return the mentions."""
    mentions = claim() if mentions is None else mentions
    if mentions:
        process_or_halve(mentions)
    return list(mentions)


def recorded() -> set[str]:
    return set(Interaction.objects.values_list("key", flat=True))


# Mentions that become interactions


def test_what_matches_a_topic_becomes_a_case_that_says_why(
    talk: Source, service: Department, brand: Topic, brand_rule: RoutingRule
) -> None:
    """An item that matches a topic opens a case, and the case event records why this happened.

    Fails if a fact is missing in the event, or if the event contains text of the message.
    """
    mention = hear(talk, item("1", "I flew Skyward and lost a bag", raw=b"{}"))[0]
    work()
    case = Case.objects.get()
    event = case.events.get()
    match = Match.objects.get()
    mention.refresh_from_db()
    assert (case.department, case.priority, case.profile.handle) == (service, "high", "@anna")
    assert (event.kind, event.revision) == (CaseEvent.Kind.ROUTED, brand_rule.current)
    assert event.interaction == mention.interaction
    at = mention.sort_at
    when = {"weekday": WEEKDAYS[at.weekday()], "time": at.hour * 60 + at.minute}
    assert event.facts == {
        "channel": "feed", "network": NET, "source": talk.name, "stance": "about us",
        "kind": "post", "visibility": "public", "known": False, **when,
        "topics": [
            {"topic": brand.pk, "revision": match.revision_id, "spans": [["text", 7, 14]]}
        ],
    }  # fmt: skip
    assert match.mention == mention
    assert [mention.text[start:end] for _, start, end in match.spans] == ["Skyward"]
    assert mention.processed_at
    assert mention.lease_until is None


def test_what_matches_nothing_is_stored_and_makes_no_case(talk: Source) -> None:
    mention = hear(talk, item("1", "my cat"))[0]
    work()
    mention.refresh_from_db()
    assert mention.processed_at
    assert mention.interaction is None
    assert not Case.objects.exists()
    assert not claim()


def test_what_is_for_us_is_kept_without_a_match(ours: Source) -> None:
    hear(ours, item("1", "hello?"))
    work()
    assert recorded() == {"1"}
    assert Case.objects.get().events.get().why.startswith("No rule matched")


def test_backlog_is_matched_but_makes_no_case_until_it_is_brought_in(ours: Source) -> None:
    hear(ours, item("old", occurred_at=timezone.now() - timedelta(days=9)))
    work()
    assert Match.objects.count() == 1
    assert not Case.objects.exists()
    Mention.objects.backlog_of(ours).bring_in()
    work()
    assert Case.objects.get().last_inbound.key == "old"  # type: ignore[union-attr]


def test_many_matches_make_one_interaction_one_case_one_department(
    talk: Source, service: Department, sales: Department, admin: User
) -> None:
    for word, department in (("bag", sales), ("lost", service)):
        topic = Topic.objects.create(name=word, owner=admin)
        topic.revise(any_of=[word], all_of=[], none_of=[], by=admin)
        rule = RoutingRule.objects.create(name=word, owner=admin, position=5)
        condition = {"field": "topics", "op": "has any", "value": [word]}
        rule.revise(conditions={"all": [condition]}, department=department, by=admin)
    hear(talk, item("1"))
    work()
    event = CaseEvent.objects.get(kind=CaseEvent.Kind.ROUTED)
    assert Match.objects.count() == 3
    assert Interaction.objects.count() == Case.objects.count() == 1
    assert [topic["spans"] for topic in event.facts["topics"]] == [
        match.spans for match in Match.objects.order_by("revision")
    ]
    assert [name for name, _ in event.data["why_not"]] == ["bag", "lost"]


def test_what_two_sources_saw_is_work_once_and_for_us_wins(talk: Source, ours: Source) -> None:
    hear(talk, item("1", "my cat"))
    work()
    assert not Case.objects.exists()
    hear(ours, item("1", "my cat"))
    work()
    assert Case.objects.get().last_inbound.key == "1"  # type: ignore[union-attr]
    hear(talk, item("1", "my cat"))
    assert not work()


# Answers to our responses


@pytest.fixture
def our_reply(ours: Source, microblog: Account, agent: User) -> Delivery:
    """The delivery of our reply to Anna, which is in state "sending"."""
    hear(ours, item("q", "where is my bag?"))
    work()
    return answer(Case.objects.get(), microblog, agent, "one")


def answer(case: Case, account: Account, agent: User, audience: str) -> Delivery:
    macro = audience == "many"
    decision = Decision.objects.create(case=case, outcome="macro" if macro else "micro", by=agent)
    response = Response.objects.create(
        seen_id=case.last_inbound_id,
        decision=decision, case=case, department=case.department, author=agent,
        audience=audience, visibility="public", text="We look into it.", state="released",
        in_reply_to=None if macro else case.last_inbound,
    )  # fmt: skip
    return Delivery.objects.create(
        response=response, account=account, state="sending", send_after=timezone.now(),
        destination="" if macro else case.profile.key,
        profile=None if macro else case.profile,
    )  # fmt: skip


def own(key: str, **facts: Any) -> Item:
    return item(key, "We look into it.", by="skywardair", **facts)


def test_our_own_post_makes_no_case(ours: Source, microblog: Account) -> None:
    hear(ours, own("1"))
    work()
    assert Interaction.objects.get().direction == "out"
    assert not Case.objects.exists()
    assert not Profile.objects.exists()


def test_our_own_post_settles_the_sending_that_it_proves(our_reply: Delivery, talk: Source) -> None:
    """If any source finds our own post, this proves that the delivery of the post was sent.

    Fails if our own posts are recorded only if a topic matches.
    """
    hear(talk, own("r", in_reply_to="q"))
    work()
    our_reply.refresh_from_db()
    case = Case.objects.get()
    assert (our_reply.state, our_reply.sent_key) == ("sent", "r")
    assert our_reply.interaction.profile == case.profile  # type: ignore[union-attr]
    assert case.status == "waiting"
    assert Interaction.objects.count() == 2


def test_an_answer_to_us_is_kept_though_it_shares_no_word_with_any_topic(
    our_reply: Delivery, talk: Source
) -> None:
    hear(talk, own("r", in_reply_to="q"))
    work()
    hear(talk, item("again", "It rained in.", in_reply_to="r"), item("other", "It rained in."))
    work()
    assert recorded() == {"q", "r", "again"}
    feedback = Feedback.objects.get()
    assert (feedback.interaction.key, feedback.delivery) == ("again", our_reply)
    assert Case.objects.get().status == "open"


def test_an_answer_in_the_same_batch_as_our_own_post_is_feedback_too(
    our_reply: Delivery, talk: Source
) -> None:
    """An answer to our post is feedback, even if our post is found only in the same batch.

    Fails if the code searches the answered post only in the ledger.
    """
    hear(talk, item("a-thanks", "cheers!", in_reply_to="r"), own("r", in_reply_to="q"))
    work()
    assert Feedback.objects.get().interaction.key == "a-thanks"
    assert Case.objects.count() == Conversation.objects.count() == 1


def test_a_comment_on_our_statement_becomes_the_commenters_case(
    our_reply: Delivery, talk: Source, microblog: Account, agent: User, sales: Department
) -> None:
    cause = Case.objects.get()
    cause.department = sales
    cause.save()
    statement = answer(cause, microblog, agent, "many")
    hear(talk, own("m"))
    work()
    hear(talk, item("c", "not good enough", by="ben", in_reply_to="m"))
    work()
    comment = Case.objects.get(profile__key="ben")
    assert comment.department == sales
    assert comment.events.get().why == "It replies to a post of this department."
    assert Feedback.objects.get().response == statement.response
    cause.refresh_from_db()
    assert not cause.events.filter(kind=CaseEvent.Kind.HEARD).exists()


# Attempts, fences and repeats (guarantee G8)


def test_the_attempt_is_counted_before_the_work(talk: Source) -> None:
    """The attempt on a mention is counted when the mention is claimed.

    Fails if the attempt is counted only after the work, because a worker that dies is then not
    counted.
    """
    hear(talk, item("1"))
    assert [mention.attempt for mention in claim()] == [1]
    assert Mention.objects.get().attempt == 1, "its worker may die now"
    assert claim() == [], "its lease still runs"
    later = timezone.now() + 2 * LEASE
    assert [mention.attempt for mention in claim(later)] == [2]
    assert Mention.objects.get().attempt == 2


def test_what_killed_its_worker_before_is_taken_alone(talk: Source) -> None:
    """If a worker died while it processed a mention, this mention is later claimed alone.

    Such a mention was already claimed at least RISKY times. Fails if every claim takes a whole
    batch.
    """
    mentions = hear(talk, *(item(str(n)) for n in range(5)))
    Mention.objects.filter(pk__in=[mentions[1].pk, mentions[3].pk]).update(attempt=RISKY)
    batches = [[mention.key for mention in claim()] for _ in range(3)]
    assert batches == [["1"], ["3"], ["0", "2", "4"]]


def test_what_always_kills_its_worker_is_quarantined(talk: Source) -> None:
    """A mention that kills every worker is quarantined after HOPELESS attempts.

    Fails without HOPELESS, because the mention is then tried for ever.
    """
    hear(talk, item("killer", raw=b"\x00"), item("good"))
    now = timezone.now()
    for _ in range(20):
        now += 2 * LEASE
        claimed = claim(now)
        if "killer" in {mention.key for mention in claimed} and claimed[0].attempt <= HOPELESS:
            continue  # the worker dies at this point
        work(claimed)
    quarantined = Quarantined.objects.get()
    assert (quarantined.mention.key, bytes(quarantined.raw)) == ("killer", b"\x00")  # type: ignore[union-attr]
    assert quarantined.reason == f"The worker died {HOPELESS} times while processing it."
    assert recorded() == {"good"}
    assert not Mention.objects.unprocessed().exists()


def test_the_same_batch_processed_twice_changes_nothing(talk: Source) -> None:
    """If a batch is processed twice, the second time changes nothing.

    Fails without `_still_ours`, because each mention is then routed twice.
    """
    hear(talk, item("1"), item("2", by="ben"))
    claimed = work()
    work(claimed)
    assert CaseEvent.objects.count() == Case.objects.count() == 2


def test_a_worker_that_wakes_after_its_lease_changes_nothing(talk: Source) -> None:
    """A worker loses its claim if its lease lapses and another worker claims the mention.

    The first worker then changes nothing.

    Fails if `_still_ours` does not compare the attempt.
    """
    hear(talk, item("1"))
    late = claim()
    faster = claim(timezone.now() + 2 * LEASE)
    work(late)
    assert not Case.objects.exists(), "the claim has gone to somebody else"
    work(faster)
    assert Case.objects.count() == 1


def test_a_worker_that_gives_up_too_late_sets_nothing_apart(talk: Source) -> None:
    """A worker that has lost its claim does not quarantine the mention.

    Fails if `_quarantine` does not check the fence, because the worker then quarantines a mention
    that is already routed.
    """
    hear(talk, item("1"))
    Mention.objects.update(attempt=HOPELESS)
    late = claim()
    Mention.objects.update(attempt=0, lease_until=None)
    work()
    work(late)
    assert not Quarantined.objects.exists()
    assert Case.objects.count() == 1


def test_a_nudge_delivered_twice_finds_nothing_to_do(talk: Source, nudges: list[str]) -> None:
    """If the Celery message for a batch arrives twice, the second run finds nothing to process.

    Fails if a mention stays due after it was processed.
    """
    hear(talk, item("1"))
    assert pipeline.process() == 1
    assert pipeline.process() == 0
    assert Case.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_batch_calls_for_another_only_while_more_waits(
    talk: Source, nudges: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch sends a Celery message for another batch only if more mentions are due.

    Fails if every batch sends the message. Fails also if no batch sends it.
    """
    monkeypatch.setattr("listening.models.mention.MAX_MENTIONS_PER_BATCH", 2)
    hear(talk, *(item(str(number)) for number in range(5)))
    called = []
    for _ in range(4):
        pipeline.process()
        called.append(nudges.count("scrm.pipeline.process"))
    assert called == [1, 2, 2, 2]


@pytest.mark.django_db(transaction=True)
def test_a_visit_calls_for_a_batch_only_when_something_is_new(
    ours: Source, nudges: list[str]
) -> None:
    """A fetch sends a Celery message for a batch only if it found a new item.

    Fails if every fetch sends the message.
    """
    community.post(NET, "anna", "@skywardair where is my bag?")
    called = []
    for _ in range(3):
        ours.fetch_now()
        pipeline.poll(ours.pk)
        called.append(nudges.count("scrm.pipeline.process"))
    assert called == [1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_what_one_worker_is_claiming_another_passes_over(talk: Source) -> None:
    """Guarantee G8 (docs/guarantees.md): a worker skips mentions that another is claiming.

    Fails without `skip_locked`. Fails also without any lock, because both workers then claim the
    same five mentions.
    """
    hear(talk, *(item(str(n)) for n in range(10)))

    def claim_next() -> list[Mention]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
        return claim(most=5)

    with transaction.atomic():
        mine = claim(most=5)
        theirs = at_once(claim_next)[0]
    assert len({mention.pk for mention in (*mine, *theirs)}) == 10


@pytest.mark.django_db(transaction=True)
def test_two_workers_route_200_mentions_exactly_once(talk: Source) -> None:
    """Guarantee G8 (docs/guarantees.md): two workers share the mentions; each is routed once.

    Fails if `due` ignores the lease, because both workers then claim the same mentions, and the
    work of one of them is useless.
    """
    hear(talk, *(item(f"{n:03}", by=f"p{n % 40}") for n in range(200)))
    taken: list[int] = []

    def worker() -> int:
        while mentions := claim(most=15):
            taken.extend(mention.pk for mention in mentions)
            work(mentions)
        return 0

    at_once(worker, worker)
    heard = CaseEvent.objects.values_list("interaction__key", flat=True)
    assert sorted(heard) == sorted(recorded()) == [f"{n:03}" for n in range(200)]
    assert len(taken) == len(set(taken)) == 200
    assert Case.objects.count() == Profile.objects.count() == 40
    assert not Quarantined.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_claim_in_two_workers_at_once_counts_once(talk: Source) -> None:
    """If several workers process the same claim at the same time, each mention is recorded once.

    Fails without `_still_ours`, because each mention is then recorded more than once.
    """
    hear(talk, *(item(f"{n:03}", by=f"p{n % 7}") for n in range(100)))
    claimed = claim()
    at_once(*(lambda: process_or_halve(claimed) for _ in range(3)))
    assert CaseEvent.objects.count() == Interaction.objects.count() == 100
    assert Case.objects.count() == 7


# Errors (guarantees G5 and G7)


@pytest.mark.parametrize("bad", [{0}, {99}, {41, 42}])
def test_poison_in_a_batch_is_found_and_quarantined(
    talk: Source, monkeypatch: pytest.MonkeyPatch, bad: set[int]
) -> None:
    """If recording some mentions raises an error, only these mentions are quarantined.

    Fails if batches are not halved after an error. The hundred mentions of the batch are then all
    quarantined, or none of them is routed.
    """
    hear(talk, *(item(f"{n:03}", by=f"p{n}", raw=b"raw %d" % n) for n in range(100)))
    names = {f"{n:03}" for n in bad}
    record = batch.record

    def poisoned(entries: Any, *, now: datetime) -> Any:
        if any(entry.key in names for entry in entries):
            raise ValueError("not in this century")
        return record(entries, now=now)

    with monkeypatch.context() as patched:
        patched.setattr(batch, "record", poisoned)
        work()
    assert recorded() == {f"{n:03}" for n in range(100)} - names
    assert Case.objects.count() == 100 - len(bad)
    quarantined = Quarantined.objects.order_by("pk")
    assert {bytes(each.raw) for each in quarantined} == {b"raw %d" % n for n in bad}
    assert {each.reason for each in quarantined} == {"ValueError: not in this century"}
    assert not Mention.objects.unprocessed().exists()


def test_what_was_quarantined_can_be_replayed(
    talk: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarantined mention can be processed again.

    Fails if the batch does not run in a transaction, or if the number of attempts is not reset.
    """

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours, mended later")

    hear(talk, item("1"))
    with monkeypatch.context() as patched:
        patched.setattr(batch, "take_in", broken)
        work()
    assert Quarantined.objects.count() == 1
    assert not Interaction.objects.exists(), "not half of it"
    Mention.objects.update(attempt=HOPELESS)
    assert Mention.objects.filter(quarantined__isnull=False).bring_in() == 1
    work()
    assert Case.objects.count() == 1


def test_what_the_database_itself_refuses_is_poison_too(talk: Source) -> None:
    """If the database refuses a mention, only this mention is quarantined.

    Fails if batches are not halved after an error that PostgreSQL raises.
    """
    hear(talk, item("1"), item("2"), item("3", by="ben"))
    with connection.cursor() as cursor:  # removed when the test's transaction is rolled back
        cursor.execute("ALTER TABLE crm_interaction ADD CONSTRAINT not_two CHECK (key <> '2')")
    work()
    assert recorded() == {"1", "3"}
    assert Quarantined.objects.get().mention.key == "2"  # type: ignore[union-attr]


@pytest.mark.parametrize("times", [1, 2])
def test_a_deadlock_is_tried_again(
    talk: Source, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """After a deadlock, the batch is processed again, and no mention is quarantined.

    Fails without `again`, which repeats a transaction after a deadlock.
    """
    troubles = [OperationalError("deadlock detected")] * times
    record = batch.record

    def unlucky(entries: Any, *, now: datetime) -> Any:
        if troubles:
            raise troubles.pop()
        return record(entries, now=now)

    monkeypatch.setattr(batch, "record", unlucky)
    hear(talk, item("1"))
    work()
    assert Case.objects.count() == 1
    assert not Quarantined.objects.exists()


def test_what_matching_cannot_read_is_quarantined_alone(
    talk: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If matching a mention with the topics raises an error, only this mention is quarantined.

    Fails if topics are matched before the batch is halved, because none of the three mentions is
    then routed.
    """
    match = batch.find_matches

    def stumble(mentions: Sequence[Mention]) -> Any:
        if any(mention.key == "2" for mention in mentions):
            raise ValueError("no such word")
        return match(mentions)

    monkeypatch.setattr(batch, "find_matches", stumble)
    hear(talk, item("1"), item("2", by="ben"), item("3", by="cleo"))
    work()
    assert recorded() == {"1", "3"}
    assert Quarantined.objects.get().reason == "ValueError: no such word"


def test_the_databases_own_trouble_sets_nothing_apart(
    talk: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database is shutting down, no mention is quarantined, and the batch becomes due again.

    Fails if an OperationalError of the database is treated as an error of the mention.
    """

    def down(*_: object, **__: object) -> None:
        raise OperationalError("the server is shutting down")

    hear(talk, item("1"), item("2"))
    with monkeypatch.context() as patched:
        patched.setattr(batch, "record", down)
        with pytest.raises(OperationalError):
            work()
    assert not Quarantined.objects.exists()
    assert len(claim(timezone.now() + 2 * LEASE)) == 2, "the tick comes back"


@pytest.mark.django_db(transaction=True)
def test_a_backend_terminated_in_the_middle_loses_nothing(
    talk: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee G7 (docs/guarantees.md): a batch is completed although its connection was cut.

    Fails without `again`, because the batch is then processed again only after its lease lapsed.
    """
    kills = [True]
    take_in = batch.take_in

    def cut(arrivals: Any, *, now: datetime) -> Any:
        if kills:
            kills.pop()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                terminate(cursor.fetchone()[0])
        return take_in(arrivals, now=now)

    monkeypatch.setattr(batch, "take_in", cut)
    hear(talk, item("1"), item("2", by="ben"))
    work()
    assert Case.objects.count() == 2
    assert not Quarantined.objects.exists()


def terminate(backend: int) -> None:
    facts = connection.get_connection_params()
    wanted = {
        name: facts[name]
        for name in ("dbname", "user", "password", "host", "port")
        if name in facts
    }
    executioner = psycopg2.connect(**wanted)
    with executioner.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    executioner.close()


# Number of SQL statements


def test_statements_do_not_depend_on_the_size_of_the_batch(talk: Source) -> None:
    """The number of SQL statements does not depend on the size of the batch.

    Fails if rows are looked up separately for each mention.
    """
    counts = []
    for size in (10, 100, 500):
        hear(talk, *(item(f"{size}-{n}", by=f"{size}-{n // 2}") for n in range(size)))
        claimed = claim()
        assert len(claimed) == size
        hits = find_matches(claimed)
        with CaptureQueriesContext(connection) as statements:
            process_batch(claimed, hits, now=timezone.now())
        counts.append(len(statements))
    assert counts[0] == counts[1] == counts[2]
    assert Interaction.objects.count() == 610
