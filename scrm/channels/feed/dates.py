"""Read the dates of feeds: every form that feedparser and gofeed read, and some more.

A date without a time zone is in UTC. A date without a year is no date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from unicodedata import category
from zoneinfo import ZoneInfo

from scrm.text.dates import ascii_form
from scrm.text.normal import normalize

_LONGEST = 100
_EARLIEST = 1970
_EPOCH_DAYS = (date(1969, 12, 31), date(1970, 1, 1), date(1970, 1, 2))
"""The day on which computers begin to count, in every time zone: the real date is not known."""
_TIME = re.compile(
    r"(?<![\d+-])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,]\d{1,9})?)?(?![\d])(?: ?([ap])\.?m\b\.?)?"
)
_COMPACT_TIME = re.compile(r"(?<=\d)t(\d\d)(\d\d)(\d\d)?(?:[.,]\d{1,9})?(?!\d)()")
_HOUR_ALONE = re.compile(r"(?<=\d{4}) (\d{1,2})()()()(?= [+-]\d)")
_HOUR_OF_HALF = re.compile(r"(?<![\d:.])(\d{1,2})()() ?([ap])\.?m\b\.?")
_OFFSET = re.compile(
    r"(?<!\d)([+-]){1,2}(?:(\d{1,2}):?(\d\d)?| (\d\d):?(\d\d)(?<! - \d\d:\d\d))(?!\d)"
)
"""A space after the sign only before four digits. ` - 12:00` is the end of a period."""
_ETC = re.compile(r"\betc/gmt([+-]\d{1,2})(?!\d)")
_ZONE_NAME = re.compile(r"(?<![^\W\d_])(?<!/)(?:etc/)?([a-z]{1,5})(?![^\W\d_]|/)")
_REGION = re.compile(r"\b([a-z]{3,12}/[a-z_]{3,30})\b")
_WORD = re.compile(r"[^\W\d_]+")
_FOUR_DIGITS = re.compile(r"(?<!\d)\d{4}(?!\d)")
_NUMBER = re.compile(r"(?<!\d)\d{1,4}(?!\d)")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_SHORT = re.compile(r"(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_DIGITS = re.compile(r"(?<!\d)(\d{4}|\d\d)(\d\d)(\d\d)(?!\d)")
_ORDINAL = re.compile(r"(?<!\d)(\d{4}|\d\d)-?(\d{3})(?!\d)")
_WEEK = re.compile(r"(?<!\d)(\d{4})-?w(\d\d)(?:-?([1-7]))?(?!\d)")
_SHORT_MONTH = re.compile(r"\A-(\d\d)-?(\d\d)\Z")
_YEAR = re.compile(r"\A(\d{4})\Z")
_REPLACED = (
    (re.compile(r"(\d) ?[时時点點시] ?"), r"\1:"),
    (re.compile(r"(\d) ?[分분] ?(?=\d)"), r"\1:"),
    (re.compile(r"(\d)h(?=\d\d)"), r"\1:"),
    (re.compile(r"(\d) ?[年년月월] ?(?=\d)"), r"\1-"),
    (re.compile(r"(오전|上午|午前) ?(\d{1,2}(?::\d{1,2}){1,2})"), r"\2 am"),
    (re.compile(r"(오후|下午|午後) ?(\d{1,2}(?::\d{1,2}){1,2})"), r"\2 pm"),
    (re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)? (?=\d\d:\d\d:\d\d)"), ""),
)
"""Other ways to write a time, and how `_TIME` and `_YEAR_FIRST` read it."""
_KOREAN = re.compile("[년오]")
_MONTHS = (
    "jan feb mar apr may jun jul aug sep oct nov dec",  # English
    "jan feb mar apr mai jun jul aug sep okt nov dez",  # German
    "jan fev mar avr mai jui juil aou sep oct nov dec",  # French
    "ene feb mar abr may jun jul ago set oct nov dic",  # Spanish
    "gen feb mar apr mag giu lug ago set ott nov dic",  # Italian
    "jan fev mar abr mai jun jul ago set out nov dez",  # Portuguese
    "jan feb maa apr mei jun jul aug sep okt nov dec",  # Dutch
    "jan feb mar apr maj jun jul aug sep okt nov des",  # Danish, Norwegian, Swedish
    "tam hel maal huh tou kes hei elo syy lok marr jou",  # Finnish
    "sty lut mar kwi maj cze lip sie wrz paz lis gru",  # Polish
    "led uno bre dub kve cerv cervenc srp zar rij lis pro",  # Czech
    "jan feb mar apr maj jun jul aug sze okt nov dec",  # Hungarian
    "ian feb mar apr mai iun iul aug sep oct noi dec",  # Romanian
    "oca sub mar nis may haz tem agu eyl eki kas ara",  # Turkish
    "янв фев мар апр маи июн июл авг сен окт ноя дек",
    "янв фев мар апр мая июн июл авг сен окт ноя дек",
    "січ лют бер кві тра чер лип сер вер жов лис гру",  # noqa: RUF001 - Ukrainian
    "ιαν φεβ μαρ απρ μαι ιουν ιουλ αυγ σεπ οκτ νοε δεκ",  # noqa: RUF001 - Greek
    "ιαν φεβ μαω απρ μαω ιον ιολ αυγ σεπ οκτ νοε δεκ",  # noqa: RUF001 - Greek, misspelt
)
"""The beginnings of the names of the months, without accents."""
_MONTH_OF = {
    beginning: number
    for names in reversed(_MONTHS)
    for number, beginning in enumerate(names.split(), 1)
}
_ZONES = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0,
    "bst": 60, "cet": 60, "met": 60, "mez": 60, "wat": 60, "west": 60,
    "cat": 120, "cest": 120, "mest": 120, "mesz": 120, "eet": 120, "sast": 120,
    "eat": 180, "eest": 180, "msk": 180, "trt": 180, "irst": 210, "gst": 240, "msd": 240,
    "pkt": 300, "ist": 330, "npt": 345, "ict": 420, "wib": 420,
    "awst": 480, "hkt": 480, "pht": 480, "sgt": 480, "jst": 540, "kst": 540,
    "acst": 570, "aest": 600, "acdt": 630, "aedt": 660, "nzst": 720, "nzdt": 780,
    "nst": -210, "ndt": -150, "art": -180, "brt": -180, "adt": -180, "ast": -240,
    "edt": -240, "est": -300, "cdt": -300, "cst": -360, "mdt": -360, "mst": -420,
    "pdt": -420, "pst": -480, "akdt": -480, "akst": -540, "hst": -600,
}  # fmt: skip
"""Minutes ahead of UTC. Names with several meanings have that of RFC 822, or else the most common
one: BST is British Summer Time, IST is Indian time."""
_REGIONS = {
    "et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver",
    "pt": "America/Los_Angeles", "at": "America/Halifax",
}  # fmt: skip
"""Names that stand for two offsets, one in summer and one in winter."""


def moment(written: Iterable[str], now: datetime) -> datetime | None:
    """Return the first of the written dates that can be true, in UTC; None if there is none.

    A date in the future, before 1970 or at the start of Unix time cannot be true.
    """
    for text in written:
        found = parse(text)
        if found and found <= now and found.year >= _EARLIEST and found.date() not in _EPOCH_DAYS:
            return found
    return None


def parse(written: str) -> datetime | None:
    """Return a date and time in UTC; None if the text is no date, or has no year."""
    if not written or len(written) > _LONGEST:
        return None
    text = " ".join(ascii_form(written).lower().split())
    is_korean = bool(_KOREAN.search(text))
    for pattern, form in _REPLACED:
        text = pattern.sub(form, text)
    clock = _time_in(text)
    before, after = (text[: clock.start()], text[clock.end() :]) if clock else (text, "")
    try:
        zone, rest = _zone(
            after if clock else text, has_time=clock is not None, is_korean=is_korean
        )
        day = _date(f"{before} {rest}" if clock else rest, has_am_pm=bool(clock and clock[4]))
        return _in_zone(datetime.combine(day, datetime.min.time()) + _since_midnight(clock), zone)
    except (ValueError, OverflowError, LookupError):
        return None


def _time_in(text: str) -> re.Match[str] | None:
    patterns = (_TIME, _COMPACT_TIME, _HOUR_ALONE, _HOUR_OF_HALF)
    return next((found for pattern in patterns if (found := pattern.search(text))), None)


def _since_midnight(clock: re.Match[str] | None) -> timedelta:
    if clock is None:
        return timedelta()
    hour, minute, second = (int(part or 0) for part in clock.group(1, 2, 3))
    if clock[4]:
        hour = hour % 12 + 12 * (clock[4] == "p") if hour <= 12 else hour
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise ValueError("no time")
    # Python does not support leap seconds, so take the last second of that minute.
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59))


def _in_zone(local: datetime, zone: timedelta | str) -> datetime:
    if isinstance(zone, str):
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return (local - zone).replace(tzinfo=UTC)


def _zone(text: str, *, has_time: bool, is_korean: bool) -> tuple[timedelta | str, str]:
    """Return the zone that is written after a time, and the text without it.

    The zone is its offset, or the name of a region. An offset counts more than a name, as in
    `10:00 +0200 (CEST)`, and belongs to it in `UTC+1`.
    """
    if found := _ETC.search(text):
        # In these names, "-" means ahead of UTC (POSIX).
        return timedelta(hours=-int(found[1])), text.replace(found[0], "")
    if (offset := _offset(text, has_time=has_time)) is not None:
        return offset
    if found := _REGION.search(text):
        area, _, place = found[1].partition("/")
        if area != "etc":
            return _region(area, place), text.replace(found[0], "")
    for found in _ZONE_NAME.finditer(text):
        name = found[1]
        if name in _ZONES or name in _REGIONS:
            zone = timedelta(minutes=_ZONES[name]) if name in _ZONES else _REGIONS[name]
            return zone, text[: found.start()] + text[found.end() :]
    return timedelta(hours=9 if is_korean else 0), text


def _offset(text: str, *, has_time: bool) -> tuple[timedelta, str] | None:
    """Return the offset that is written after a time, and the text without it."""
    found = _OFFSET.search(text)
    # Not at the start of a date without a time: there "-03-12" is December 2003.
    if not found or not (has_time or found.start()):
        return None
    sign, hours, minutes = found[1], found[2] or found[4], found[3] or found[5]
    if len(hours) == 2 and not minutes and text[found.end() - 3 : found.end()].isdigit():
        hours, minutes = hours[0], hours[1]
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset > timedelta(hours=15):
        return None
    return -offset if sign == "-" else offset, text[: found.start()] + text[found.end() :]


def _region(area: str, place: str) -> timedelta | str:
    name = f"{area.title()}/{place.title()}"
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return timedelta()
    return name


def _date(text: str, *, has_am_pm: bool) -> date:
    """Return the date in a text. Raises ValueError if there is none.

    has_am_pm: whether the time has am or pm, as in the United States, where the month comes first.
    """
    text = text.strip(" t,;()[]")
    if found := _YEAR_FIRST.search(text):
        return date(int(found[1]), int(found[2]), int(found[3] or 1))
    if found := _YEAR_LAST.search(text):
        first, second, year = (int(part) for part in found.groups())
        month_first = second > 12 or (has_am_pm and first <= 12)
        return date(year, first, second) if month_first else date(year, second, first)
    if not _FOUR_DIGITS.search(text) and (found := _SHORT.search(text)):
        return _short(*found.groups())
    if month := _named_month(text):
        return _with_month_name(month, _NUMBER.findall(text))
    if found := _WEEK.search(text):
        return date.fromisocalendar(int(found[1]), int(found[2]), int(found[3] or 1))
    return _without_separators(text)


def _short(first: str, sign: str, second: str, third: str) -> date:
    """Return a date whose year has two digits. Raises ValueError if its order is not certain."""
    if sign == "." and len(third) == 2:
        return date(_year(third), int(second), int(first))
    if len(first) == 2 and (sign == "-" or len(third) == 1):
        return date(_year(first), int(second), int(third))
    raise ValueError("no certain date")


def _named_month(text: str) -> int:
    """Return the month that is named in a text; 0 if there is none.

    Names of weekdays and zones begin like months: "mar." is also Tuesday. The month is the last
    such word before the year, or else the first one after it.
    """
    found = [(word.start(), number) for word in _WORD.finditer(text) if (number := _month(word[0]))]
    year = _FOUR_DIGITS.search(text)
    before = [number for place, number in found if not year or place < year.start()]
    return before[-1] if before else next((number for _place, number in found), 0)


def _without_separators(text: str) -> date:
    if found := _DIGITS.search(text):
        return date(_year(found[1]), int(found[2]), int(found[3]))
    if found := _ORDINAL.search(text):
        start = date(_year(found[1]), 1, 1)
        day = start + timedelta(days=int(found[2]) - 1)
        if day.year != start.year:
            raise ValueError("no day of the year")
        return day
    if found := _SHORT_MONTH.search(text):
        return date(_year(found[1]), int(found[2]), 1)
    if found := _YEAR.search(text):
        return date(int(found[1]), 1, 1)
    raise ValueError("no date")


def _month(word: str) -> int:
    """Return the number of the month with this name, in any language; 0 if there is none."""
    bare = "".join(c for c in normalize("NFD", word) if category(c) != "Mn")
    for length in range(min(len(bare), 7), 2, -1):
        if number := _MONTH_OF.get(bare[:length]):
            return number
    return 0


def _with_month_name(month: int, numbers: list[str]) -> date:
    years = [number for number in numbers if len(number) == 4] or numbers[1:2]
    if not years:
        raise ValueError("no year")
    days = [number for number in numbers if number is not years[0] and len(number) <= 2]
    return date(_year(years[0]), month, int(days[0]) if days else 1)


def _year(written: str) -> int:
    """Return a year. Two digits mean a year from 1970 to 2069."""
    year = int(written)
    return year if len(written) == 4 else year + (2000 if year < 70 else 1900)
