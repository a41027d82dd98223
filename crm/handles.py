"""Compare handles: whether a profile can change its handle, and whether a handle imitates ours."""

from __future__ import annotations

from scrm.text.normal import normalize

_MIN_LENGTH = 5
"""Names shorter than this may differ by one character without being an imitation."""
_DIGITS = str.maketrans("0135|", "olesl")
_PAIRS = (("i", "l"), ("rn", "m"), ("vv", "w"))


def is_renamable(*, key: str, handle: str) -> bool:
    """Return whether the key stays the same when the profile changes its handle.

    A key that is made of the handle, such as a mail address, does not. Such a key cannot show that
    an account took the handle of another one.
    """
    return bool(handle) and not key.casefold().endswith(_plain(handle))


def imitates(handle: str, ours: str) -> bool:
    """Return whether a handle may be mistaken for ours.

    That is so if both look alike, for example with 0 for o, or if one character was added, left out
    or replaced. The same name on another server imitates ours too.
    """
    one, other = _plain(handle), _plain(ours)
    if one == other:
        return False
    if ours.startswith("@"):  # not in a mail address, where “info” is an ordinary name
        one, other = one.split("@")[0], other.split("@")[0]
    one, other = skeleton(one), skeleton(other)
    if not one or not other:
        return False
    return one == other or (len(other) >= _MIN_LENGTH and _differ_by_one(one, other))


def skeleton(name: str) -> str:
    """Return a form of the name that is equal for names that look alike.

    Case, accents and separators are left out. Digits become the letters that they resemble, “i”
    becomes “l” and “rn” becomes “m”.
    """
    letters = normalize("NFKD", name).casefold()
    seen = "".join(char for char in letters if char.isalnum() or char == "|").translate(_DIGITS)
    for pair, letter in _PAIRS:
        seen = seen.replace(pair, letter)
    return seen


def _plain(handle: str) -> str:
    return handle.removeprefix("@").casefold()


def _differ_by_one(one: str, other: str) -> bool:
    """Return whether one insertion, deletion or replacement makes the texts equal."""
    short, long = sorted((one, other), key=len)
    same = next((n for n, char in enumerate(short) if char != long[n]), len(short))
    rest = short[same + 1 :] if len(short) == len(long) else short[same:]
    return rest == long[same + 1 :]
