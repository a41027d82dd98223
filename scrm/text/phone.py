"""Phone numbers: stored in E.164, such as +442079460958, and shown as +44 20 7946 0958."""

from __future__ import annotations

import re

import phonenumbers
from django.utils.translation import gettext as _
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from scrm.text.dates import ascii_form

MAX_TYPED = 60
"""Number of characters of a typed number; a longer text is not parsed."""
_WRITTEN = re.compile(
    r"(?:(?:tel|phone|mobile?|fax|t)[.: ]{1,3})?[+(]{0,2}[0-9][0-9 ()/.-]{4,40}"
    r"(?:(?:extension|ext\.?|x|#|;ext=) ?[0-9]{1,7})?",
    re.ASCII | re.IGNORECASE,
)
_AROUND = " \t\r\n\"'“”„«»,;"
"""Characters that are often copied with a number, before or after it."""
_LENGTHS = {ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY}


class NotAPhoneNumber(ValueError):
    """A text is not a complete phone number. The message says why, for the person who typed it."""


def e164(typed: str, country: str = "") -> str:
    """Return a typed number in E.164, or "" if nothing is typed. Raises NotAPhoneNumber.

    Only the length of the number is checked: whether a number is in use changes too often.

    country: the ISO 3166 code of the country whose numbers may be typed without country code; ""
    if every number needs its country code.
    """
    typed = typed.strip()
    if not typed:
        return ""
    shown = {"typed": typed[:MAX_TYPED]}
    try:
        number = phonenumbers.parse(typed if len(typed) <= MAX_TYPED else "", country or None)
    except NumberParseException as error:
        raise NotAPhoneNumber(_reason(error, typed) % shown) from None
    if number.extension:
        raise NotAPhoneNumber(_("Enter “%(typed)s” without its extension.") % shown)
    length = phonenumbers.is_possible_number_with_reason(number)
    if length != ValidationResult.IS_POSSIBLE:
        too_short = length in _LENGTHS
        few, many = _("“%(typed)s” has too few digits."), _("“%(typed)s” has too many digits.")
        why = few if too_short else many
        raise NotAPhoneNumber(why % shown)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def looks_like_number(typed: str) -> bool:
    """Return whether `typed` is nothing but a phone number in any format, or the start of one."""
    typed = typed.strip(_AROUND)
    return len(typed) <= MAX_TYPED and bool(_WRITTEN.fullmatch(ascii_form(typed)))


def e164_beginnings(typed: str, country: str = "") -> set[str]:
    """Return how the E.164 form of a typed number may begin; an empty set without a country code.

    The number may be incomplete, and an extension is ignored. Whether a leading 0 belongs to the
    number, as in Italy, is certain only for a complete number: therefore there can be two results.
    country: as in `e164`.
    """
    try:
        number = phonenumbers.parse(ascii_form(typed.strip(_AROUND)[:MAX_TYPED]), country or None)
    except NumberParseException:
        return set()
    number.extension = None
    with_zero = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    number.italian_leading_zero = None
    return {with_zero, phonenumbers.format_number(number, PhoneNumberFormat.E164)}


def _reason(error: NumberParseException, typed: str) -> str:
    if error.error_type == NumberParseException.TOO_LONG:
        return _("“%(typed)s” has too many digits.")
    no_country = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
    if no_country and not typed.startswith("+"):
        return _("“%(typed)s” has no country code. Write it like +44 20 7946 0958, or ask an admin "
                 "to set the country of your organisation.")  # fmt: skip
    if no_country:
        return _("“%(typed)s” begins with a country code that does not exist.")
    return _("“%(typed)s” is not a phone number. Write it like +44 20 7946 0958.")


def international(number: str) -> str:
    """Return an E.164 number as people write it; any other text is returned unchanged."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
