"""Tell the users who answer a case that one of its messages was changed at its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from crm.models import Notice
from listening.models import MentionChange
from responses.models import Draft, Response
from routing.models import Case, CaseConversation


def newest_change(case: Case) -> MentionChange | None:
    """Return the newest change of a message of the case at its source, or None."""
    changes = MentionChange.objects.filter(
        mention__interaction__conversation__in=case.conversations
    )
    return changes.order_by("-pk").first()


def change_to_show(case: Case) -> MentionChange | None:
    """Return the newest change, unless the case was answered since."""
    change = newest_change(case)
    if change and case.responses.filter(created_at__gt=change.recorded_at).exists():
        return None
    return change


def tell_changed(items: Mapping[int, bool], now: datetime) -> None:
    """Update the pages of the cases of these interactions, and notify those who answer them.

    items: interaction id → whether users are notified. These are the authors of drafts in the case
    and of its responses that were not sent yet.
    """
    links = CaseConversation.objects.filter(
        conversation__interactions__in=items, ended_at=None
    ).select_related("case")
    cases = {link.case for link in links}
    for case in cases:
        case.tell()
    noisy = links.filter(conversation__interactions__in=[pk for pk, tell in items.items() if tell])
    to_notify = set(noisy.values_list("case", flat=True))
    writers = _writers(to_notify)
    for case in sorted(cases, key=lambda case: case.pk):
        if writers[case.pk]:
            Notice.give(
                writers[case.pk],
                Notice.Kind.CHANGED,
                about=case.as_subject,
                text=_("You have an answer to it that was not sent yet."),
                now=now,
            )


def _writers(cases: set[int]) -> defaultdict[int, set[int]]:
    """Return case id → ids of the users who have an unsent text in it."""
    drafts = Draft.objects.filter(case__in=cases).exclude(text="")
    waiting = Response.objects.filter(case__in=cases).unsettled().order_by()
    writers: defaultdict[int, set[int]] = defaultdict(set)
    for rows in (drafts, waiting):
        for case, author in rows.values_list("case", "author"):
            writers[case].add(author)
    return writers
