"""Run Lighthouse on the inbox and on a case, with the settings for desktop and mobile.

The command is `make lighthouse`. The run fails if the score for accessibility is below 100, or if
the score for performance is below 95. The run starts its own services with the sample workspace,
and writes its reports to var/lighthouse.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
import django
from django.core.management import call_command

django.setup()
from playwright.sync_api import sync_playwright

from crm.models import User
from routing.models import Case

LIGHTHOUSE = ROOT / "var" / "tools" / "node_modules" / ".bin" / "lighthouse"
REPORTS = ROOT / "var" / "lighthouse"
ATTEMPTS = 3
"""Number of runs whose median is the performance, because a machine is never quite idle."""
LEAST = {"accessibility": 100, "performance": 95}
PRESETS = {"desktop": ["--preset=desktop"], "mobile": []}
PASSWORD = "only for this run, correct horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web(port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "scrm.web.server", "--workers", "1", "--port", str(port)]
    with (REPORTS / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        for _try in range(300):
            if _answers(port):
                break
            time.sleep(0.2)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        asked = HTTPConnection("127.0.0.1", port, timeout=5)
        asked.request("GET", "/healthz")
        return asked.getresponse().status == 200
    except OSError:
        return False


@contextmanager
def logged_in(base: str, user: User, chromium: str) -> Iterator[int]:
    """Open a browser in which the user is logged in.

    Yields the port through which Lighthouse controls the browser.
    """
    port = free_port()
    arguments = ["--no-sandbox", f"--remote-debugging-port={port}"]
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=arguments
        )
        page = browser.new_page()
        page.goto(f"{base}/account/login/")
        page.get_by_label("Email").fill(user.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator(".nav").wait_for()
        yield port
        browser.close()


def look(address: str, preset: str, port: int, report: Path) -> dict[str, float]:
    """Run Lighthouse once on a page.

    Returns the scores of the page, each between 0 and 100.
    """
    subprocess.run(
        [
            str(LIGHTHOUSE), address, f"--port={port}", "--quiet", "--output=json",
            f"--output-path={report}", f"--only-categories={','.join(LEAST)}", *PRESETS[preset],
        ],
        check=True,
    )  # fmt: skip
    said = json.loads(report.read_text())
    if said["finalDisplayedUrl"] != address:
        sys.exit(f"Lighthouse was led from {address} to {said['finalDisplayedUrl']}.")
    return {name: 100 * each["score"] for name, each in said["categories"].items()}


def judge(name: str, looks: list[dict[str, float]]) -> bool:
    middle = {of: sorted(each[of] for each in looks)[len(looks) // 2] for of in LEAST}
    middle["accessibility"] = min(each["accessibility"] for each in looks)
    fine = all(middle[of] >= least for of, least in LEAST.items())
    words = ", ".join(f"{of} {score:.0f}" for of, score in middle.items())
    print(f"{name:16} {words}{'' if fine else '  TOO LOW'}", flush=True)
    return fine


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not LIGHTHOUSE.exists():
        sys.exit("Lighthouse needs Chromium, node and npm: see `make lighthouse`.")
    REPORTS.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    call_command("load_sample")
    user = User.objects.filter(role="admin").earliest("pk")
    user.set_password(PASSWORD)
    user.save()
    case = Case.objects.filter(status="new").latest("last_inbound_at")
    fine = True
    with web(free_port()) as base, logged_in(base, user, chromium) as port:
        for page, path in {"inbox": "/", "case": case.get_absolute_url()}.items():
            for preset in PRESETS:
                name = f"{page}-{preset}"
                looks = [
                    look(f"{base}{path}", preset, port, REPORTS / f"{name}-{n}.json")
                    for n in range(ATTEMPTS)
                ]
                fine = judge(name, looks) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
