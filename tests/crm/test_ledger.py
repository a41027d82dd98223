"""Guarantee G17 (docs/guarantees.md): nobody can edit the ledger, not even with raw SQL.

Each change of the configuration is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from crm.ledger import Entry, record
from crm.models import Account, Department, Interaction, Profile, User
from listening.models import Mention, Source, Topic
from responses.models import Approval, Response
from routing.models import Case, CaseEvent, Decision, RoutingRule
from scrm.channels.base import Author

pytestmark = pytest.mark.django_db

LEDGERS = {
    "crm_interaction": "text",
    "routing_caseevent": "why",
    "routing_rulerevision": "priority",
    "listening_topicrevision": "number",
    "routing_decision": "why",
    "responses_approval": "reason",
}
"""Table → a column that a user might want to change."""
BLANKABLE = [
    ("crm_interaction", "other_address"),
    *((table, LEDGERS[table]) for table in LEDGERS if not table.endswith("revision")),
]
NAMED = {
    "crm_interaction": "kind",
    "routing_caseevent": "kind",
    "routing_decision": "outcome",
    "responses_approval": "content_hash",
}
"""Table → a column that not even an erasure may change."""


@pytest.fixture(autouse=True)
def record_of_a_day(
    brand: Topic,
    brand_rule: RoutingRule,
    make_source: Callable[..., Source],
    agent: User,
    lead: User,
    service: Department,
    noon: datetime,
) -> Response:
    """Create one row in each table of the ledger."""
    anna = Author("x", "anna")
    entry = Entry("x", "1", anna, "feed", "post", "public", "my words", other_address="ben@x.test")
    row = record([entry], now=noon)[0]
    case = Case.objects.create(profile=Profile.objects.get(), department=service)
    case.events.create(
        kind=CaseEvent.Kind.ROUTED,
        why="a reason",
        interaction_id=row.interaction,
        facts={"reach": 9, "topics": []},
    )
    fetch = make_source().fetches.create()
    Mention.objects.create(
        scope="x", key="1", fetch=fetch, author_network="x", author_key="anna", kind="post",
        visibility="public", text="my words",
    )  # fmt: skip
    decision = Decision.objects.create(case=case, outcome="micro", by=agent, why="she asked")
    response = Response.objects.create(
        decision=decision, case=case, department=service, author=agent, audience="one",
        visibility="private", text="our words",
    )  # fmt: skip
    Approval.objects.create(
        response=response, content_hash="0" * 64, approved=False, by=lead, reason="too long"
    )
    return response


def sql(statement: str, *args: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, args)
        return cursor.rowcount


def refused(statement: str, *args: object) -> bool:
    try:
        with transaction.atomic():
            sql(statement, *args)
    except DatabaseError as error:
        assert "append-only" in str(error) or "Cannot update or delete rows" in str(error)  # noqa: PT017
        return True
    return False


def changed(column: str) -> str:
    return {"number": "number + 1"}.get(column, f"{column} || '!'")


@pytest.mark.parametrize(("table", "column"), LEDGERS.items())
def test_nobody_edits_the_ledger(table: str, column: str) -> None:
    """The database refuses an UPDATE of each table of the ledger.

    Fails if the triggers of one table are disabled.
    """
    assert refused(f"UPDATE {table} SET {column} = {changed(column)}")


@pytest.mark.parametrize("table", [*LEDGERS, "listening_mention", "responses_response"])
def test_nobody_deletes_from_the_ledger(table: str) -> None:
    """The database refuses a DELETE from each table of the ledger, even during an erasure.

    Fails if the triggers of one table are disabled.
    """
    assert refused(f"DELETE FROM {table}")
    sql("SET LOCAL scrm.erasing = 'on'")
    assert refused(f"DELETE FROM {table}")


@pytest.mark.parametrize(("table", "column"), BLANKABLE)
def test_an_erasure_may_blank_the_words(table: str, column: str) -> None:
    """An erasure (the deletion of personal data) may empty columns of text.

    Fails if the triggers refuse this.
    """
    sql("SET LOCAL scrm.erasing = 'on'")
    assert not refused(f"UPDATE {table} SET {column} = ''")


@pytest.mark.parametrize(("table", "column"), NAMED.items())
def test_not_even_an_erasure_changes_anything_else(table: str, column: str) -> None:
    """An erasure cannot change any other column.

    Fails if the triggers of one table are disabled.
    """
    sql("SET LOCAL scrm.erasing = 'on'")
    assert refused(f"UPDATE {table} SET {column} = ''")


def test_an_erasure_may_empty_the_facts_of_a_routing_decision() -> None:
    """An erasure may empty the stored facts of a routing decision.

    Fails if the triggers refuse this.
    """
    sql("SET LOCAL scrm.erasing = 'on'")
    assert not refused("UPDATE routing_caseevent SET facts = '{}'")
    assert CaseEvent.objects.get().facts == {}


@pytest.mark.parametrize(
    "change",
    ["facts = '{\"reach\": 1}'", "facts = '[]'", "facts = facts - 'reach'", "facts = 'null'"],
)
def test_the_facts_of_a_routing_decision_are_emptied_or_stay(change: str) -> None:
    """The stored facts of a routing decision can only be emptied, and only by an erasure.

    Fails if an erasure may replace the stored facts by others, or if facts may be emptied without
    an erasure.
    """
    assert refused("UPDATE routing_caseevent SET facts = '{}'")
    sql("SET LOCAL scrm.erasing = 'on'")
    assert refused(f"UPDATE routing_caseevent SET {change}")
    assert refused("UPDATE routing_caseevent SET facts = '{}', kind = 'done'")


@pytest.mark.parametrize("table", ["routing_rulerevision", "listening_topicrevision"])
def test_a_revision_has_nothing_that_could_be_blanked(table: str) -> None:
    """Revisions cannot be changed, not even by an erasure.

    Fails if an erasure may change the number of a revision.
    """
    sql("SET LOCAL scrm.erasing = 'on'")
    assert refused(f"UPDATE {table} SET number = number + 1")


@pytest.mark.django_db(transaction=True)
def test_the_leave_to_blank_ends_with_its_transaction() -> None:
    """The permission for an erasure ends with its transaction.

    After the transaction, the setting `scrm.erasing` is "". Fails if the value "" permits an
    erasure.
    """
    with transaction.atomic():
        sql("SET LOCAL scrm.erasing = 'on'")
    assert refused("UPDATE routing_caseevent SET why = ''")


def test_the_leave_to_blank_must_be_on_and_nothing_else() -> None:
    """Only the value "on" of the database setting `scrm.erasing` permits an erasure.

    Fails if another value permits an erasure.
    """
    for word in ("off", "", "true"):
        sql(f"SET LOCAL scrm.erasing = '{word}'")
        assert refused("UPDATE routing_caseevent SET why = ''")


@pytest.mark.parametrize(
    "change",
    [
        "text = 'other words'", "title = 'other words'", "html = '<p>'", "raw = 'x'::bytea",
        "author_key = 'ben'", "key = '2'", "occurred_at = now()", "visibility = 'private'",
        "other_address = 'ben@x.test'",
    ],
)  # fmt: skip
def test_what_was_found_stays_as_found(change: str) -> None:
    """The content of a mention (its text, author, time, …) cannot be changed after it was stored.

    Columns about its processing can be changed. Fails if the trigger `frozen` is disabled.
    """
    assert refused(f"UPDATE listening_mention SET {change}")


def test_the_work_on_what_was_found_moves_on(noon: datetime) -> None:
    Mention.objects.update(
        processed_at=noon, attempt=2, lease_until=noon, backlog=True,
        interaction=Interaction.objects.get(),
    )  # fmt: skip
    assert Mention.objects.get().attempt == 2


@pytest.mark.parametrize(
    "change",
    [
        "text = 'better'",
        "subject = 'x'",
        "audience = 'few'",
        "visibility = 'public'",
        "author_id = (SELECT min(id) FROM crm_user)",
    ],
)
def test_our_words_are_frozen_once_they_left_the_draft(change: str) -> None:
    """The content and the author of a response can change only while the response is a draft.

    Fails if the trigger `frozen` is disabled.
    """
    assert not refused("UPDATE responses_response SET text = 'a draft may change'")
    for state in ("held", "released", "refused", "cancelled"):
        sql("UPDATE responses_response SET state = %s", state)
        assert refused(f"UPDATE responses_response SET {change}")


def test_what_left_never_becomes_a_draft_again() -> None:
    """A released, refused or cancelled response can never become a draft again.

    Otherwise the response could be edited, because a draft can be edited. Fails without the trigger
    `never`.
    """
    for state in ("released", "refused", "cancelled"):
        sql("UPDATE responses_response SET state = %s", state)
        assert refused("UPDATE responses_response SET state = 'draft'")


def test_the_words_cannot_change_in_the_step_that_leaves_the_draft_behind() -> None:
    """One SQL statement cannot make a released response a draft and change its text.

    Fails only if the triggers `never` and `frozen` are both disabled.
    """
    sql("UPDATE responses_response SET state = 'released'")
    assert refused("UPDATE responses_response SET state = 'draft', text = 'other'")


def test_a_correction_is_a_new_row_that_names_the_old(noon: datetime) -> None:
    first = Interaction.objects.get()
    again = record(
        [Entry("x", "1b", Author("x", "anna"), "feed", "post", "public", "better words",
               conversation=first.conversation_id, revises=first.pk)],
        now=noon,
    )[0]  # fmt: skip
    assert Interaction.objects.get(pk=again.interaction).revises == first
    first.refresh_from_db()
    assert first.text == "my words"


def changes(name: str) -> int:
    return apps.get_model(name)._default_manager.count()


@pytest.mark.parametrize(
    ("table", "change", "log"),
    [
        ("listening_topic", "name = name || '!'", "listening.TopicChange"),
        ("listening_topic", "is_active = FALSE", "listening.TopicChange"),
        ("listening_source", "stance = 'for us'", "listening.SourceChange"),
        ("routing_routingrule", "position = position + 1", "routing.RoutingRuleChange"),
        ("crm_department", "name = name || '!'", "crm.DepartmentChange"),
        ("crm_membership", "role = 'reader'", "crm.MembershipChange"),
        ("crm_user", "role = 'admin'", "crm.UserChange"),
    ],
)
def test_a_change_of_configuration_is_kept_even_by_raw_sql(
    table: str, change: str, log: str
) -> None:
    """A change of the configuration by raw SQL is recorded, and the record cannot be changed.

    Fails if the triggers of one table are disabled, because the change is then not recorded.
    """
    before = changes(log)
    sql(f"UPDATE {table} SET {change}")
    assert changes(log) > before
    log_table = apps.get_model(log)._meta.db_table
    assert refused(f"UPDATE {log_table} SET pgh_label = 'x'")
    assert refused(f"DELETE FROM {log_table}")


def test_who_left_a_department_stays_on_record() -> None:
    """The deletion of a membership is recorded.

    Fails if the trigger on DELETE is disabled.
    """
    before = changes("crm.MembershipChange")
    removed = sql("DELETE FROM crm_membership")
    assert changes("crm.MembershipChange") == before + removed > before


def test_a_visit_is_no_change_of_configuration(noon: datetime) -> None:
    """A fetch updates the row of its source, but this is not recorded as a configuration change.

    Fails if every UPDATE of a source is recorded.
    """
    before = changes("listening.SourceChange")
    source = Source.objects.get()
    source.record_success(cursor={"seq": 7}, next_after=None, now=noon)
    assert changes("listening.SourceChange") == before


def test_no_secret_is_in_any_record_of_changes(microblog: Account) -> None:
    """Guarantee G14 (docs/guarantees.md): no table of recorded changes contains a secret.

    No such table has a column for secrets, and no row contains the secret of this test. Fails if
    the secrets of accounts are recorded.
    """
    microblog.secrets = {"token": "canary-4711"}
    microblog.name = "renamed"
    microblog.save()
    token = sql_value("SELECT secrets FROM crm_account")
    User.objects.get(email="anna@scrm.example").set_password("canary-4711")
    logs = [model for model in apps.get_models() if model.__name__.endswith("Change")]
    assert len(logs) > 5
    for log in logs:
        columns = {field.column for field in log._meta.local_fields}
        assert columns.isdisjoint({"secrets", "config", "password", "cursor", "last_login"})
        dump = str(list(log._default_manager.values_list()))
        assert "canary" not in dump
        assert token not in dump
    assert changes("crm.AccountChange") == 2


def sql_value(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])
