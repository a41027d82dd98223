"""Run django-helpdesk in its own virtual environment, and render its list of tickets on request.

Each line on standard input requests one rendering. The script answers with one line, which contains
two numbers of milliseconds: the CPU time of the script and the CPU time of its database process.
One rendering consists of two requests by a staff user: the page with the list, and the JSON of the
first 50 rows, which the page fetches.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings
from django.urls import include, path

TICKETS = 100_000
ROWS = "draw=1&start=0&length=50"


def configure(url: str) -> None:
    parts = urlsplit(url)
    settings.configure(
        SECRET_KEY="bench",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="addresses_of_helpdesk",
        USE_TZ=True,
        LOGIN_URL="/helpdesk/login/",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
                "HOST": unquote(parts.hostname or ""),
                "USER": parts.username,
                "PASSWORD": parts.password or "",
                "CONN_MAX_AGE": 600,
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
            "django.contrib.messages", "django.contrib.staticfiles", "django.contrib.humanize",
            "django.contrib.sites", "rest_framework", "helpdesk",
        ],
        SITE_ID=1,
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        HELPDESK_TEAMS_MODE_ENABLED=False,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )  # fmt: skip
    django.setup()
    addresses = ModuleType("addresses_of_helpdesk")
    addresses.urlpatterns = [  # type: ignore[attr-defined]
        path("helpdesk/", include("helpdesk.urls", namespace="helpdesk"))
    ]
    sys.modules[addresses.__name__] = addresses


def fill() -> object:
    """Create 100,000 tickets in eight queues, a third of which are open; return a staff user."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from helpdesk.models import Queue, Ticket

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_superuser("ada", "ada@bench.example", "ada")
    queues = [Queue.objects.create(title=f"Queue {n}", slug=f"q{n}") for n in range(8)]
    Ticket.objects.bulk_create(
        (
            Ticket(
                title=f"My bag is gone {n}",
                queue=queues[n % 8],
                submitter_email=f"p{n}@bench.example",
                status=1 if n % 3 == 0 else 4,
                description="Where is it? It was on the belt, and then it was not any more.",
                priority=1 + n % 5,
                assigned_to=user if n % 2 else None,
            )
            for n in range(TICKETS)
        ),
        batch_size=2000,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return user


def main() -> None:
    configure(os.environ["DATABASE_URL"])
    user = fill()
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(user)

    shown = client.get("/helpdesk/tickets/").content.decode()
    fetched = re.search(r"/helpdesk/datatables_ticket_list/[^\"'?]+", shown)
    assert fetched, shown

    def draw() -> None:
        page = client.get("/helpdesk/tickets/")
        rows = client.get(f"{fetched[0]}?{ROWS}")
        assert page.status_code == rows.status_code == 200, (page, rows)
        assert len(rows.json()["data"]) == 50

    for _ in range(3):
        draw()
    print("ready", flush=True)
    clock = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    for _line in sys.stdin:
        start, before = time.process_time(), int(clock.read_text().split()[0])
        draw()
        ours = (time.process_time() - start) * 1000
        print(ours, (int(clock.read_text().split()[0]) - before) / 1e6, flush=True)


if __name__ == "__main__":
    main()
