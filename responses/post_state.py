"""Summarise the state of a response and of its deliveries in one label, for the calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from responses.models import Delivery, Response
from responses.models.delivery_state import DeliveryState
from responses.models.response import State


@dataclass(frozen=True, slots=True)
class PostState:
    """The label of a response in the calendar.

    tone: the colour of the label, as in `said.TONES`. icon: the name of an icon of the page.
    group: "sent", "planned", "held", "failed" or "other"; the calendar shows each group in its own
      way. Whatever is held or failed needs a person.
    """

    label: str
    icon: str
    tone: str = ""
    group: str = "other"

    @property
    def needs_person(self) -> bool:
        return self.group in {"held", "failed"}


def post_state(response: Response, now: datetime) -> PostState:
    """Return the label of the response. Problems come first: they need a user.

    This uses prefetched deliveries and runs no query.
    """
    if response.state == State.DRAFT:
        return PostState(_("draft"), "pen-line", "warn")
    if response.state == State.HELD:
        return PostState(_("held for approval"), "pause", "warn", "held")
    if response.is_taken_down:
        return PostState(_("taken down"), "ban", "bad")
    deliveries = _current(response)
    states = {delivery.state for delivery in deliveries}
    if problem := _problem(deliveries):
        return problem
    if DeliveryState.SENDING in states:
        return PostState(_("being sent"), "send", group="planned")
    if DeliveryState.QUEUED in states:
        later = response.send_at is not None and response.send_at > now
        return PostState(_("scheduled") if later else _("queued"), "clock", group="planned")
    if states == {DeliveryState.CANCELLED}:
        return PostState(_("cancelled"), "x")
    return PostState(_("sent"), "check", "ok", "sent")


def _current(response: Response) -> list[Delivery]:
    """Return the deliveries without those that a user has replaced by sending them again."""
    rows = list(response.deliveries.all())
    replaced = {delivery.replaces_id for delivery in rows}
    return [delivery for delivery in rows if delivery.pk not in replaced]


def _problem(deliveries: Sequence[Delivery]) -> PostState | None:
    labels = {
        DeliveryState.FAILED: (_("not sent"), _("not sent: %(n)d of %(all)d"), "circle-alert"),
        DeliveryState.BOUNCED: (_("bounced"), _("bounced: %(n)d of %(all)d"), "circle-alert"),
        DeliveryState.UNKNOWN: (
            _("unknown if sent"), _("unknown if sent: %(n)d of %(all)d"), "triangle-alert",
        ),
    }  # fmt: skip
    for state, (whole, part, icon) in labels.items():
        found = [delivery for delivery in deliveries if delivery.state == state]
        if not found:
            continue
        tone = "warn" if state == DeliveryState.UNKNOWN else "bad"
        if any(delivery.is_change for delivery in found):
            return PostState(_("change failed"), icon, tone, "failed")
        if len(found) == len(deliveries):
            return PostState(whole, icon, tone, "failed")
        return PostState(part % {"n": len(found), "all": len(deliveries)}, icon, tone, "failed")
    return None
