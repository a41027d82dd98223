"""The reference that our letters carry, such as SC-123-20: a case number with two check digits."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"\bSC[- ]?(\d{1,15})[- ](\d\d)\b", re.IGNORECASE)
_MAX_READ = 100_000


def reference(case: int) -> str:
    """Return the reference of a case. The check digits are those of ISO 7064, MOD 97-10."""
    return f"SC-{case}-{98 - case * 100 % 97:02d}"


def cases_cited(text: str) -> set[int]:
    """Return the case numbers of the references in a text whose check digits are right."""
    found = ((int(case), digits) for case, digits in _REFERENCE.findall(text[:_MAX_READ]))
    return {case for case, digits in found if reference(case).endswith(f"-{digits}")}
