"""Create a workspace for benchmarks from a fixed random seed.

The workspace has eight departments with two agents each, 41 topics and 20 issues. The departments
have different numbers of cases. The script `filling.sql` then adds the requested number of
mentions, with their cases and responses. Each of its SQL statements adds many rows.
"""

from __future__ import annotations

import os
import random
from functools import cache
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from inbox_parts.figures import into

from crm.models import Account, Department, Membership, User
from listening.models import Source, Topic
from routing.models import Issue

SEED = 20
_SEED = "bench_seed"
DEPARTMENTS = "Service Baggage Refunds Sales Loyalty Cargo Legal Press".split()  # noqa: SIM905
WORDS = "flight the a and to my delay gate seat bag crew thanks late lost again refund".split()  # noqa: SIM905
_SYLLABLES = "ba ke li mo nu pa re si to vu za che do fi ga hu ji lo me ni".split()  # noqa: SIM905
_SQL = (Path(__file__).parent / "filling.sql").read_text()


def people() -> None:
    """Create the users, departments, sources, topics and issues, with the same ids in each run."""
    admin = User.objects.create_user("admin@bench.example", name="Ada Admin", role="admin")
    for number, name in enumerate(DEPARTMENTS):
        department = Department.objects.create(
            name=name, owner=admin, position=number, is_fallback=not number,
            is_restricted=name == "Legal",
        )  # fmt: skip
        for person in ("anna", "otto"):
            user = User.objects.create_user(
                f"{person}.{name.lower()}@bench.example", name=f"{person.title()} {name}"
            )
            Membership.objects.create(user=user, department=department)
    Account.objects.create(kind="manual", network="offline", name="By hand", owner=admin)
    for number in range(20):
        address = f"https://blog.example/{number}"
        Source.objects.create(kind="feed", address=address, name=f"Blog {number}", owner=admin)
    for number in range(41):
        topic = Topic.objects.create(name=f"Topic {number + 1}", owner=admin)
        topic.revise(any_of=[f"topic{number}"], all_of=[], none_of=[], by=admin)
    for number in range(20):
        Issue.objects.create(
            name=f"Issue {number + 1}",
            owner=admin,
            closed_at=timezone.now() if number % 2 else None,
        )


def made(name: str, mentions: int) -> str:
    """Create a database with this number of mentions, and return its URL.

    Afterwards, Django's default connection uses the new database.
    """
    _seed()
    _create(name, template=_SEED)
    into(name)
    fill(mentions)
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@cache
def _seed() -> None:
    """Create the template database, from which all benchmark databases are copied.

    The template has the tables, the users and the configuration, but no mentions.
    """
    _create(_SEED, template="template1")
    into(_SEED)
    call_command("migrate", verbosity=0)
    people()


def _create(name: str, *, template: str) -> None:
    into("postgres")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def fill(mentions: int) -> None:
    """Add the mentions with their cases, responses and other rows to the current database."""
    rng = random.Random(SEED)
    vocabulary = WORDS + ["".join(rng.choices(_SYLLABLES, k=3)) for _ in range(3000)]
    weights = [1 / (rank + 8) for rank in range(len(vocabulary))]
    sentences = [" ".join(rng.choices(vocabulary, weights, k=8)) for _ in range(4096)]
    names = [
        "".join(rng.choices(_SYLLABLES, k=2)).title() + rng.choice("nrstl") for _ in range(400)
    ]
    with connection.cursor() as cursor:
        for table, column, rows in (("sentence", "words", sentences), ("name", "word", names)):
            cursor.execute(f"CREATE UNLOGGED TABLE {table} (n bigint, {column} text)")
            lines = "".join(f"{n}\t{row}\n" for n, row in enumerate(rows))
            cursor.copy_from(StringIO(lines), table)
        _know_defaults(cursor)
        cursor.execute("SELECT set_config('bench.mentions', %s, false)", [str(mentions)])
        cursor.execute(_SQL)
        _count_on(cursor)
        cursor.execute("VACUUM ANALYZE")


def _know_defaults(cursor: object) -> None:
    """Copy the default values of the model fields to the database columns.

    `filling.sql` can then leave out most columns in its INSERT statements.
    """
    for model in (each for each in apps.get_models() if each._meta.managed):
        for field in model._meta.local_concrete_fields:
            if field.null or field.primary_key or field.is_relation or field.generated:
                continue
            value = connection.ops.compose_sql(
                "%s", [field.get_db_prep_save(field.get_default(), connection)]
            )
            if field.has_default() or value == "''":
                cursor.execute(  # type: ignore[attr-defined]
                    f'ALTER TABLE "{model._meta.db_table}" ALTER COLUMN "{field.column}"'
                    f" SET DEFAULT {value}"
                )


def _count_on(cursor: object) -> None:
    """Set each id sequence to the highest id of its table.

    `filling.sql` inserts explicit ids, which do not advance the sequences.
    """
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT format('SELECT setval(pg_get_serial_sequence(%L, ''id''), max(id)) FROM %I',"
        " table_name, table_name) FROM information_schema.columns WHERE column_name = 'id'"
        " AND is_identity = 'YES' AND table_schema = 'public'"
    )
    for (statement,) in cursor.fetchall():  # type: ignore[attr-defined]
        cursor.execute(statement)  # type: ignore[attr-defined]
