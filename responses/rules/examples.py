"""The examples of a business rule: texts for which its owner says whether the rule must apply.

A rule is not saved if it gives the wrong result for one of its examples. This module does not use
the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from responses.rules.judge import Facts, ResponseRule, judge
from responses.rules.personal_data import Known, addresses_in, codes_in, find
from scrm.conditions.explain import explain


@dataclass(frozen=True, slots=True)
class Example:
    """An example text for a rule.

    `people` contains personal data of the people whom the text may be about: names, mail addresses,
    phone numbers, postal addresses or booking numbers, separated by commas. `holds` says whether
    the rule must apply to the text.
    """

    text: str
    audience: str = "one"
    visibility: str = "public"
    channel: str = ""
    people: str = ""
    holds: bool = True

    @property
    def facts(self) -> Facts:
        """The facts on which the rule is evaluated for this example.

        The author is not a team lead, and the case is not assigned to another user. Facts that the
        example does not contain have their default values, which mostly mean “unknown”.
        """
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
    """Sort strings into names, mail addresses, phone numbers, postal addresses and booking numbers.

    The form of a string decides its kind.
    """
    given = {word.strip() for word in words} - {""}
    emails = {word for word in given if "@" in word}
    addresses, codes = addresses_in(given), codes_in(given)
    phones = {word for word in given - codes if sum(c.isdecimal() for c in word) >= 7}
    names = given - emails - addresses - codes - phones
    return Known(frozenset(names), frozenset(emails), frozenset(phones), addresses, codes)


def failed(rule: ResponseRule, example: Example) -> str:
    """Return why the rule gives the wrong result for the example, or "" if the result is right."""
    if bool(judge(example.facts, [rule]).reasons) == example.holds:
        return ""
    explanation = explain(rule.condition, example.facts.asked()).sentence
    if rule.verdict == "require" and example.holds:
        explanation = f"the text contains “{rule.wording}”, or {explanation}"
    if example.holds:
        return f"The rule must catch this example, but does not: {explanation}. Nothing was saved."
    return f"The rule must not catch this example, but does: {explanation}. Nothing was saved."
