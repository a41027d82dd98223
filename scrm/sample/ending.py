"""Start for real: the sample goes, whole, and an organisation begins with an empty ledger.

The ledger refuses DELETE, and rightly: so nothing is picked out of it. Every table is emptied
at once, under a marker that only `load_sample` writes; see docs/decisions/0006.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, models, transaction
from django.utils import timezone
from django.utils.translation import ngettext, ngettext_lazy

from crm.models import Account, Attachment, Contact, Interaction, Job, User, Workspace
from listening.models import Mention, Source, Topic
from responses import shipped
from responses.models import Delivery, Response
from routing.models import Case, Issue
from scrm.passing import again
from scrm.sample import logins, marker
from scrm.sample.people import by_hand, found_departments

OURS = {"crm", "listening", "routing", "responses", "sandbox"}
STAYS = {"contenttypes", "auth", "sessions", "scrm"}
"""What holds nothing of the sample. Everything else is emptied, but for the admin's own login."""
_COUNTED: tuple[tuple[type[models.Model], Any], ...] = (
    (Account, ngettext_lazy("account of ours", "accounts of ours")),
    (Source, ngettext_lazy("source", "sources")),
    (Topic, ngettext_lazy("topic", "topics")),
    (Mention, ngettext_lazy("item heard", "items heard")),
    (Contact, ngettext_lazy("contact", "contacts")),
    (Interaction, ngettext_lazy("touchpoint in the ledger", "touchpoints in the ledger")),
    (Case, ngettext_lazy("case", "cases")),
    (Issue, ngettext_lazy("issue", "issues")),
    (Response, ngettext_lazy("response", "responses")),
)
_LOCK_SECONDS, _TRIES, _PAUSE = 3, 40, 0.25


class NotSample(Exception):
    """There is no sample here to remove. Nothing was changed."""


class Busy(Exception):
    """Somebody is in the middle of something, so nothing was changed."""


def holds() -> list[tuple[str, int]]:
    """What would go, in words and numbers."""
    others = User.objects.count() - 1
    people = ngettext("other person who works here", "other people who work here", others)
    counts = [(label, each._default_manager.count()) for each, label in _COUNTED]
    return [(people, others), *((str(label % n), n) for label, n in counts)]


def start_for_real(workspace: Workspace, *, by: User, session: str) -> None:
    """Empty the database and begin anew, with `by` as its one person, still logged in.

    All or nothing. session: the key that stays; everybody else is logged out. Raises NotSample,
    or Busy where the machine did not come to rest within some seconds.
    """
    for attempt in range(_TRIES):
        try:
            again(lambda: _replace(workspace, by=by, session=session, now=timezone.now()))
        except (Busy, OperationalError) as error:
            if attempt == _TRIES - 1 or isinstance(error, OperationalError):
                raise Busy from error
            time.sleep(_PAUSE)
        else:
            return


@transaction.atomic
def _replace(workspace: Workspace, *, by: User, session: str, now: datetime) -> None:
    if not marker.rows().select_for_update().exists():
        raise NotSample
    _let_nobody_in()
    if _is_busy(now):
        raise Busy
    admin = User.objects.active().get(pk=by.pk, role=User.Role.ADMIN)
    files, own = list(_files()), list(_logins_of(admin))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(map(_quoted, _tables()))}")
    admin.save(force_insert=True)
    for row in own:
        row.save(force_insert=True)
    by_hand(admin, found_departments(admin))
    shipped.ship(admin)
    workspace.started_at = now
    workspace.save(force_insert=True)
    marker.rows().delete()
    Session.objects.exclude(session_key=session).delete()
    transaction.on_commit(lambda: _tidy(files, admin), robust=True)


def _tables() -> list[str]:
    """All that may hold something of the sample. Ids go on counting: no old link leads to new rows.

    A table that is missing here and points at one of these makes PostgreSQL refuse the whole.
    """
    everything = apps.get_models(include_auto_created=True)
    return sorted(
        {
            model._meta.db_table
            for model in everything
            if model._meta.managed and not model._meta.proxy and model._meta.app_label not in STAYS
        }
    )


def _quoted(table: str) -> str:
    return connection.ops.quote_name(table)


def _let_nobody_in() -> None:
    """Whoever writes ends first; whoever comes after waits, and finds nothing that it knew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_SECONDS}s"])
        cursor.execute(f"LOCK TABLE {', '.join(map(_quoted, _tables()))} IN ACCESS EXCLUSIVE MODE")


def _is_busy(now: datetime) -> bool:
    """A sending or a job is between its claim and its last commit, and would write what it read.

    Visits and batches need no waiting for: their fences find their rows gone and keep nothing.
    """
    return (
        Delivery.objects.filter(state="sending", lease_until__gte=now).exists()
        or Job.objects.filter(state=Job.State.RUNNING, lease_until__gte=now).exists()
    )


def _logins_of(admin: User) -> Iterator[models.Model]:
    """What the login keeps about them, such as a second factor: the same person comes back."""
    for model in apps.get_models():
        label = model._meta.app_label
        if label in OURS | STAYS or not model._meta.managed:
            continue
        for field in model._meta.fields:
            if field.related_model is User:
                yield from model._default_manager.filter(**{field.name: admin})


def _files() -> Iterator[str]:
    for model in (Attachment, Job):
        for name in model._default_manager.values_list("file", flat=True):
            if name:
                yield name


def _tidy(files: list[str], admin: User) -> None:
    """After the commit: what lies beside the database. Killed here, only litter stays."""
    for name in files:
        default_storage.delete(name)
    kept = logins.kept()
    if kept:
        logins.keep(login for login in kept if login.email == admin.email)
