"""Run `make run` with small test processes instead of those of scrm.

Usage: `python stand_in.py VAR PORT`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scrm.launcher.run import Plan, main

WEB = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
# This process ignores SIGTERM, and so does its child process in another session.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0: os.setsid()
else: print("stubborn", os.getpid(), flush=True)
time.sleep(600)
"""
MIGRATE = """
import os, psycopg2
with psycopg2.connect(os.environ["DATABASE_URL"]) as connection:
    connection.cursor().execute("CREATE TABLE IF NOT EXISTS crm_user (name text)")
"""
SAMPLE = """
import os, psycopg2
with psycopg2.connect(os.environ["DATABASE_URL"]) as connection:
    connection.cursor().execute("INSERT INTO crm_user VALUES ('admin')")
print("sample loaded")
"""
LOGINS = """
import os, psycopg2
cursor = psycopg2.connect(os.environ["DATABASE_URL"]).cursor()
cursor.execute("SELECT name FROM crm_user")
print("logins:", *cursor.fetchall())
"""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code, *arguments)


if __name__ == "__main__":
    sys.exit(
        main(
            Plan(
                processes={
                    "web": python(WEB, sys.argv[2]),
                    "stubborn": python(STUBBORN),
                    "dying": python("print('I am dying'); raise SystemExit(3)"),
                },
                migrate=python(MIGRATE),
                sample=python(SAMPLE),
                logins=python(LOGINS),
                port=int(sys.argv[2]),
                var=Path(sys.argv[1]),
            )
        )
    )
