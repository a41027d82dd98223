"""Examples of a rule: texts for which its owner says whether the rule applies. Pure.

A rule that fails one of its examples is not saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from responses.rules.judge import Facts, ResponseRule, judge
from responses.rules.personal_data import Known, addresses_in, codes_in, find
from scrm.conditions.explain import explain


@dataclass(frozen=True, slots=True)
class Example:
    """A text to an audience, about certain people, and whether the rule must apply to it.

    people: their known personal data, separated by commas: names, mail addresses, phone
    numbers, postal addresses, booking numbers. holds: whether the rule must apply.
    """

    text: str
    audience: str = "one"
    visibility: str = "public"
    channel: str = ""
    people: str = ""
    holds: bool = True

    @property
    def facts(self) -> Facts:
        """Facts of the example. Other facts are unknown; the author is not a team lead."""
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
    """Sort words into names, addresses, phone and booking numbers, by their form."""
    given = {word.strip() for word in words} - {""}
    emails = {word for word in given if "@" in word}
    addresses, codes = addresses_in(given), codes_in(given)
    phones = {word for word in given - codes if sum(c.isdecimal() for c in word) >= 7}
    names = given - emails - addresses - codes - phones
    return Known(frozenset(names), frozenset(emails), frozenset(phones), addresses, codes)


def failed(rule: ResponseRule, example: Example) -> str:
    """Why the rule does not treat the example as it should, in words; "" if it does."""
    if bool(judge(example.facts, [rule]).reasons) == example.holds:
        return ""
    explanation = explain(rule.condition, example.facts.asked()).sentence
    if rule.verdict == "require" and example.holds:
        explanation = f"the text contains “{rule.wording}”, or {explanation}"
    if example.holds:
        return f"The rule must catch this example, but does not: {explanation}. Nothing was saved."
    return f"The rule must not catch this example, but does: {explanation}. Nothing was saved."
