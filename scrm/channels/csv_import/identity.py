"""What identifies an imported mention and its author.

A mention with a URL is identified by the URL. Otherwise it is identified by its author, its date as
written in the file, and its texts. So a row that is in two exports is imported once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

from scrm.net.addresses import ascii_host
from scrm.text.clean import safe_url
from scrm.text.fold import fold

_PREFIX = "csv:"


@dataclass(frozen=True, slots=True)
class Address:
    """A web address.

    host: the host without “www.”.
    key: the address without its scheme and “www.”. Addresses that differ only in http or https, in
    “www.” or in the case of the host have the same key.
    """

    url: str
    host: str
    key: str


def address(url: str) -> Address:
    """Return the parts of a URL. Raises ValueError if it is no http or https URL."""
    # Some addresses contain an apostrophe, which `safe_url` refuses because it ends an attribute.
    url = safe_url(url.replace("'", "%27"))
    if not url:
        raise ValueError("no web address")
    parts = urlsplit(url)
    host = ascii_host((parts.hostname or "").removeprefix("www.")).rstrip(".")
    if not host:
        raise ValueError("no host")
    port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return Address(url, host, f"{host}{port}{parts.path or '/'}{query}{fragment}")


def scope(host: str, network: str) -> str:
    """Return the space in which the keys of mentions and authors are unique.

    It is the host of the URL. Without a URL it is the network or site that the file names.
    """
    return f"{_PREFIX}{host or ' '.join(fold(network).split())}"


def author_key(*, id_: str, handle: str, name: str) -> str:
    """Return the key of an author within the scope; "" if nothing is known about the author."""
    try:
        profile = address(id_).key if id_ else ""
    except ValueError:
        profile = id_
    return profile or fold(handle) or fold(name)


def content_key(author: str, written: datetime | None, title: str, text: str) -> str:
    """Return the key of a mention without a URL.

    written: the date as it is written in the file. The time zone that the user chose is not part of
    the key, because another choice must not import the same mentions again.
    """
    facts = (author, written.isoformat() if written else "", title, text)
    return "#" + sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()
