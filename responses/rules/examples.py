"""Texts of which a rule's owner said whether it holds; a rule that fails one is not saved. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from responses.rules.judge import Facts, ResponseRule, judge
from responses.rules.personal_data import Known, addresses_in, codes_in, find
from scrm.conditions.explain import explain


@dataclass(frozen=True, slots=True)
class Example:
    """Given a text to an audience, about these people: whether the rule is to hold.

    people: what is known of them, by commas: names, mail addresses, numbers, booking numbers.
    """

    text: str
    audience: str = "one"
    visibility: str = "public"
    channel: str = ""
    people: str = ""
    holds: bool = True

    @property
    def facts(self) -> Facts:
        """What else a rule may ask for is not known; the author leads nobody."""
        return Facts(
            audience=self.audience,
            visibility=self.visibility,
            channel=self.channel,
            text=self.text,
            length=len(self.text),
            personal=find(self.text, known_of(self.people.split(","))),
            author_is_lead=False,
            taken=False,
        )


def known_of(words: Iterable[str]) -> Known:
    """Each by what it looks like."""
    given = {each.strip() for each in words} - {""}
    emails = {each for each in given if "@" in each}
    addresses, codes = addresses_in(given), codes_in(given)
    phones = {each for each in given - codes if sum(c.isdecimal() for c in each) >= 7}
    names = given - emails - addresses - codes - phones
    return Known(frozenset(names), frozenset(emails), frozenset(phones), addresses, codes)


def failed(rule: ResponseRule, example: Example) -> str:
    """Why the rule does not treat the example as it should, in words; "" where it does."""
    if bool(judge(example.facts, [rule]).reasons) == example.holds:
        return ""
    said = explain(rule.condition, example.facts.asked()).sentence
    if rule.verdict == "require" and example.holds:
        said = f"the text has “{rule.wording}”, or {said}"
    if example.holds:
        return f"The rule must catch this, and does not: {said}. Nothing was saved."
    return f"The rule must let this pass, and catches it: {said}. Nothing was saved."
