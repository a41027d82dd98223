from __future__ import annotations

from django import template

from responses.models import Response, ResponseRule
from responses.rule_findings import Spoken, said_of

register = template.Library()


@register.filter
def verdict_words(verdict: str) -> str:
    """Label of a rule's verdict, as on the page of the rules."""
    return dict(ResponseRule.Verdict.choices).get(verdict, verdict)


@register.simple_tag
def rules_said(response: Response) -> list[Spoken]:
    """Findings of the rules for a response, each with the words that it refers to."""
    return said_of(response)
