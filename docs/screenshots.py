"""Take screenshots of the pages of the sample workspace; run it with `make screenshots`.

Each page is shown in three ways: with light colours, with dark colours, and in the width of a
phone. The pages about channels are shown with light colours only. The pictures are written to
`docs/img`. `make screenshots` starts a separate database and a separate Redis, so that no picture
shows real data.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
os.environ["MEDIA_ROOT"] = str(ROOT / "var" / "screenshots" / "media")
import django
from django.core.management import call_command

django.setup()
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import sync_playwright

from crm.models import Account, Contact, Department, User
from responses.default_rules import PRIVACY
from responses.models import Response, ResponseRule
from routing.models import Case, Issue

WAYS = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def pages() -> dict[str, str]:
    """Return a dict of picture name → URL path of the page in the picture."""
    calder = Contact.objects.get(name="Ron Calder")
    his = Case.objects.filter(profile__links__contact=calder).latest("opened_at")
    free = Case.objects.filter(status="new").latest("last_inbound_at")
    service = Department.objects.get(is_fallback=True)
    return {
        "inbox": "/?view=unassigned",
        "case": f"/cases/{his.pk}/?q=calder",
        "composer": f"/cases/{free.pk}/?view=unassigned",
        "map": "/map/",
        "new": "/new/",
        "cards": "/new/cards/",
        "contacts": "/contacts/",
        "contact": calder.get_absolute_url(),
        "issues": "/issues/",
        "issue": Issue.objects.latest("pk").get_absolute_url(),
        "approvals": "/approvals/",
        "delivery-problems": "/delivery-problems/",
        "history": "/responses/",
        "response": Response.objects.latest("pk").get_absolute_url(),
        "calendar": "/calendar/",
        "campaigns": "/campaigns/",
        "record-check": "/record-check/",
        "response-rules": "/response-rules/",
        "response-rule": ResponseRule.objects.get(name=PRIVACY).get_absolute_url(),
        "accounts": "/our-accounts/",
        "mailbox": "/our-accounts/new/email/",
        "saved-replies": "/saved-replies/",
        "notices": "/notices/",
        "topics": "/topics/",
        "sources": "/sources/",
        "rules": "/rules/",
        "department": f"/departments/{service.pk}/",
        "people": "/people/",
        "settings": "/me/",
        "style": "/style/",
    }


def channel_pages() -> dict[str, str]:
    """Return a dict of picture name → URL path, for the pages in docs/channels.

    They show where each channel is connected, and a case of each simulated network.
    """
    connect = {
        f"connect-{kind}": f"/our-accounts/new/{kind}/"
        for kind in ("bluesky", "mastodon", "wordpress", "x")
    }
    on_x = Account.objects.filter(network="sandbox.x").earliest("pk")
    return {
        **connect,
        **{
            f"case-{network}": f"/cases/{_case_on(f'sandbox.{network}')}/"
            for network in ("bluesky", "mastodon", "x", "mail")
        },
        "account-x": f"/our-accounts/{on_x.pk}/",
        "feed-reddit": "/sources/new/?preset=reddit",
        "webhook": "/sources/new/webhook/",
        "csv": "/sources/new/csv/",
        "letter": "/new/?kind=letter",
    }


def _case_on(network: str) -> int:
    """Return the id of the newest case on this network that waits for us, else of any case."""
    there = Case.objects.filter(profile__network=network)
    waiting = there.filter(status__in=("new", "open"))
    return int((waiting or there).latest("opened_at").pk)


def session(user: User) -> str:
    """Create a session in which this user is logged in, and return the session key."""
    made = SessionStore()
    made[SESSION_KEY] = str(user.pk)
    made[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    made[HASH_SESSION_KEY] = user.get_session_auth_hash()
    made.save()
    return str(made.session_key)


def take(base: str, key: str, shown: dict[str, dict[str, str]], where: Path) -> None:
    """Take the pictures. shown: way → names and paths of the pages that are shown that way."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for way, options in WAYS.items():
            context = browser.new_context(**options)
            context.add_cookies([{"name": "sessionid", "value": key, "url": base}])
            page = context.new_page()
            for name, address in shown[way].items():
                answer = page.goto(f"{base}{address}")
                if answer is None or not answer.ok:
                    raise SystemExit(f"{address} was not shown: {answer and answer.status}")
                page.wait_for_timeout(900)
                page.screenshot(path=where / f"{name}-{way}.png")
            context.close()
        browser.close()


def main() -> None:
    where = ROOT / "docs" / "img"
    where.mkdir(exist_ok=True)
    call_command("migrate", verbosity=0)
    call_command("load_sample")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "scrm.web.server", "--workers", "1", "--port", str(port)]
    web = subprocess.Popen(command, cwd=ROOT)
    try:
        base = f"http://localhost:{port}"
        for _try in range(100):
            try:
                urllib.request.urlopen(f"{base}/healthz")
                break
            except OSError:
                time.sleep(0.2)
        shown = {way: pages() for way in WAYS}
        shown["light"] |= channel_pages()
        take(base, session(User.objects.get(role="admin")), shown, where)
    finally:
        web.terminate()
        web.wait(10)
    print(f"{len(list(where.glob('*.png')))} pictures in {where.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
