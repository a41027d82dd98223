"""`python -m scrm.web.server` starts the web server: uvicorn with our limits for connections."""

from __future__ import annotations

import argparse
import resource

import uvicorn

from scrm.web.http_protocol import Protocol

MAX_FILES = 65_536
"""Open files of a process: each connection is one, and the usual 1,024 are too few."""


def main() -> None:
    parser = argparse.ArgumentParser("scrm.web.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MAX_FILES:
        most = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    uvicorn.run(
        "scrm.asgi:application",
        host=options.host,
        port=options.port,
        workers=options.workers,
        http=Protocol,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
