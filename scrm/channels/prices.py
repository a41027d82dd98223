"""Prices of networks that charge per use. Each channel has its prices in a file `prices.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from scrm.channels.base import Usage

MICRO = 1_000_000
"""Prices are whole numbers of millionths of a US dollar, so that sums are exact."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of a network.

    as_of: the day on which the prices were read from `source`.
    source: where the network published the prices.
    prices: operation → price of one use, in millionths of a US dollar.
    """

    as_of: date
    source: str
    prices: Mapping[str, int]

    @classmethod
    def read(cls, path: Path) -> PriceList:
        """Read a price list from a TOML file.

        The file contains prices in US dollars, as strings like "0.005".
        """
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        prices = {name: int(Decimal(price) * MICRO) for name, price in data["prices"].items()}
        return cls(data["as_of"], data["source"], prices)

    def cost(self, usage: Usage) -> int:
        """Return the price of this use in millionths of a US dollar.

        Raises KeyError if the list has no price for an operation.
        """
        return sum(self.prices[operation] * uses for operation, uses in usage.items())
