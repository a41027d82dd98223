"""The proposed outcome of an answer, which is based on words and sentiment in many languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses.outcome_guess import ANGRY, BITTER, MAX_CHARACTERS, THANKS, Proposal, propose

TABLE = [
    ("Thank you, that was quick.", "thanks"),
    ("THANKS!!!", "thanks"),
    ("Danke, das ging ja schnell.", "thanks"),
    ("¡Muchas gracias!", "thanks"),
    ("Merci beaucoup à toute l'équipe", "thanks"),
    ("ご対応ありがとうございます", "thanks"),
    ("谢谢你们", "thanks"),
    ("شكرا جزيلا", "thanks"),
    ("You were wonderful, I love how you dealt with it.", "thanks"),
    ("Shame on you.", "angry"),
    ("Thanks for nothing.", "angry"),
    ("No thanks, keep your voucher.", "angry"),
    ("Das ist eine Frechheit.", "angry"),
    ("¡Qué vergüenza!", "angry"),
    ("This is a horrible, insulting answer and I hate it.", "angry"),
    ("I would like to speak to somebody about this for my column.", "neutral"),
    # An unclear text gets no proposal.
    ("", ""),
    ("And the other people at that desk?", ""),
    ("Thank you, but this is a horrible, disgusting, hateful mess.", ""),
    ("Ich habe die Katze mit auf die Reise genommen.", ""),
    ("Дом стоит у реки.", ""),
    ("🛫🛫🛫", ""),
]


@pytest.mark.parametrize(("text", "outcome"), TABLE)
def test_what_is_proposed(text: str, outcome: str) -> None:
    assert propose(text).outcome == outcome


@pytest.mark.parametrize("word", THANKS)
def test_each_word_of_thanks_is_thanks(word: str) -> None:
    assert propose(word) == Proposal("thanks", f"contains “{word.lower()}”")


@pytest.mark.parametrize("word", [*ANGRY, *BITTER])
def test_each_word_of_anger_is_anger(word: str) -> None:
    assert propose(f"{word}!").outcome == "angry"


def test_the_german_article_is_no_death() -> None:
    """A German text with the article “die” gets no proposed outcome.

    Fails if the sentiment analysis is used for all languages, because its English word list rates
    “die” as most negative.
    """
    assert propose("Die Maschine, die um zehn kommt, ist die richtige.") == Proposal()


@given(st.text(max_size=400))
def test_it_has_an_answer_to_anything(text: str) -> None:
    found = propose(text)
    assert found.outcome in {"", "thanks", "angry", "neutral"}
    assert bool(found.why) is bool(found.outcome)
    assert len(found.why) <= 80
    assert propose(text) == found


NOTHING = st.text(alphabet="02345679 .,!\n", max_size=80)
"""Without 1 and 8: “143” is slang for love and “86” for throwing out, and both have a tone."""


@given(NOTHING, st.sampled_from(THANKS))
def test_thanks_are_found_among_what_says_nothing(around: str, word: str) -> None:
    assert propose(f"{around} {word} {around}").outcome == "thanks"


@given(NOTHING, st.sampled_from(THANKS))
def test_capitals_change_nothing(around: str, word: str) -> None:
    assert propose(f"{around} {word.upper()}").outcome == propose(f"{around} {word}").outcome


@given(st.text(max_size=300))
def test_what_comes_after_the_part_that_is_read_changes_nothing(more: str) -> None:
    read = "Thank you. ".ljust(MAX_CHARACTERS, "x")
    assert propose(read + more) == propose(read)


@given(st.sampled_from(THANKS), st.sampled_from(ANGRY))
def test_whoever_thanks_and_scolds_is_left_to_a_human(thanks: str, anger: str) -> None:
    assert propose(f"{thanks}. {anger}.") == Proposal()
