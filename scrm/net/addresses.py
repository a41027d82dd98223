"""Parse web addresses and domain names, and recognise networks that are not public.

`ipaddress.is_global` is not used, because it treats some dangerous addresses as global: multicast
addresses, the NAT64 address of a metadata service, and the 6to4 address of loopback.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Literal
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna

from scrm.net.secret_addresses import without_secrets

Network = IPv4Network | IPv6Network
Kind = Literal[
    "refused",
    "unreachable",
    "not found",
    "closed",
    "slow",
    "large",
    "redirects",
    "tls",
    "malformed",
]

_HOST = re.compile(r"[A-Za-z0-9._-]+\Z")
_LONGEST_DOMAIN = 253
_WRITTEN_TOGETHER = (
    {"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"},
    {"LATIN", "CJK", "HANGUL"},
    {"LATIN", "CJK", "BOPOMOFO"},
)
"""Scripts that are written together, by the first words of the Unicode names of their letters."""
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")

_DENIED_V4 = tuple(
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the platform service of one large cloud
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_DENIED_V6 = tuple(
    IPv6Network(cidr)
    for cidr in (
        "::/3",  # unspecified, loopback, IPv4-compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "4000::/2",  # not assigned
        "8000::/1",  # not assigned, unique local, link-local, site-local, multicast
    )
)


def denied(address: IPv4Address | IPv6Address) -> bool:
    """Return whether `address` is outside the public Internet.

    An IPv4-mapped IPv6 address is judged by its IPv4 address. 6to4, NAT64 and Teredo addresses,
    which also contain an IPv4 address, are always denied.
    """
    if isinstance(address, IPv4Address):
        return any(address in network for network in _DENIED_V4)
    if address.ipv4_mapped is not None:
        return denied(address.ipv4_mapped)
    return any(address in network for network in _DENIED_V6)


def networks(text: str) -> tuple[Network, ...]:
    """Parse networks like "10.1.0.0/16, fd00:1::/64". Raises ValueError with the invalid part."""
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


class HttpError(Exception):
    """A request failed. `message` is a plain sentence, `kind` is the kind of error."""

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, split into the parts that a connection needs."""

    url: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @classmethod
    def of(cls, url: str) -> Target:
        url = url.strip()
        shown = without_secrets(url)
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = ascii_host(parts.hostname or "")
        except ValueError as error:
            raise HttpError(f"{shown} is not a valid address: {error}.", "malformed") from error
        if parts.scheme not in ("http", "https"):
            raise HttpError(f"{shown} is not a web address: it must be http or https.", "malformed")
        if "@" in parts.netloc:
            raise HttpError("An address must not contain a user name or password.", "malformed")
        if _NOT_IN_URL.search(url) or not host:
            raise HttpError(f"{shown} is not a valid address.", "malformed")
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        path = quote(path, safe="!#$%&'()*+,/:;=?@[]~")
        named = f"[{host}]" if ":" in host else host
        place = named if parts.port is None else f"{named}:{port}"
        return cls(f"{parts.scheme}://{place}{path}", parts.scheme, host, port, path)

    def follow(self, location: str) -> Target:
        # Header bytes arrive as Latin-1; servers write UTF-8 there.
        text = location.encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            return Target.of(urljoin(self.url, text.strip().replace(" ", "%20")))
        except ValueError as error:
            message = f"{without_secrets(self.url)} redirects to an address that is not valid."
            raise HttpError(message, "malformed") from error


def ascii_host(host: str) -> str:
    """Return a domain name or IP address in ASCII, as used on the network. Raises ValueError."""
    if "%" in host:
        raise ValueError("the host name contains a percent sign")
    if ":" in host:
        return str(IPv6Address(host))
    return domain_to_ascii(host)


def domain_to_ascii(name: str) -> str:
    """Return a domain name in ASCII and lower case, as used on the network and in keys.

    Labels that are not ASCII become A-labels (`xn--…`). The conversion follows UTS 46 without
    transitional processing, and IDNA 2008. Python's own `idna` codec follows IDNA 2003, which turns
    straße.test into strasse.test, a different domain. An ASCII label stays unchanged, so that
    `my_host` works. UTS 46 maps signs such as a full-width comma to ASCII, so the result is checked
    and not the input. Raises ValueError if the name is not valid.
    """
    found = name.lower() if name.isascii() else _a_labels(name)
    if found and not _HOST.match(found):
        raise ValueError(f"“{name[:100]}” is not a valid domain name")
    return found


def _a_labels(name: str) -> str:
    try:
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
        found = ".".join(
            label if label.isascii() else idna.alabel(label).decode() for label in labels
        )
    except idna.IDNAError as error:
        raise ValueError(f"“{name[:100]}” is not a valid domain name") from error
    if len(found) > _LONGEST_DOMAIN:
        raise ValueError(f"“{name[:100]}” is too long for a domain name")
    return found


def domain_to_unicode(name: str) -> str:
    """Return a domain name in Unicode, for display.

    A label stays encoded if it is no valid A-label. It also stays encoded if it mixes writing
    systems, for example Latin and Cyrillic, because it could look like another name.
    """
    return ".".join(_readable_label(label) for label in name.split("."))


def _readable_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        shown = idna.ulabel(label)
    except idna.IDNAError:
        return label
    return shown if _is_one_script(shown) else label


def _is_one_script(label: str) -> bool:
    """Return whether a label uses only one writing system, for example Latin or Cyrillic.

    Writing systems that one language uses together, as Japanese does, count as one.
    """
    scripts = {unicodedata.name(sign, "?").split()[0] for sign in label if sign.isalpha()}
    return len(scripts) <= 1 or any(scripts <= together for together in _WRITTEN_TOGETHER)
