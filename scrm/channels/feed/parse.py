"""Parse feeds and HTML pages, in a child process that may be killed.

`scrm.channels.feed.child` runs this module.

A request is a line of JSON (`{"op", "length", "seconds", "base", "type"}`) followed by `length`
bytes. The answer is a line of JSON. The process does not use the network and keeps no data of
earlier requests.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

from scrm.channels.feed.elements import Unread, read_xml
from scrm.channels.feed.entries import Facts, entry_facts, feed_facts, raw_entry
from scrm.channels.feed.json_feed import (
    is_json,
    item_facts,
    json_dates,
    json_feed_facts,
    read_json,
)  # fmt: skip
from scrm.channels.feed.keys import Identity, keys
from scrm.channels.feed.newest import newest
from scrm.channels.feed.page import feed_links
from scrm.channels.unreadable import UNREADABLE
from scrm.text.decode import charset_of, decode

MAX_ENTRIES = 2_000
MAX_RAW_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_PAGE = 512 * 1024


def parse_feed(body: bytes, base: str = "", content_type: str = "") -> dict[str, Any]:
    """Return the contents of a feed as values that JSON can represent.

    The keys are `{"version", "title", "link", "ttl", "maker", "entries", "unreadable"}`. Each entry
    has the keys key, title, text, html, url, author, author_url, language, in_reply_to, raw (str)
    and occurred_at (ISO 8601 or None). `version` is "" if the body is no feed. Of more than
    MAX_ENTRIES entries, the newest are returned; an item of `unreadable` says how many were left
    out.
    """
    text = decode(body, charset_of(content_type), markup=True).text
    now = datetime.now(UTC)
    if is_json(text):
        feed, bad = read_json(text)
        items, left_out = newest(feed.get("items", []), MAX_ENTRIES, json_dates)
        contents = _contents(
            json_feed_facts(feed), items, bad, base, lambda item: item_facts(item, feed, base, now)
        )
    else:
        parsed, bad, left_out = read_xml(text, base, MAX_ENTRIES)
        contents = _contents(
            feed_facts(parsed), parsed.entries[:MAX_ENTRIES], bad, base,
            lambda entry: entry_facts(entry, parsed, base, now),
        )  # fmt: skip
    if left_out:
        contents["unreadable"].append({"raw": "", "reason": left_out})
    return contents


def _contents(
    feed: Facts,
    entries: Sequence[Any],
    bad: Sequence[Unread],
    base: str,
    read: Callable[[Any], tuple[Facts, Identity]],
) -> dict[str, Any]:
    found: list[tuple[Facts, Identity]] = []
    unreadable = [_unreadable(source, reason) for source, reason in bad]
    for entry in entries:
        raw = raw_entry(entry, MAX_RAW_BYTES)
        try:
            facts, identity = read(entry)
        except UNREADABLE as error:
            unreadable.append(_unreadable(raw, str(error)))
        else:
            found.append(({**facts, "raw": raw}, identity))
    found_keys = keys([identity for _facts, identity in found], (feed["link"], base))
    read_entries = [
        {"key": key, **facts} for key, (facts, _identity) in zip(found_keys, found, strict=True)
    ]
    return {**feed, "entries": read_entries, "unreadable": unreadable}


def _unreadable(raw: str, reason: str) -> dict[str, str]:
    return {
        "raw": raw[:MAX_RAW_BYTES],
        "reason": f"This entry cannot be read: {reason[:500]}",
    }


def parse_page(
    body: bytes,
    base: str = "",
    content_type: str = "",
) -> dict[str, Any]:
    """Return `{"links": [[address, title], …]}`: the feeds to which a page links."""
    page = decode(body[:_MAX_PAGE], charset_of(content_type), markup=True).text
    return {"links": feed_links(page, base)}


_OPERATIONS = {"feed": parse_feed, "page": parse_page}


def _answer(request: dict[str, Any], body: bytes) -> bytes:
    """Return the answer as a line of JSON. If parsing fails, the answer contains the reason."""
    try:
        result = _OPERATIONS[request["op"]](body, request["base"], request["type"])
        # Not as ASCII: an answer with other letters would be up to three times as long.
        line = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
        if len(line) <= MAX_ANSWER_BYTES:
            return line
        reason = "it is too large"
    except MemoryError:
        reason = "it needs too much memory"
    except RecursionError:
        reason = "it is nested too deeply"
    # The feed is at fault for any error of the parser, so the error becomes the reason.
    except Exception as error:
        reason = f"the parser gave up ({type(error).__name__}: {str(error)[:200]})"
    return json.dumps({"error": reason}).encode()


def serve(requests: BinaryIO, answers: BinaryIO, memory: int) -> None:
    """Answer requests until the parent process closes the pipe.

    Each request says in "seconds" how much CPU time it may use. If it uses more, the kernel kills
    this process.
    """
    # Set before the first request, so that no feed can fill the memory or leave a core dump.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while line := requests.readline():
        request = json.loads(line)
        body = requests.read(request["length"])
        # The kernel's timer kills the process even inside C code, because no Python handler has to
        # run.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        answer = _answer(request, body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(answer + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
