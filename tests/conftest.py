"""Shared fixtures: users named after their roles, the users' departments, and common rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.test import Client

from crm.models import Account, Department, Instance, Membership, User
from crm.models.instance import ONLY, CurrentFingerprint
from listening.models import Source, Topic
from routing.models import RoutingRule
from scrm.bus import live, nudge
from scrm.bus.breaker import Patience
from scrm.channels import registry
from scrm.db import high_water_mark
from tests import migrated
from tests.crm import pigeon

# No deadline: tests must also pass on a busy machine.
hypothesis.settings.register_profile(
    "scrm", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "fast", hypothesis.settings.get_profile("scrm"), max_examples=20
)
hypothesis.settings.load_profile("scrm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make check` leaves out as slow.

    It runs all tests that need no database, and one test of each file that needs one: the first
    that is rolled back.
    """
    sampled: set[Path] = set()
    for item in items:
        if _needs_database(item):
            if item.path in sampled or _empties_tables(item):
                item.add_marker(pytest.mark.slow)
            else:
                sampled.add(item.path)


def _needs_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or "django_db_setup" in fixtures


def _empties_tables(item: pytest.Item) -> bool:
    """Whether the test commits, so that all tables are emptied after it."""
    database = item.get_closest_marker("django_db")
    return database is not None and bool(database.kwargs.get("transaction"))


# What Django runs after a transactional test. It would truncate every table, which takes 0.2 to
# 0.4 s for some hundred tables, most of which are empty. A large table is truncated also here.
EMPTY_TABLES = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    SET LOCAL session_replication_role = 'replica';  -- no foreign keys, no triggers
    FOREACH name IN ARRAY ARRAY[%s] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %%I)', name) INTO filled;
        IF filled AND pg_table_size(quote_ident(name)) > 4000000 THEN
            EXECUTE format('TRUNCATE %%I CASCADE', name);
        ELSIF filled THEN
            EXECUTE format('DELETE FROM %%I', name);
        END IF;
    END LOOP;
END $$;
"""


@pytest.fixture(scope="session", autouse=True)
def fast_flush() -> Iterator[None]:
    """Empty only the tables that have rows at the end of a transactional test."""
    names = ", ".join
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            DatabaseOperations,
            "sql_flush",
            lambda _self, _style, tables, **_options: [
                EMPTY_TABLES % names(f"'{table}'" for table in tables)
            ],
        )
        yield


@receiver(post_migrate)
def record_the_place(sender: Any, **_: object) -> None:
    """Create the row of the table Instance that identifies this database.

    At the end of a transactional test, all tables are emptied, so the row is missing. Django then
    sends the signal post_migrate, which calls this function.
    """
    if sender.label == "crm":
        Instance.objects.get_or_create(pk=ONLY, defaults={"fingerprint": CurrentFingerprint()})


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Copy the test database from a migrated one, instead of applying all migrations to it."""
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = migrated.template()


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Return the host and port of the one server that all tests of a process share."""
    return "127.0.0.1", 0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Close the circuit breakers, because an earlier test may have left one open."""
    for module in (nudge, live, high_water_mark):
        monkeypatch.setattr(module, "_patience", Patience())
    settings.WITNESS_DIR = None


@pytest.fixture
def service(db: None, admin: User) -> Department:
    """Customer service, the department of most users. It is also the fallback department."""
    return Department.objects.create(name="Customer service", owner=admin, is_fallback=True)


@pytest.fixture
def sales(admin: User) -> Department:
    """The department of the user `outsider`."""
    return Department.objects.create(name="Sales", owner=admin)


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("admin@scrm.example", name="Ada Admin", role="admin")


@pytest.fixture
def supervisor(db: None) -> User:
    return User.objects.create_user("sue@scrm.example", name="Sue Pervisor", role="supervisor")


@pytest.fixture
def agent(service: Department) -> User:
    return _member("anna@scrm.example", "Anna Agent", service, Membership.Role.AGENT)


@pytest.fixture
def teammate(service: Department) -> User:
    return _member("theo@scrm.example", "Theo Teammate", service, Membership.Role.AGENT)


@pytest.fixture
def lead(service: Department) -> User:
    return _member("lea@scrm.example", "Lea Lead", service, Membership.Role.LEAD)


@pytest.fixture
def reader(service: Department) -> User:
    return _member("rea@scrm.example", "Rea Reader", service, Membership.Role.READER)


@pytest.fixture
def outsider(sales: Department, service: Department) -> User:
    return _member("otto@scrm.example", "Otto Outsider", sales, Membership.Role.AGENT)


def _member(email: str, name: str, department: Department, role: str) -> User:
    user = User.objects.create_user(email, name=name)
    Membership.objects.create(user=user, department=department, role=role)
    return user


@pytest.fixture
def as_() -> Callable[[User], Client]:
    """Return a function that returns a test client in which a given user is logged in."""

    def browser(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browser


@pytest.fixture
def microblog(service: Department, admin: User) -> Account:
    """Our microblog account in the sandbox; customer service may use it."""
    account = Account.objects.create(
        kind="sandbox",
        network="sandbox.microblog",
        self_key="skywardair",
        name="@SkywardAir",
        owner=admin,
    )
    service.accounts.add(account)
    return account


@pytest.fixture
def brand(admin: User) -> Topic:
    topic = Topic.objects.create(name="Brand", owner=admin)
    topic.revise(any_of=["skyward", "@skywardair"], all_of=[], none_of=[], by=admin)
    return topic


@pytest.fixture
def make_source(admin: User) -> Callable[..., Source]:
    def make(**facts: Any) -> Source:
        facts = {"kind": "feed", "address": "https://blog.example/feed", "owner": admin} | facts
        return Source.objects.create(**{"name": facts["address"], **facts})

    return make


@pytest.fixture
def brand_rule(service: Department, brand: Topic, admin: User) -> RoutingRule:
    rule = RoutingRule.objects.create(name="Brand", owner=admin)
    rule.revise(
        conditions={"all": [{"field": "topics", "op": "has any", "value": ["Brand"]}]},
        department=service,
        priority="high",
        by=admin,
    )
    return rule


@pytest.fixture
def pigeon_post(monkeypatch: pytest.MonkeyPatch) -> Iterator[pigeon.Gate]:
    """Register the test channel with one entry in the registry, as a plug-in does.

    Returns the gate of the channel, which issues and renews tickets.
    """
    monkeypatch.setitem(registry._KINDS, "pigeon", "tests.crm.pigeon")
    monkeypatch.setattr(pigeon, "GATE", pigeon.Gate())
    yield pigeon.GATE
    registry.channel.cache_clear()


@pytest.fixture
def noon() -> datetime:
    return datetime(2026, 3, 4, 12, tzinfo=UTC)
