"""Recognise messages that only say thanks: they need no answer, so they reopen no case.

A message counts as thanks only if nothing else is said: each word is a word of thanks or a polite
addition to one. A question mark, a digit, or a single other word makes it a message to read.
"""

from __future__ import annotations

import unicodedata

from scrm.text.fold import fold

MAX_CHARACTERS = 120
"""A longer message says more than thanks."""

_THANKS = (
    # English
    "thanks thank thx thankyou ty tysm cheers appreciated ta "
    # German
    "danke dankeschoen dankeschon dank merci "
    # French
    "remercie remercions "
    # Spanish
    "gracias agradecido agradecida "
    # Turkish
    "tesekkurler tesekkur tesekkurederim sagol sagolun eyvallah "
)
"""Words of which at least one must be in the text."""
_POLITE_WORDS = (
    "you u so very much many a lot loads ton million again all for the your help quick fast reply "
    "answer support response really that is was it much great awesome perfect super nice lovely "
    "ok okay cool wonderful brilliant amazing kind kindly guys team folks dear and works now "
    "vielen vielmals herzlichen besten schoenen schonen recht sehr fuer fur die das den schnelle "
    "hilfe antwort auch nochmals lieben tausend prima toll alles gut ihre eure "
    "beaucoup mille vous je merci pour votre aide reponse rapide bien infiniment parfait genial "
    "muchas muchisimas mil por la su tu ayuda respuesta rapida todo perfecto vale muy amable "
    "cok icin ederim ederiz yardim yardiminiz hizli cevap size sana bilgi"
)
"""Words that add nothing to thanks. `fold` has removed accents and case."""
_THANKFUL, _POLITE = frozenset(_THANKS.split()), frozenset(_POLITE_WORDS.split())


def is_thanks(text: str, *, title: str = "", has_files: bool = False) -> bool:
    """Return whether a message says thanks and nothing else, or consists of friendly emoji only.

    A file is always to be read. The title of an answer (“Re: …”) repeats what was said before; any
    other title must say thanks too.

    Names such as “@SkywardAir” are ignored. An emoji alone counts, because it asks for nothing. A
    text without letters and emoji does not count: “...” or “!!!” may say that someone still waits.
    """
    if has_files:
        return False
    own = "" if title.strip().casefold().startswith(_ANSWERS) else title.strip()
    return _says_thanks(text) and (not own or _says_thanks(own))


def _says_thanks(text: str) -> bool:
    if len(text) > MAX_CHARACTERS or not _QUESTION_MARKS.isdisjoint(text):
        return False
    words = [word for word in _words(text) if word]
    if any(any(character.isdigit() for character in word) for word in words):
        return False
    symbols = {character for character in text if unicodedata.category(character) == "So"}
    if not symbols <= _FRIENDLY:
        return False
    if not words:
        return bool(symbols)
    return bool(_THANKFUL & set(words)) and set(words) <= _THANKFUL | _POLITE


def _words(text: str) -> list[str]:
    """Return the words of the text without accents, case, names and punctuation."""
    plain = (word for word in text.split() if not word.startswith("@"))
    return ["".join(character for character in fold(word) if character.isalnum()) for word in plain]


_FRIENDLY = frozenset(
    "🙏👍👏👌🙌🤝💪❤♥🧡💛💚💙💜💖💕💗💞💯🎉🥳✨😊☺🙂😀😃😄😁😍🥰😘🤗🤩😇🌹🌸💐🌟⭐✅"
)
"""Any other emoji may complain or ask, so that its message is read."""
_QUESTION_MARKS = frozenset("?\uff1f\u061f\u2e2e\u037e")
_ANSWERS = ("re:", "aw:", "antw:", "sv:", "rv:", "ynt:", "réf:", "ref:")
