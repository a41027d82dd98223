"""Collect what the page of a case shows about the moderation of each message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from crm.models import Interaction, User
from responses.models import Moderation
from responses.moderation import account_for, moderating_accounts, possible_actions, rights_in
from responses.moderation_actions import ACTIONS, Action, label_of
from routing.models import Case

State = Moderation.State


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that the page offers for a message, with the text of its button."""

    action: Action
    label: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was done to a message, what is in progress, or what failed.

    words: for example “Hidden”; before it is done, the label of the action.
    offer: the action that undoes it or, after a failure, tries it again. None if the user may not.
    is_failed: also true if scrm was stopped before the network answered.
    """

    row: Moderation
    words: str
    offer: Offer | None
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """The moderation of one message in a case, as the page shows it."""

    message: Interaction
    offers: Sequence[Offer] = ()
    records: Sequence[Record] = ()


def panels(case: Case, user: User, messages: Sequence[Interaction]) -> dict[int, Panel]:
    """Return interaction id → panel, for the messages that can be or were moderated.

    The caller leaves out the messages that the user may not read.
    """
    theirs = [message for message in messages if not message.is_ours]
    if not theirs:
        return {}
    accounts, rights, now = moderating_accounts(case), rights_in(case, user), timezone.now()
    rows = _rows(theirs)
    found = {}
    for message in theirs:
        account = account_for(message, accounts)
        actions = possible_actions(message, account) if account else []
        allowed = [action for action in actions if action.allowed_to(rights)]
        panel = _panel(message, rows[message.pk], allowed, now)
        if panel.offers or panel.records:
            found[message.pk] = panel
    return found


def _rows(messages: Sequence[Interaction]) -> defaultdict[int, list[Moderation]]:
    rows: defaultdict[int, list[Moderation]] = defaultdict(list)
    found = Moderation.objects.filter(interaction__in=[message.pk for message in messages])
    for row in found.select_related("by").order_by("pk"):
        rows[row.interaction_id].append(row)
    return rows


def _panel(
    message: Interaction, rows: Sequence[Moderation], allowed: Sequence[Action], now: datetime
) -> Panel:
    current = {row.action for row in rows if row.state == State.DONE}
    offers: dict[str, Offer] = {
        action.name: Offer(action, label_of(action, message))
        for action in allowed
        if _makes_sense(action, current)
    }
    records = [_record(row, message, offers, now) for row in _shown(rows)]
    beside = {record.offer for record in records}
    return Panel(message, [offer for offer in offers.values() if offer not in beside], records)


def _makes_sense(action: Action, current: set[str]) -> bool:
    """Return whether to offer the action, if the actions `current` are in effect."""
    if "delete" in current or action.name in current:
        return False
    return not action.only_after or action.only_after in current


def _shown(rows: Sequence[Moderation]) -> list[Moderation]:
    """Return the rows that the message shows.

    These are the actions in effect, and for each group its last row if that is no success. Thus a
    failure disappears as soon as an action of its group succeeds.
    """
    last = {ACTIONS[row.action].group: row.pk for row in rows}.values()
    in_effect = [row for row in rows if row.state == State.DONE and ACTIONS[row.action].stays]
    unfinished = [
        row for row in rows if row.state in (State.FAILED, State.PENDING) and row.pk in last
    ]
    return in_effect + unfinished


def _record(
    row: Moderation, message: Interaction, offers: Mapping[str, Offer], now: datetime
) -> Record:
    action = ACTIONS[row.action]
    if row.state == State.DONE:
        return Record(row, str(action.done), offers.get(action.undo))
    if row.state == State.FAILED or row.is_interrupted(now):
        return Record(row, label_of(action, message), offers.get(action.name), is_failed=True)
    return Record(row, label_of(action, message), None)
