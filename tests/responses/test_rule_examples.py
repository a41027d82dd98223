"""Each example of a business rule is a text, and says whether the rule must apply to the text.

One example is the mistake in the story of the sample workspace: a public statement reveals that a
film director usually booked a second seat.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Contact, User
from responses import default_rules, release, rule_facts
from responses.compose import Words, state_publicly
from responses.models import Response, ResponseRule
from responses.rules.examples import Example, failed, known_of
from responses.rules.judge import SCHEMA
from responses.rules.personal_data import codes_in
from routing.models import Case
from scrm.sample import words
from tests.condition_fields import posted

As = Callable[[User], Client]
WITHOUT = words.STATEMENT.replace(
    "Mr Calder usually buys a second seat with us and had changed to an earlier flight with only "
    "one free. ", "",
)  # fmt: skip


@pytest.fixture
def privacy(admin: User) -> ResponseRule:
    rule = default_rules.add(default_rules.PRIVACY, owner=admin)
    rule.examples.append(
        {
            "text": words.STATEMENT, "audience": "many", "visibility": "public", "channel": "",
            "people": "", "holds": True,
        }
    )  # fmt: skip
    rule.save()
    return rule


@pytest.fixture
def say(complaint: Case, microblog: Account, lead: User) -> Callable[[str], Response]:
    """Return a function that writes a statement of the team lead in the director's case."""

    def write(text: str) -> Response:
        return state_publicly(
            Words(uuid.uuid4(), text, "public"),
            accounts=[microblog],
            by=lead,
            department=complaint.department,
            case=complaint,
        )

    return write


def in_group(leaf: dict[str, object]) -> dict[str, str]:
    """Return the fields of a second condition that is a group with this leaf alone."""
    fields = posted({"all": [{"any": [leaf]}]}, SCHEMA)
    return {key.replace("cond-0", "cond-1"): value for key, value in fields.items()}


def only_first(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields without those of the second condition."""
    return {key: value for key, value in fields.items() if not key.startswith("cond-1")}


def form(rule: ResponseRule, **more: str) -> dict[str, str]:
    """Return the data that the form of the rule posts if the user changes nothing.

    The keyword arguments replace single fields.
    """
    examples = {
        f"example-{n}-{name}": {True: "yes", False: "no"}.get(value, value)
        for n, example in enumerate(rule.examples)
        for name, value in example.items()
        if name != "channel"
    }
    return {
        "name": rule.name, "owner": str(rule.owner_id), "position": "1", "is_active": "on",
        "verdict": rule.verdict, "reason": rule.reason, "steps": rule.steps, "within": "4",
        "example-TOTAL_FORMS": str(len(rule.examples)), "example-INITIAL_FORMS": "0",
    } | posted(rule.conditions, SCHEMA) | examples | more  # fmt: skip


# The privacy fault of the sample story


def test_the_statement_that_tells_of_the_second_seat_is_held_with_its_words(
    privacy: ResponseRule, say: Callable[[str], Response], as_: As, supervisor: User
) -> None:
    response = say(words.STATEMENT)
    assert response.state == "held"
    (reason,) = response.verdict
    told = [response.text[start:end] for start, end in reason["spans"]]
    assert told == ["second seat"]
    page = as_(supervisor).get(reverse("responses:approvals")).content.decode()
    assert "buys a <mark>second seat</mark> with us" in page


def test_the_same_text_without_it_passes(
    privacy: ResponseRule, say: Callable[[str], Response]
) -> None:
    assert "second seat" not in WITHOUT
    assert say(WITHOUT).state == "released"


def test_whose_name_is_not_public_there_is_not_named_there(
    privacy: ResponseRule, complaint: Case, say: Callable[[str], Response], agent: User
) -> None:
    """A post on a network may contain the name that a customer shows on this network.

    Here this name is Ron Calder. A post with another name of the same contact is held.
    """
    complaint.profile.link_to(
        Contact.objects.create(name="Ronald P. Calderwood"), by=agent, evidence="told us"
    )
    assert say("Thank you, Ron Calder.").state == "released"
    held = say("Thank you, Mr Calderwood.")
    assert held.state == "held"
    assert [held.text[slice(*span)] for span in held.verdict[0]["spans"]] == ["Calderwood"]


def test_what_they_told_us_in_private_is_not_told_in_public(
    privacy: ResponseRule, hear: Callable[..., Case], say: Callable[[str], Response]
) -> None:
    hear("My booking is X7K2P9, I live at 12 Orchard Street.", visibility="private")
    assert say("We have looked at everything.").state == "released"
    held = say("We have looked at X7K2P9 and sent a card to 12 Orchard Street.")
    told = [held.text[slice(*span)] for span in held.verdict[0]["spans"]]
    assert (held.state, told) == ("held", ["X7K2P9", "12 Orchard Street"])


def test_of_a_very_long_text_its_beginning_is_looked_through(
    hear: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the beginning of a long text is searched for personal data.

    Fails if long texts are searched in full, which is too slow for up to 500 texts.
    """
    monkeypatch.setattr(rule_facts, "LONGEST_TEXT", 30)
    said = "My booking is X7K2P9, and also, by the way: order Z9Z9Z9."
    case = hear(said, visibility="private")
    assert codes_in(rule_facts._private_words([case.profile_id])) == {"X7K2P9"}


def test_to_themselves_in_private_everything_may_be_said(
    privacy: ResponseRule, complaint: Case, answer: Callable[..., Response]
) -> None:
    text = "Your second seat is free."
    assert answer(text).state == "held"
    draft = Response(
        case=complaint, department=complaint.department, author=complaint.department.owner,
        audience="one", visibility="private", text=text,
    )  # fmt: skip
    assert release.verdict_on(draft, accounts=[], now=timezone.now()).outcome == "allow"


# Examples


def test_weakening_the_rule_is_refused_at_its_example(
    privacy: ResponseRule, admin: User, as_: As
) -> None:
    """A change of a rule is not saved if the rule no longer catches one of its examples.

    Fails if the examples are not checked.
    """
    weaker = {"field": "text", "op": "contains any", "value": ["passport"]}
    url = reverse("responses:rule", args=[privacy.pk])
    page = as_(admin).post(url, only_first(form(privacy)) | in_group(weaker))
    assert page.status_code == 422
    errors = [each.errors.get("text") for each in page.context["examples"].forms]
    assert any("must catch this example, but does not" in str(error) for error in errors)
    privacy.refresh_from_db()
    assert privacy.conditions == default_rules.RULES[default_rules.PRIVACY]["conditions"]


def test_a_rule_that_catches_too_much_is_refused_as_well(
    privacy: ResponseRule, admin: User, as_: As
) -> None:
    greedy = {"field": "text", "op": "contains any", "value": ["seat", "SK"]}
    url = reverse("responses:rule", args=[privacy.pk])
    page = as_(admin).post(url, only_first(form(privacy)) | in_group(greedy))
    assert page.status_code == 422
    assert "must not catch this example, but does" in page.content.decode()


def test_the_rule_is_saved_as_it_stands_and_shows_its_examples(
    privacy: ResponseRule, admin: User, as_: As
) -> None:
    browser, url = as_(admin), reverse("responses:rule", args=[privacy.pk])
    assert browser.post(url, form(privacy)).status_code == 302
    privacy.refresh_from_db()
    assert len(privacy.examples) == 5
    page = browser.get(url).content.decode()
    assert "Mr Calder usually buys a second seat" in page
    assert "5 examples" in browser.get(reverse("responses:rules")).content.decode()


def test_an_example_without_a_text_is_left_out(privacy: ResponseRule, admin: User, as_: As) -> None:
    url = reverse("responses:rule", args=[privacy.pk])
    as_(admin).post(url, form(privacy, **{"example-0-text": " "}))
    privacy.refresh_from_db()
    assert len(privacy.examples) == 4


@pytest.mark.parametrize("name", default_rules.RULES)
def test_every_default_rule_keeps_its_own_examples(admin: User, name: str) -> None:
    rule = default_rules.add(name, owner=admin)
    assert rule.sentence
    for example in rule.examples:
        assert failed(rule.pure(), Example(**example)) == ""


def test_a_new_workspace_has_them_all(admin: User) -> None:
    default_rules.create_default_rules(admin)
    assert list(ResponseRule.objects.values_list("name", flat=True)) == list(default_rules.RULES)


def test_what_is_known_of_people_is_sorted_by_what_it_looks_like() -> None:
    known = known_of(
        ["Ron Calder", " ron@x.example", " +1 732 555 0117", " X7K2P9", " 12 Orchard Street"]
    )
    assert known.names == {"Ron Calder"}
    assert known.emails == {"ron@x.example"}
    assert known.phones == {"+1 732 555 0117"}
    assert known.codes == {"X7K2P9"}
    assert known.addresses == {"12 Orchard Street"}
