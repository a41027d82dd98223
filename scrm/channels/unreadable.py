from __future__ import annotations

UNREADABLE = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""The errors that code raises for an entry of an unexpected form. A listener leaves such an entry
out: otherwise one entry of a stranger would make every fetch fail that contains it."""
