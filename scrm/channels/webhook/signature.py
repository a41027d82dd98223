"""Sign and verify deliveries by the Standard Webhooks specification.

A delivery has the headers webhook-id, webhook-timestamp and webhook-signature. The signature is an
HMAC-SHA256 of the id, the time and the body.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from standardwebhooks import Webhook, WebhookVerificationError

Fate = Literal["forged", "too old"]
WINDOW_SECONDS = 5 * 60
"""How far the time of a delivery may be from our clock; the library has the same limit."""
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SECRET_BYTES = 32


class Unverified(Exception):
    """Raised if a delivery is not known to be from the sender.

    fate: "too old" if the time of the delivery is outside the window, otherwise "forged".
    """

    def __init__(self, fate: Fate, message: str) -> None:
        super().__init__(message)
        self.fate: Fate = fate
        self.message = message


def new_secret() -> str:
    """Return a new random secret in the format of the specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, webhook_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """Return the headers of a signed delivery."""
    moment = now.astimezone(UTC)
    return {
        ID: webhook_id,
        TIMESTAMP: str(int(moment.timestamp())),
        SIGNATURE: Webhook(secret).sign(webhook_id, moment, body.decode()),
    }


def verify(
    body: bytes, headers: Mapping[str, str], valid_secrets: Iterable[str], *, now: datetime
) -> None:
    """Check the time and the signature of a delivery. Raises Unverified.

    The signature must have been made with one of the secrets.
    """
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not headers.get(name)]
    if missing:
        raise Unverified("forged", f"The header {missing[0]} is missing.")
    _check_time(headers[TIMESTAMP], now)
    if not any(_is_signed(body, headers, secret) for secret in valid_secrets):
        raise Unverified(
            "forged",
            "The signature matches no secret of this source. Sign “id.timestamp.body” with "
            "HMAC-SHA256, exactly as the body is sent.",
        )


def _check_time(timestamp: str, now: datetime) -> None:
    try:
        seconds = now.timestamp() - int(timestamp[:20])
    except ValueError:
        message = "webhook-timestamp: expected a whole number of seconds since 1970."
        raise Unverified("forged", message) from None
    if abs(seconds) > WINDOW_SECONDS:
        when = "before" if seconds > 0 else "after"
        raise Unverified(
            "too old",
            f"The time in webhook-timestamp is {abs(seconds):.0f} seconds {when} the time here. "
            "At most 300 seconds are accepted. Check the clock of the sender, and sign again when "
            "you send again.",
        )


def _is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    # The library raises on the first entry that it cannot decode, so give it one at a time.
    for entry in headers[SIGNATURE].split()[:10]:
        try:
            Webhook(secret).verify(body, {**headers, SIGNATURE: entry}, json_parse=False)
        except (WebhookVerificationError, ValueError):
            continue
        return True
    return False
