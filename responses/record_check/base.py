"""The class for a single check of the record check.

A check consists of a query, and of a message for each gap that the query finds. With each gap, the
check also reports neighbouring rows, which show where the gap is, for example the case.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.functional import Promise

from responses.models import Response
from responses.rules.judge import content_hash
from routing.models import CaseConversation
from scrm.channels import registry

MAX_GAPS = 1000
"""Maximum number of gaps that one check reports; further gaps are reported in a later run."""


@dataclass(frozen=True, slots=True)
class Check:
    """A single check of the record.

    `must` is the sentence that tells users what the check requires. `words` is the message about a
    gap; it is a format string with the columns of the query.
    """

    key: str
    name: str | Promise
    must: str | Promise
    words: str
    query: str

    def find(self) -> dict[str, dict[str, Any]]:
        """Return the subject of each gap → its message and neighbouring rows.

        At most MAX_GAPS gaps are returned. This takes at most three queries.
        """
        with connection.cursor() as cursor:
            cursor.execute(self.query, {"heard": _listened_kinds(), "most": MAX_GAPS})
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        gaps = [row for row in rows if _is_gap(row)][:MAX_GAPS]
        _add_neighbours(gaps)
        return {str(row["subject"]): self._as_gap(row) for row in gaps}

    def _as_gap(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the message about a gap, and the ids of its neighbouring rows.

        Columns that do not identify a neighbouring row are used only in the message.
        """
        neighbours = {name: row[name] for name in NEIGHBOURS if row.get(name) is not None}
        return {"words": self.words.format(**row), "there": neighbours}


NEIGHBOURS = ("response", "case", "delivery", "interaction", "profile")


def _is_gap(row: dict[str, Any]) -> bool:
    """Whether a row of the query is a gap.

    For most checks, every row is a gap. The query about approvals returns every response that was
    held and then released. Such a row is a gap if approvals with the right hash are missing. This
    is tested here, because only Python code can compute the hash.
    """
    if "signed" not in row:
        return True
    signed, places, versions, steps, files, copies = (
        json.loads(row[name])
        for name in ("signed", "places", "versions", "steps", "files", "copies")
    )
    content = (row["text"], row["title"], row["audience"], row["visibility"])
    pairs = [(account, to) for account, to in places]
    expected = content_hash(*content, pairs, versions, files, copies)
    return bool(signed.count(expected) < max(len(steps), 1))


def _add_neighbours(gaps: list[dict[str, Any]]) -> None:
    """Add to each row the case of its conversation, and the last response to its case."""
    conversations = [row["conversation"] for row in gaps if row.get("conversation")]
    links = CaseConversation.objects.filter(conversation__in=conversations).order_by("pk")
    cases = {link.conversation_id: link.case_id for link in links}
    for row in gaps:
        row["case"] = row.get("case") or cases.get(row.get("conversation", 0))
    known = [row["case"] for row in gaps if row["case"]]
    responses = Response.objects.filter(case__in=known).order_by("pk") if known else []
    last = {response.case_id: response.pk for response in responses}
    for row in gaps:
        row["response"] = row.get("response") or last.get(row["case"])


def _listened_kinds() -> list[str]:
    """Return the kinds of channels on which each incoming message has a mention.

    These are all channels but the one for calls and letters, which staff record.
    """
    return [kind for kind in registry.kinds() if kind != "manual"]
