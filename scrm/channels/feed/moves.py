"""The address that a feed is fetched from, after permanent redirects or as an admin set it."""

from __future__ import annotations

from scrm.channels.base import FetchRequest, Json
from scrm.net.addresses import HttpError, Target
from scrm.net.redirects import harmless


class FeedMoves:
    """Reads and changes the cursor of a feed; see `scrm.channels.channel.Moves`.

    typed: the address that an admin entered last, or "".
    """

    def fetched_at(self, cursor: Json, asked: str) -> str:
        return str(cursor.get("address") or asked) if cursor.get("asked") == asked else asked

    def fetch_from(self, cursor: Json, asked: str, address: str) -> Json:
        own = cursor if cursor.get("asked") == asked else {}
        now = self.fetched_at(own, asked)
        if address == now:
            return own
        # The validators belong to the former address. The scope stays, so nothing counts as new.
        kept = {"scope": own["scope"]} if "scope" in own else {}
        return {**kept, "asked": asked, "address": address, "typed": address, "refused": now}


def headers_to(address: str, request: FetchRequest) -> dict[str, str]:
    """Return the headers of the source that may be sent to this address.

    A server chooses the address to which it redirects. Secret headers are sent only to a server
    that an admin has entered.
    """
    is_own = request.cursor.get("asked") == request.address
    typed = str(request.cursor.get("typed") or "") if is_own else ""
    entered = {_origin(request.address), _origin(typed)}
    is_trusted = _origin(address) in entered - {None}
    return dict(request.headers) if is_trusted else harmless(request.headers)


def _origin(address: str) -> tuple[str, str, int] | None:
    try:
        return Target.of(address).origin
    except HttpError:
        return None
