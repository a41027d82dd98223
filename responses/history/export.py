"""Export the response history as CSV.

A few hundred rows are loaded at a time, because the whole history may not fit into memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import User
from responses.history.filters import before, mark_of, with_facts
from responses.models import Campaign, Delivery, Response
from responses.models.response import ResponseQuerySet
from responses.results.answer_counts import Tally, with_tallies
from scrm.text.csv_file import safe

AT_ONCE = 200


class _Line:
    """A file-like object for `csv.writer`; `write` returns the line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def lines(found: ResponseQuerySet, user: User, zone: tzinfo) -> Iterator[str]:
    """Yield the lines of the CSV file: the header, then one line for each response in `found`.

    The newest response is first. The file starts with a byte order mark, so that spreadsheets read
    it as UTF-8. Responses that are written during the export are not included. If a spreadsheet
    would evaluate a cell as a formula, the cell is exported as text. Times are in the time zone
    `zone`. The time zone of the request cannot be used, because it is not active while the response
    is streamed.
    """
    write = csv.writer(_Line()).writerow
    yield "\ufeff" + str(write(_heads()))
    campaigns = set(Campaign.objects.visible_to(user).values_list("pk", flat=True))
    mark = ""
    # Rows are loaded page by page, because the whole history may not fit into memory.
    while rows := with_tallies(with_facts(before(found, mark))[:AT_ONCE], user):
        for row in rows:
            yield str(write([safe(cell) for cell in _cells(row, campaigns, zone)]))
        mark = mark_of(rows[-1]) if len(rows) == AT_ONCE else ""
        if not mark:
            return


def _heads() -> list[str]:
    return [
        _("when"), _("author"), _("approvers"), _("department"), _("case"), _("issue"),
        _("campaign"), _("audience"), _("visibility"), _("channels"), _("state"),
        _("rule verdicts"), _("deliveries"), _("feedback"), _("outcome"), _("text"),
    ]  # fmt: skip


def _cells(row: Response, campaigns: set[int], zone: tzinfo) -> list[str]:
    tally: Tally = row.tally  # type: ignore[attr-defined]
    deliveries = list(row.deliveries.all())
    link = getattr(row, "campaign_link", None)
    return [
        timezone.localtime(row.created_at, zone).isoformat(sep=" ", timespec="seconds"),
        str(row.author),
        _joined(row.approvals.all()),
        str(row.department),
        str(row.case or ""),
        str(row.issue or ""),
        str(link.campaign) if link and link.campaign_id in campaigns else "",
        str(row.get_audience_display()),
        row.visibility,
        _joined(dict.fromkeys(delivery.account.kind for delivery in deliveries)),
        _("Taken down") if row.is_taken_down else str(row.get_state_display()),
        _joined(f"{rule['verdict']}: {rule['name']} ({rule['sentence']})" for rule in row.verdict),
        _joined(_delivery_cell(delivery, zone) for delivery in deliveries),
        str(tally.total),
        _outcome(tally),
        "\n\n".join(filter(None, [row.subject, row.text])),
    ]


def _joined(parts: Iterable[object]) -> str:
    return "; ".join(str(part) for part in parts)


def _delivery_cell(delivery: Delivery, zone: tzinfo) -> str:
    to, at = delivery.profile or _("everyone"), ""
    if delivery.sent_at:
        at = f" {timezone.localtime(delivery.sent_at, zone):%Y-%m-%d %H:%M}"
    return f"{delivery.account} → {to}: {delivery.in_words}{at}"


def _outcome(tally: Tally) -> str:
    judged = [f"{n} {words.lower()}" for _each, words, n in tally.parts]
    maybe = [f"{n} {words.lower()}? (proposed)" for _each, words, n in tally.maybes]
    silent = [_("no answer in 7 days")] if tally.silent else []
    return ", ".join([*judged, *maybe, *silent])
