"""A form field for an amount in US dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from scrm.channels.prices import MICRO

_MOST = Decimal(1_000_000)


class UsdField(forms.DecimalField):
    """An amount in US dollars with cents. Its value is in millionths of a dollar, or None."""

    def __init__(self, **options: Any) -> None:
        bounds = {"min_value": Decimal(0), "max_value": _MOST, "decimal_places": 2}
        super().__init__(**{"required": False, **bounds, **options})

    def prepare_value(self, value: Any) -> Any:
        """Show stored millionths in dollars; a typed text stays as it is."""
        return f"{Decimal(value) / MICRO:.2f}" if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        dollars = super().clean(value)
        return None if dollars is None else int(dollars * MICRO)
