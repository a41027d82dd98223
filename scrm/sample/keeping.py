"""Choose the rows to keep when the sample is removed.

The user's own rows are kept, unless they need rows of the sample. Each table has a rule that says
which of its rows are candidates. All other rows are dropped, which means that they are not kept.
Then each candidate is dropped whose foreign key refers to a dropped row. This step is repeated
until it drops no more rows. Two kinds of foreign keys do not cause a row to be dropped. Most keys
to removed users are changed to the remaining admin (see `_passes_on`). Keys in `_LOOSE` are set to
NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import connection, models
from django.db.models import Exists, ForeignKey, OuterRef, Q

from crm.models import Contact, ProfileLink, User
from listening.models import Topic
from responses.models import HistoryView
from routing.models import RoutingRule, RuleRevision, SavedView
from scrm.sample import marker

Model = type[models.Model]


class TableRule(Enum):
    UNTOUCHED = auto()  # the table is not touched
    DELETED = auto()  # all rows belong to the sample, or are useless without it
    NEWER_KEPT = auto()  # rows made since the sample was loaded are kept
    DEPENDS = auto()  # rows that belong to a kept row are kept, however old


_TABLES = {
    TableRule.UNTOUCHED: (
        "auth.Group auth.Group_permissions auth.Permission contenttypes.ContentType crm.Instance "
        "listening.TopicStamp pghistory.Context scrm.Heartbeat scrm.Sample sessions.Session"
    ),
    TableRule.DELETED: (
        "account.EmailConfirmation crm.Job crm.OAuthAttempt crm.Workspace "
        "crm.WorkspaceChange responses.Gap responses.RecordCheck responses.Trouble crm.Notice "
        "routing.Presence sandbox.Fault sandbox.Mark sandbox.Post "
        "sandbox.PostChange"
    ),
    TableRule.DEPENDS: (
        "account.EmailAddress crm.Account crm.AccountChange crm.UserChange listening.Fetch "
        "listening.Source listening.SourceChange listening.TopicChange listening.TopicRevision "
        "responses.CampaignChange responses.ResponseRuleChange responses.SavedReplyChange "
        "crm.Department crm.DepartmentChange crm.Department_accounts crm.Membership "
        "crm.MembershipChange crm.Spending listening.WebhookDelivery listening.WebhookSecret "
        "routing.RoutingRuleChange routing.RuleRevision "
        "routing.CalendarRevision routing.CalendarUse routing.CaseClock routing.ResponseTarget"
    ),
    TableRule.NEWER_KEPT: (
        "crm.Attachment crm.Contact crm.ContactRelation crm.Conversation crm.Interaction "
        "crm.InteractionMove "
        "crm.Pause crm.PostalAddress crm.Profile crm.ProfileLink crm.ProfileName crm.User "
        "listening.Enclosure listening.ItemAlias "
        "listening.Match listening.Mention listening.MentionChange listening.Seen "
        "listening.Quarantined "
        "listening.Sighting listening.Topic responses.Approval responses.ApprovalRequest "
        "responses.Campaign responses.CampaignStatement routing.Decision responses.Delivery "
        "responses.Draft responses.Feedback responses.HistoryView responses.Moderation "
        "responses.Response responses.ServedPerson responses.ThreadPost responses.ThreadReading "
        "responses.ResponseEvent responses.ResponseRule responses.Response_attachments "
        "responses.SavedReply routing.BystanderReply routing.Calendar routing.CallBack "
        "routing.Case routing.CaseConversation routing.CaseEvent routing.CaseFollower "
        "routing.CaseLink routing.CaseParticipant routing.DoneReason routing.Issue "
        "routing.Issue_departments "
        "routing.ItemDecision routing.Mute routing.Procedure routing.RecordedOnly "
        "routing.RoutingRule routing.SavedView"
    ),
}
TABLE_RULES = {label: rule for rule, labels in _TABLES.items() for label in labels.split()}
_LOOSE = {
    "crm.Profile.handle_was_of",
    "responses.Campaign.topic",
    "routing.Case.continues",
    "routing.Case.issue",
    "routing.Case.last_inbound",
    "routing.Case.merged_into",
    "routing.CaseClock.revision",
    "routing.CaseEvent.revision",
    "routing.CaseEvent.undoes",
    "routing.RuleRevision.issue",
}
"""Foreign keys that are set to NULL if they point at a dropped row."""


def tables(*rules: TableRule) -> list[Model]:
    return [
        m for label, rule in TABLE_RULES.items() if rule in rules for m in [apps.get_model(label)]
    ]


def set_aside(admin: User) -> int:
    """Copy the rows to keep into temporary tables, which exist until the transaction ends.

    Returns how many rows of removed users will belong to the remaining admin.
    """
    kept = tables(TableRule.NEWER_KEPT, TableRule.DEPENDS)
    for model in kept:
        rows = _candidates(model, admin).order_by().values_list(*_columns(model))
        query, parameters = rows.query.sql_with_params()
        _run(f"CREATE TEMPORARY TABLE {_copy(model)} ON COMMIT DROP AS {query}", parameters)
    # Repeat, because other rows may point at each dropped row.
    while sum(_drop(model, key) for model in kept for key in _keys(model)):
        pass
    # After the last row is dropped, because only now is it known which users are removed.
    given = sum(_reassign(model, key, admin) for model in kept for key in _user_keys(model))
    _forget_notified()
    for model in (SavedView, HistoryView):
        _rename_duplicates(model)
    return given


def put_back() -> None:
    """Insert the copied rows, unchanged, into the tables, which were emptied in the meantime."""
    with pgtrigger.ignore():  # these rows are not new, so triggers must not record them
        for model in tables(TableRule.NEWER_KEPT, TableRule.DEPENDS):
            names = ", ".join(map(_quoted, _columns(model)))
            table = _quoted(model._meta.db_table)
            _run(f"INSERT INTO {table} ({names}) SELECT {names} FROM {_copy(model)}")


def number_kept(model: Model) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_copy(model)}")
        return int(cursor.fetchone()[0])


def _candidates(model: Model, admin: User) -> models.QuerySet[Any]:
    """Return the rows that the table's rule keeps, without rows of the sandbox."""
    rows = model._default_manager.all()
    if TABLE_RULES[model._meta.label] is TableRule.NEWER_KEPT:
        rows = rows.filter(Q(pk__gt=marker.newest(model)) | _older_rows_in_use(model, admin))
    names = {field.name for field in model._meta.fields}
    for name in names & {"network", "scope"}:
        rows = rows.exclude(**{f"{name}__startswith": "sandbox."})
    if model._meta.label in {"crm.Account", "listening.Source"}:
        rows = rows.exclude(kind__startswith="sandbox")
    if model is Contact:  # without contacts whose profiles existed only in the sample
        rows = rows.exclude(Exists(_links()), ~Exists(_links(real=True)))
    return rows


def _older_rows_in_use(model: Model, admin: User) -> Q:
    """Return the condition for the rows of the sample that must be kept.

    In the table of users, this is the row of `admin`, who removes the sample. In the table of
    topics, these are the topics to which the user's own routing rules refer. In all other tables,
    the condition selects no row.
    """
    if model is User:
        return Q(pk=admin.pk)
    if model is Topic:
        return Q(name__in=_topics_in_use())
    return Q(pk__in=[])


def _topics_in_use() -> set[str]:
    """Return the names of the topics to which the user's own routing rules refer.

    The user's own rules are those that were created after the sample was loaded.
    """
    own = RoutingRule.objects.filter(pk__gt=marker.newest(RoutingRule), current__isnull=False)
    return {
        name
        for rule in own.select_related("current")
        for test in _tests(rule.current.conditions if rule.current else {})
        if test.get("field") == "topics" and isinstance(test.get("value"), list)
        for name in test["value"]
    }


def _tests(conditions: Any) -> Iterator[dict[str, Any]]:
    """Yield all parts of a rule's conditions, at every level of nesting."""
    if isinstance(conditions, dict):
        yield conditions
        conditions = list(conditions.values())
    if isinstance(conditions, list):
        for part in conditions:
            yield from _tests(part)


def _links(*, real: bool = False) -> models.QuerySet[ProfileLink]:
    links = ProfileLink.objects.filter(contact=OuterRef("pk"))
    return links.exclude(profile__network__startswith="sandbox.") if real else links


def _keys(model: Model) -> list[ForeignKey[Any, Any]]:
    """Return the foreign keys of a table that are checked to find the rows to drop.

    In a table of tracked changes (pghistory), this is only the key to the changed row.
    """
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey)
        if _is_enforced(field) or field.name == "pgh_obj"
        if TABLE_RULES[field.related_model._meta.label] is not TableRule.UNTOUCHED
    ]


def _user_keys(model: Model) -> list[ForeignKey[Any, Any]]:
    return [key for key in _keys(model) if _passes_on(key)]


def _passes_on(key: ForeignKey[Any, Any]) -> bool:
    """Return whether this foreign key refers to users and is changed to the remaining admin.

    The key is changed in all rows in which it refers to a removed user. A key with
    on_delete=CASCADE is not changed: its rows are dropped together with the user. A key that the
    database does not enforce is not changed either.
    """
    owned = key.remote_field.on_delete is not models.CASCADE
    return key.related_model is User and owned and _is_enforced(key)


def _is_enforced(key: ForeignKey[Any, Any]) -> bool:
    """Return whether the database enforces a foreign key.

    The database does not enforce the keys in tables of tracked changes (pghistory).
    """
    return bool(key.db_constraint)  # type: ignore[attr-defined]


def _drop(model: Model, key: ForeignKey[Any, Any]) -> int:
    """Drop the copied rows whose foreign key refers to a dropped row; return the number of rows.

    If the key is in `_LOOSE`, it is set to NULL instead and the row is kept.
    """
    if _passes_on(key):
        return 0
    copy, column = _copy(model), _quoted(key.column)
    if f"{model._meta.label}.{key.name}" in _LOOSE:
        return _run(f"UPDATE {copy} SET {column} = NULL WHERE {_points_at_dropped(key)}")
    return _run(f"DELETE FROM {copy} WHERE {_points_at_dropped(key)}")


def _reassign(model: Model, key: ForeignKey[Any, Any], admin: User) -> int:
    column = _quoted(key.column)
    given = f"UPDATE {_copy(model)} SET {column} = %s WHERE {_points_at_dropped(key)}"
    return _run(given, [admin.pk])


def _forget_notified() -> None:
    """Remove the removed users from the lists of users whom rules notify."""
    _run(
        f"UPDATE {_copy(RuleRevision)} SET notify = ARRAY(SELECT named.id"
        " FROM unnest(notify) WITH ORDINALITY AS named (id, place)"
        f" WHERE named.id IN (SELECT id FROM {_copy(User)}) ORDER BY named.place)"
    )


def _rename_duplicates(model: Model) -> None:
    """Rename saved views that have the same name, because they all belong to one user now."""
    copy = _copy(model)
    _run(
        f"UPDATE {copy} AS mine SET name = left(name, 40) || ' (' || mine.id || ')' FROM"
        " (SELECT id, row_number() OVER (PARTITION BY owner_id, name ORDER BY id) AS n"
        f" FROM {copy}) AS numbered WHERE numbered.id = mine.id AND n > 1"
    )


def _points_at_dropped(key: ForeignKey[Any, Any]) -> str:
    column, there = _quoted(key.column), key.related_model
    if TABLE_RULES[there._meta.label] is TableRule.DELETED:
        return f"{column} IS NOT NULL"
    target = _quoted(str(key.target_field.column))
    return f"{column} IS NOT NULL AND {column} NOT IN (SELECT {target} FROM {_copy(there)})"


def _columns(model: Model) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if not field.generated]


def _copy(model: Model) -> str:
    return _quoted(f"kept_{model._meta.db_table}")


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _run(query: str, parameters: Any = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return int(cursor.rowcount)
