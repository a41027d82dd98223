"""Decode the texts of one mail, with a limit on how many charsets are guessed."""

from __future__ import annotations

from collections.abc import Sequence

from scrm.text.decode import Decoded, decode

_MAX_GUESSES = 20
"""A guess takes up to some hundredths of a second, and a mail may have thousands of headers."""


class Charsets:
    """Decodes the texts of one mail.

    likely: labels of charsets that the mail declares somewhere. Its other texts probably use them.
    """

    def __init__(self, likely: Sequence[str] = ()) -> None:
        self.likely = likely
        self._guessed: dict[tuple[bytes, str, bool], Decoded] = {}

    def decode(self, raw: bytes, declared: str = "", *, markup: bool = False) -> Decoded:
        """Decode a text as `decode` does. After _MAX_GUESSES guesses, windows-1252 is assumed."""
        asked = raw, declared, markup
        if asked in self._guessed:
            return self._guessed[asked]
        may_guess = len(self._guessed) < _MAX_GUESSES
        found = decode(raw, declared, markup=markup, likely=self.likely, may_guess=may_guess)
        if found.guessed and may_guess:
            self._guessed[asked] = found
        return found
