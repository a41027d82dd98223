from __future__ import annotations

from collections.abc import Mapping

from django import template

from responses.models import Feedback, Response, ResponseRule
from responses.models.delivery_state import DeliveryState
from responses.reply_to_changed import Offer
from responses.rule_findings import Spoken, said_of

register = template.Library()
_Verdict = ResponseRule.Verdict
TONES: dict[str, str] = {
    DeliveryState.FAILED: "bad",
    DeliveryState.BOUNCED: "bad",
    DeliveryState.UNKNOWN: "warn",
    Feedback.Outcome.THANKS: "ok",
    Feedback.Outcome.ANGRY: "bad",
    _Verdict.ALLOW: "ok",
    _Verdict.REVIEW: "warn",
    _Verdict.HOLD: "warn",
    _Verdict.REQUIRE: "warn",
    _Verdict.MOVE: "warn",
    _Verdict.REFUSE: "bad",
}
"""State of a delivery, outcome of an answer or verdict of a rule → the colour of its label."""


@register.filter
def tone(value: str) -> str:
    """Return the colour for the label of a state, outcome or verdict, or "" if it has none."""
    return TONES.get(value, "")


@register.filter
def verdict_words(verdict: str) -> str:
    """Return the label of a verdict, as the page of the rules shows it."""
    return dict(ResponseRule.Verdict.choices).get(verdict, verdict)


@register.filter
def offer_for(offers: Mapping[int, Offer], response: Response) -> Offer | None:
    """Return what the page says about a reply to a message that was changed since, or None."""
    return offers.get(response.pk)


@register.simple_tag
def rules_said(response: Response) -> list[Spoken]:
    """Return what the rules found in a response, with the words to which each finding refers."""
    return said_of(response)
