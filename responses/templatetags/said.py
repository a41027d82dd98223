from __future__ import annotations

from django import template

from responses.models import Response, ResponseRule
from responses.rule_findings import Spoken, said_of

register = template.Library()


@register.filter
def verdict_words(verdict: str) -> str:
    """What a rule wants, as the page of the rules has it."""
    return dict(ResponseRule.Verdict.choices).get(verdict, verdict)


@register.simple_tag
def rules_said(response: Response) -> list[Spoken]:
    """What stood in the way of it, each with the words that were meant."""
    return said_of(response)
