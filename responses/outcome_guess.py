"""Propose the outcome of an answer (thanks, angry or neutral) from its phrases and its tone.

scrm only proposes an outcome. Until a user confirms or changes the outcome, pages show it as a
proposal. Phrases with a clear meaning take precedence over the tone. The tone counts only if the
text seems to be English, because the dictionary for tones contains only English words. If the
phrases and the tone contradict each other, nothing is proposed. This module does not use the
database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from listening import matching
from listening.matching import TopicQuery
from scrm.text.fold import fold

Outcome = Literal["", "thanks", "angry", "neutral"]

MAX_CHARACTERS = 2_000
"""Only this many characters are read: thanks and complaints come early in a text."""
CLEAR = 0.45
"""A tone (-1 to 1) at least this far from 0 counts as praise or anger."""

_THANKS, _ANGRY, _BITTER = 1, 2, 3
THANKS = (
    "thank you", "thank u", "thanks", "thx", "cheers", "much appreciated", "appreciate it",
    "grateful", "made my day",
    "danke", "dankeschön", "vielen dank", "herzlichen dank", "bedanke mich",
    "merci", "merci beaucoup", "je vous remercie",
    "gracias", "muchas gracias", "agradezco", "grazie", "grazie mille", "obrigado", "obrigada",
    "bedankt", "dank je", "dank u", "tack", "tack så mycket", "tak", "takk", "kiitos",
    "dziękuję", "dziękuje", "děkuji", "köszönöm", "mulțumesc", "teşekkürler", "teşekkür ederim",
    "ευχαριστώ", "спасибо", "дякую", "شكرا", "תודה", "धन्यवाद",
    "谢谢", "謝謝", "感谢", "ありがとう", "感謝", "감사합니다", "고맙습니다",
)  # fmt: skip
ANGRY = (
    "shame on you", "shame on", "disgrace", "disgraceful", "disgusting", "outrageous",
    "unacceptable", "ridiculous", "furious", "fed up", "worst", "never again", "a joke",
    "a lie", "liars", "rip off", "rip-off", "pathetic", "appalling",
    "unverschämt", "unverschämtheit", "frechheit", "schande", "eine zumutung", "nie wieder",
    "inakzeptabel", "wütend", "honte", "scandaleux", "inadmissible", "inacceptable", "plus jamais",
    "vergüenza", "inaceptable", "indignante", "nunca más", "vergogna", "inaccettabile",
    "vergonha", "inaceitável", "schandalig", "позор", "возмутительно", "безобразие",
    "最悪", "太差", "최악", "عيب",
)  # fmt: skip
BITTER = (
    "no thanks", "no thank you", "thanks for nothing", "thank you for nothing", "thanks a lot for",
    "nein danke", "danke für nichts", "non merci", "merci pour rien", "no gracias",
    "gracias por nada", "grazie di niente", "grazie per niente",
)  # fmt: skip

_ENGLISH = """
    the and you your is are was were it this that i my we our they to of in for with not have has
    had do did will would a an on at be been so what who how when about but if me
"""
_FOREIGN = """
    der die das und ist nicht ich sie wir ein eine den dem mit auf auch fur war hat haben noch
    le la les des une est pas que qui et pour avec vous nous je il elle
    el los las un una es por con para muy pero del yo su
    il lo gli di che non per sono e o os nao uma com
    het een van niet ik dat en zijn voor maar det som och att jag ikke er jeg
"""
_ENGLISH_WORDS, _FOREIGN_WORDS = frozenset(_ENGLISH.split()), frozenset(_FOREIGN.split())
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed outcome.

    `outcome` is "" if nothing is proposed. `why` is the evidence, which users see.
    """

    outcome: Outcome = ""
    why: str = ""


def propose(text: str) -> Proposal:
    """Propose the outcome for the text of an answer to us."""
    text = text[:MAX_CHARACTERS]
    matched = _matched_lists(text)
    tone = _tone(text) if _seems_english(text) else 0.0
    # Complaints are checked first, because “no thanks” contains “thanks”.
    if _BITTER in matched:
        return Proposal("angry", _quoted(matched[_BITTER]))
    if _ANGRY in matched:
        mixed = _THANKS in matched or tone >= CLEAR
        return Proposal() if mixed else Proposal("angry", _quoted(matched[_ANGRY]))
    if _THANKS in matched:
        return Proposal() if tone <= -CLEAR else Proposal("thanks", _quoted(matched[_THANKS]))
    return _by_tone(tone)


def _by_tone(tone: float) -> Proposal:
    if not tone:
        return Proposal()
    if abs(tone) < CLEAR:
        return Proposal("neutral", f"neutral tone ({tone:+.2f} on a scale from -1 to +1)")
    if tone > 0:
        return Proposal("thanks", f"positive tone ({tone:+.2f} on a scale from -1 to +1)")
    return Proposal("angry", f"negative tone ({tone:+.2f} on a scale from -1 to +1)")


def _matched_lists(text: str) -> dict[int, str]:
    """Return the first phrase of each phrase list in the text: key of the list → phrase.

    The phrase has the spelling of the text. Lists without a phrase in the text are left out.
    """
    found: dict[int, str] = {}
    for match in _matcher().match("", text):
        span = match.spans[0]
        found[match.key] = text[span.start : span.end]
    return found


def _quoted(words: str) -> str:
    return f"contains “{words.lower()[:60]}”"


def _seems_english(text: str) -> bool:
    """Whether the text seems to be English.

    More than 90 % of its words must be ASCII. If it contains words from `_FOREIGN_WORDS`, it must
    also contain a larger number of words from `_ENGLISH_WORDS`.
    """
    words = [fold(word) for word in _WORD.findall(text)]
    plain = sum(word.isascii() for word in words)
    foreign = sum(word in _FOREIGN_WORDS for word in words)
    english = sum(word in _ENGLISH_WORDS for word in words)
    return plain * 10 > len(words) * 9 and (not foreign or english > foreign)


def _tone(text: str) -> float:
    return float(_reader().polarity_scores(text)["compound"])


@cache
def _reader() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


@cache
def _matcher() -> matching.Matcher:
    lists = {_THANKS: THANKS, _ANGRY: ANGRY, _BITTER: BITTER}
    return matching.compile(TopicQuery(key, any_of=words) for key, words in lists.items())
