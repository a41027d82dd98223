"""Turn refusals of the X API into errors in plain English, with the time to wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from scrm.channels.base import ChannelError
from scrm.channels.network_facts import X_UNADDRESSED
from scrm.text.clean import storable

QUARTER = 900.0
"""Seconds of the window in which X counts requests."""
_DAY = 86_400.0
_UNTIL_CREDIT = timedelta(hours=6)
_LONGEST_DETAIL = 300
_RECONNECT = "Connect the account again."
_LIMITS = ("x-user-limit-24hour", "x-app-limit-24hour", "x-rate-limit")
_CLOSED = "The author of the post limits who may reply, and we may not. Reply in another way."
_NO_PERMISSION = (
    "X does not permit this app to do this. Check the app's permissions in X's developer console, "
    "then connect the account again."
)
_FORBIDDEN = (
    ("duplicate", "X refuses a text that equals one of your recent posts. Change the text."),
    ("mentioned or quoted", X_UNADDRESSED),
    ("reply to this conversation", _CLOSED),
    ("restricted who can reply", _CLOSED),
    (
        "direct message",
        "X does not let us send direct messages to this person: they accept none from us.",
    ),
    ("deleted or not visible", "The post was deleted or is not visible to us."),
    ("not permitted", _NO_PERMISSION),
)

Headers = Mapping[str, str]


class Duplicate(ChannelError):
    """X refused a text because it equals one of our recent posts."""


class Gone(ChannelError):
    """The post does not exist, or no longer."""


def charged(error: ChannelError, asked: int) -> int:
    """Return for how many of the requested entries X may have charged although it gave none.

    After a clear refusal this is 0. If no answer arrived, X may have counted all of them.
    """
    return 0 if error.permanent or error.retry_after is not None else asked


def server_time(headers: Headers, now: datetime) -> datetime:
    """Return the time at which X answered, by its own clock; `now` if it does not say."""
    try:
        said = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return now
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)


def parsed(body: bytes) -> Any:
    """Return the JSON of an answer; None if it is not complete JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def refusal(
    status: int, headers: Headers, body: Any, *, changes: bool, now: datetime
) -> ChannelError:
    """Return the error for an answer that is no success.

    now: the time of the answer by the clock of X. changes: whether the request changes something
    on X, so that a server error leaves open whether it was done.
    """
    detail = _detail(body)
    if status == 401:
        message = f"X does not accept this login any more (401). {_RECONNECT}"
        return ChannelError(message, permanent=True)
    if status == 402:
        return _no_credit(detail, now)
    if status == 403:
        return _forbidden(detail)
    if status == 404:
        return Gone(f"X does not have it (404): {detail}", permanent=True)
    if status == 429:
        wait = _seconds_to_reset(headers, now)
        until = _clock(now + timedelta(seconds=wait))
        return ChannelError(
            f"The request limit of X is reached (429). It ends at {until}.", retry_after=wait
        )
    if status >= 500:
        return ChannelError(f"X has a server error ({status}).", uncertain=changes)
    if 300 <= status < 400:
        return ChannelError(f"X redirects the request ({status}), which scrm does not follow.")
    return ChannelError(f"X refused the request ({status}): {detail}", permanent=True)


def _detail(body: Any) -> str:
    """Return what X says about the error, in one line."""
    said: list[str] = []
    if isinstance(body, dict):
        inner = body.get("errors")
        rows = [body, *(inner if isinstance(inner, list) else [])]
        names = ("detail", "message", "error_description", "reason", "title")
        facts = [row.get(name) for row in rows if isinstance(row, dict) for name in names]
        said = [fact for fact in facts if isinstance(fact, str) and fact.strip()]
    text = " · ".join(dict.fromkeys(" ".join(storable(part[:1000]).split()) for part in said))
    return text[:_LONGEST_DETAIL] or "no reason given."


def _forbidden(detail: str) -> ChannelError:
    folded = detail.casefold()
    for sign, sentence in _FORBIDDEN:
        if sign in folded:
            kind = Duplicate if sign == "duplicate" else ChannelError
            return kind(f"{sentence} (403)", permanent=True)
    return ChannelError(f"X does not allow this (403): {detail}", permanent=True)


def _no_credit(detail: str, now: datetime) -> ChannelError:
    """Return the pause after the paid credit is used up.

    If X names a limit per day or month, the pause ends when the next one begins, in UTC.
    """
    folded = detail.casefold()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    until = now + _UNTIL_CREDIT
    if "month" in folded or "billing cycle" in folded:
        until = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    elif "daily" in folded or "per day" in folded or "today" in folded:
        until = midnight + timedelta(days=1)
    return ChannelError(
        f"The X credit of this app is used up (402), so reading and sending pause until "
        f"{_clock(until)}. Add credit in X's developer console.",
        retry_after=(until - now).total_seconds(),
    )


def _seconds_to_reset(headers: Headers, now: datetime) -> float:
    """Return how long to wait until a request is allowed again, at least a second.

    A limit per day counts if it is used up. Otherwise the limit of the quarter of an hour counts.
    """
    waits = []
    for limit in _LIMITS:
        used_up = headers.get(f"{limit}-remaining", "0").strip() in ("", "0")
        reset = headers.get(f"{limit}-reset", "").strip()
        if used_up and reset.isascii() and reset.isdigit() and len(reset) <= 12:
            waits.append(int(reset) - now.timestamp())
    plain = headers.get("retry-after", "").strip()
    if not waits and plain.isascii() and plain.isdigit():
        waits.append(float(plain[:9]))
    return min(max(1.0, *waits), _DAY) if waits else QUARTER


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M} UTC on {moment.day} {moment:%B %Y}"
