"""Remove the sample and start a real workspace, in which the rows that the user made are kept.

The ledger refuses DELETE, so single rows cannot be removed. Instead, the rows to keep are copied,
all tables are emptied by one TRUNCATE, and the copies are written back. This happens only if the
database has the marker row `Sample`, which only `load_sample` writes. See docs/decisions/0006.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, models, transaction
from django.utils import timezone
from django.utils.translation import ngettext_lazy

from crm.adapter import forget_old_addresses
from crm.models import Account, Attachment, Contact, Department, Interaction, Job, User, Workspace
from listening import sensitive_topics
from listening.models import Mention, Source, Topic
from responses import default_rules
from responses.models import Delivery, Response, ResponseRule, SavedReply
from routing.models import Case, Issue, RoutingRule, SavedView
from scrm.db.retry import again
from scrm.sample import keeping, logins, marker
from scrm.sample.keeping import TableRule
from scrm.sample.people import by_hand, found_departments

_COUNTED: tuple[tuple[type[models.Model], Any], ...] = (
    (User, ngettext_lazy("user", "users")),
    (Account, ngettext_lazy("account", "accounts")),
    (Source, ngettext_lazy("source", "sources")),
    (Topic, ngettext_lazy("topic", "topics")),
    (RoutingRule, ngettext_lazy("routing rule", "routing rules")),
    (ResponseRule, ngettext_lazy("business rule", "business rules")),
    (SavedReply, ngettext_lazy("saved reply", "saved replies")),
    (SavedView, ngettext_lazy("saved view", "saved views")),
    (Mention, ngettext_lazy("mention", "mentions")),
    (Contact, ngettext_lazy("contact", "contacts")),
    (Interaction, ngettext_lazy("activity", "activities")),
    (Case, ngettext_lazy("case", "cases")),
    (Issue, ngettext_lazy("issue", "issues")),
    (Response, ngettext_lazy("response", "responses")),
)
_LOCK_SECONDS, _TRIES, _PAUSE = 3, 40, 0.25
Counts = list[tuple[str, int]]


class NotSample(Exception):
    """The database contains no sample to remove. Nothing was changed."""


class Busy(Exception):
    """A worker is using data of the sample, or a lock was not available. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The new name, email address and password of the admin who remains."""

    name: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The rows that would be removed and kept, as pairs of a label and a number.

    given: the number of rows that now belong to users who would be removed. After the removal,
    these rows would belong to the admin.
    """

    goes: Counts
    stays: Counts
    given: int


@transaction.atomic
def preview(admin: User) -> Preview:
    """Count the rows that would be removed and kept. Nothing is changed."""
    given = keeping.set_aside(admin)
    counts = [
        (label, model._default_manager.count(), keeping.number_kept(model))
        for model, label in _COUNTED
    ]
    transaction.set_rollback(True)  # the rollback also drops the temporary tables
    goes = [(str(label % (n - kept)), n - kept) for label, n, kept in counts if n > kept]
    stays = [(str(label % kept), kept) for label, _n, kept in counts if kept]
    return Preview(goes, stays, given)


def start_for_real(workspace: Workspace, *, by: User, newcomer: Newcomer, session: str) -> User:
    """Remove the sample and start a real workspace with the user `by` as its admin.

    The admin gets the name, email address and password of `newcomer`. Either everything is done or
    nothing.
    session: the key of the session that is kept; all other sessions are logged out.
    Raises NotSample if the database has no sample. If a worker is busy, this function tries again
    for several seconds and then raises Busy. It also raises Busy if it cannot lock the tables.
    """
    password = make_password(newcomer.password)  # slow, so not while all tables are locked

    def replace() -> User:
        return _replace(workspace, by, newcomer, password, session, timezone.now())

    for _try in range(_TRIES):
        try:
            return again(replace)
        except OperationalError as error:
            raise Busy from error
        except Busy:
            time.sleep(_PAUSE)
    raise Busy


@transaction.atomic
def _replace(
    workspace: Workspace,
    by: User,
    newcomer: Newcomer,
    password: str,
    session: str,
    now: datetime,
) -> User:
    # This locks the row of the sample: if two admins start at once, only one of them replaces the
    # sample.
    if not marker.rows().select_for_update().exists():
        raise NotSample
    _let_nobody_in()
    # Check this after the tables are locked, because from here on no work can begin.
    if _is_busy(now):
        raise Busy
    admin = User.objects.active().get(pk=by.pk, role=User.Role.ADMIN)
    # Read the names before TRUNCATE, because afterwards no row contains the names of the sample's
    # files.
    before = set(_files())
    keeping.set_aside(admin)
    # Use TRUNCATE, because the triggers of append-only tables refuse DELETE.
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(_tables())}")
    keeping.put_back()
    admin.name, admin.email, admin.password = newcomer.name, newcomer.email, password
    admin.save()
    forget_old_addresses(admin)
    _create_defaults(admin)
    workspace.started_at = now
    # Insert the workspace, because TRUNCATE has removed its row.
    workspace.save(force_insert=True)
    marker.rows().delete()
    Session.objects.exclude(session_key=session).delete()
    # Delete the files after the commit, because the deletion of files cannot be rolled back.
    transaction.on_commit(lambda: _tidy(before - set(_files())), robust=True)
    return admin


def _create_defaults(admin: User) -> None:
    """Create the departments, account and rules with which every workspace begins.

    What the kept rows already contain is not created again.
    """
    departments = {department.name: department for department in Department.objects.all()}
    departments = departments or found_departments(admin)
    if not Account.objects.filter(kind="manual").exists():
        by_hand(admin, departments)
    own = ResponseRule.objects.values_list("name", flat=True)
    default_rules.create_default_rules(admin, except_names=tuple(own))
    sensitive_topics.create_default_topics(
        admin, except_names=Topic.objects.values_list("name", flat=True)
    )


def _tables() -> list[str]:
    """Return all tables that may contain rows of the sample.

    TRUNCATE does not reset the sequences of ids, so an old link never leads to a new row. If a
    table is missing here and refers to one of these tables, PostgreSQL refuses the TRUNCATE.
    """
    emptied = keeping.tables(TableRule.DELETED, TableRule.NEWER_KEPT, TableRule.DEPENDS)
    return sorted(connection.ops.quote_name(model._meta.db_table) for model in emptied)


def _let_nobody_in() -> None:
    """Lock all tables that are emptied.

    Transactions that are already running finish first. Later transactions wait, and then find no
    rows of the sample.
    """
    with connection.cursor() as cursor:
        # Limit the time, because while we wait for a lock, all others wait for us.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_SECONDS}s"])
        cursor.execute(f"LOCK TABLE {', '.join(_tables())} IN ACCESS EXCLUSIVE MODE")


def _is_busy(now: datetime) -> bool:
    """Return whether a worker would write data of the sample after the removal.

    This is the case during a delivery and during a job. It is also the case while a mention from
    the user's own source is processed, because the topics and rules of the sample are applied to
    the mention. Fetches and the sandbox may continue, because they notice that they have lost their
    claim or that their rows are gone.
    """
    waiting = Mention.objects.unprocessed().exclude(scope__startswith="sandbox.")
    return (
        Delivery.objects.filter(state="sending", lease_until__gte=now).exists()
        or waiting.filter(lease_until__gte=now).exists()
        or Job.objects.filter(state=Job.State.RUNNING, lease_until__gte=now).exists()
    )


def _files() -> Iterator[str]:
    for model in (Attachment, Job):
        for name in model._default_manager.values_list("file", flat=True):
            if name:
                yield name


def _tidy(files: set[str]) -> None:
    """Delete the sample's files and the stored logins, after the commit.

    If the process dies before all files are deleted, only unused files remain.
    """
    for name in files:
        default_storage.delete(name)
    logins.forget()
