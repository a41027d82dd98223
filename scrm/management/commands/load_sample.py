from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from crm.models import User
from scrm.sample.logins import keep
from scrm.sample.story import load


class Command(BaseCommand):
    help = "Fill an empty database with the sample workspace of Skyward Air."

    def handle(self, *_args: object, **_options: object) -> None:
        if User.objects.exists():
            raise CommandError(
                "This database already has users, so the sample was not loaded."
                " Nothing was changed. Load it into an empty database."
            )
        keep(load())
        self.stdout.write("The sample workspace is loaded.")
