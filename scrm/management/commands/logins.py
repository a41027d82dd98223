from __future__ import annotations

from django.core.management.base import BaseCommand

from scrm.sample.logins import kept


class Command(BaseCommand):
    help = "Print the logins that were created at the first start."

    def handle(self, *_args: object, **_options: object) -> None:
        logins = kept()
        if not logins:
            self.stdout.write("No logins are stored here: users log in with their own passwords.")
            return
        role = max(len(login.role) for login in logins)
        email = max(len(login.email) for login in logins)
        for login in logins:
            self.stdout.write(f"{login.role:<{role}}  {login.email:<{email}}  {login.password}")
