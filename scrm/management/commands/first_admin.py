from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from crm.models import User
from listening import sensitive_topics
from responses import default_rules
from scrm.sample.logins import Login, keep, new_password
from scrm.sample.people import by_hand, found_departments


class Command(BaseCommand):
    help = "Set up an empty database: one admin, four departments, an account for manual logs."

    def add_arguments(self, parser: object) -> None:
        parser.add_argument("--email", default="admin@scrm.example")  # type: ignore[attr-defined]

    @transaction.atomic
    def handle(self, *_args: object, email: str, **_options: object) -> None:
        if User.objects.exists():
            raise CommandError("A user can already log in. Nothing was changed.")
        password = new_password()
        admin = User.objects.create_user(email, password, name="Admin", role="admin")
        by_hand(admin, found_departments(admin))
        default_rules.create_default_rules(admin)
        sensitive_topics.create_default_topics(admin)
        keep([Login("admin", admin.email, password)])
        self.stdout.write(f"{admin.email} can now log in.")
