"""What each network offers, for the page on which an admin chooses one, and for the docs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from scrm.channels.channel import Channel
from scrm.channels.prices import MICRO
from scrm.channels.registry import channel, kinds


@dataclass(frozen=True, slots=True)
class Overview:
    """One row of the list of networks. connects: whether accounts are connected by a login."""

    kind: str
    label: str
    hears: str
    says: str
    costs: str
    connects: bool


def overviews() -> list[Overview]:
    """Return the networks that an admin can choose, those with a login first, each by name."""
    offered = [found for kind in kinds() if (found := channel(kind)).hears]
    rows = [_overview(found) for found in offered]
    return sorted(rows, key=lambda row: (not row.connects, row.label.casefold()))


def _overview(found: Channel) -> Overview:
    return Overview(
        kind=found.kind,
        label=found.label,
        hears=str(found.hears),
        says=str(found.says) or _("nothing; log what you answered there"),
        costs=_costs(found),
        connects=found.connector is not None,
    )


def _costs(found: Channel) -> str:
    if found.prices is None:
        return _("free")
    lowest = Decimal(min(found.prices.prices.values())) / MICRO
    return _("paid per use, from %(usd)s USD per item") % {"usd": f"{lowest.normalize():f}"}
