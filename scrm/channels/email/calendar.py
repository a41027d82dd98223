"""Describe an invitation (iCalendar, RFC 5545) as text: what, when, where, who."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrm.text.clean import plain

_LONGEST, _MAX_NAMED = 200_000, 20
_FOLD = re.compile(r"\r?\n[ \t]")
_PROPERTY = re.compile(r"([A-Za-z0-9-]{1,60})((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)?):(.*)", re.DOTALL)
_PARAMETER = re.compile(r";([A-Za-z0-9-]{1,60})=(?:\"([^\"]*)\"|([^;:\"]*))")
_ESCAPED = re.compile(r"\\([\\;,nN])")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z?))?")
_DURATION = re.compile(
    r"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,6})S)?)?"
)
_TITLES = {
    "REQUEST": "Invitation",
    "CANCEL": "Cancelled event",
    "REPLY": "Answer to an invitation",
    "COUNTER": "Proposal for another time",
}
_ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentatively accepted"}


@dataclass(frozen=True, slots=True)
class _Property:
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        return _ESCAPED.sub(lambda sign: "\n" if sign[1] in "nN" else sign[1], self.value).strip()

    @property
    def person(self) -> str:
        """The name and the address of an organizer or attendee."""
        address = re.sub(r"(?i)^mailto:", "", self.value.strip())
        name = self.parameters.get("CN", "").strip()
        answer = _ANSWERS.get(self.parameters.get("PARTSTAT", "").upper(), "")
        who = f"{name} <{address}>" if name and name != address else address
        return f"{who} ({answer})" if answer else who


_Event = dict[str, list[_Property]]


def describe(calendar: str, known: str = "") -> str:
    """Return the first event of a calendar as text; "" if it contains none.

    known: the text of the mail. The description is left out if this text contains it.
    """
    method, event = _first_event(_FOLD.sub("", calendar[:_LONGEST]))
    if not event:
        return ""
    title = _TITLES.get(method.upper(), "Event")
    lines = [f"{title}: {_text(event, 'SUMMARY')}".removesuffix(": ")]
    facts = {
        "When": _when(event),
        "Where": _text(event, "LOCATION"),
        "Organizer": ", ".join(found.person for found in event.get("ORGANIZER", [])[:1]),
        "Attendees": ", ".join(found.person for found in event.get("ATTENDEE", [])[:_MAX_NAMED]),
    }
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    description = plain(_text(event, "DESCRIPTION").replace("\n", "<br>"))
    if description and " ".join(description.split())[:200] not in " ".join(known.split()):
        lines += ["", description]
    return "\n".join(lines)


def _first_event(calendar: str) -> tuple[str, _Event]:
    """Return the method of a calendar, and the properties of its first event or task."""
    method, event, path = "", _Event(), list[str]()
    for name, found in _properties(calendar):
        if name == "BEGIN":
            path.append(found.value.strip().upper())
        elif name == "END":
            if path[-1:] in (["VEVENT"], ["VTODO"]) and event:
                break
            del path[-1:]
        elif name == "METHOD":
            method = found.value.strip()
        elif path[-1:] in (["VEVENT"], ["VTODO"]):  # not in an alarm inside it
            event.setdefault(name, []).append(found)
    return method, event


def _properties(calendar: str) -> Iterator[tuple[str, _Property]]:
    # Not splitlines(), which also splits at signs that a text may contain, such as U+2028.
    for line in calendar.replace("\r", "").split("\n"):
        if found := _PROPERTY.match(line):
            pairs = _PARAMETER.findall(found[2])
            parameters = {name.upper(): quoted or bare for name, quoted, bare in pairs}
            yield found[1].upper(), _Property(parameters, found[3])


def _text(event: _Event, name: str) -> str:
    return event[name][0].text if name in event else ""


def _when(event: _Event) -> str:
    """Return begin and end of an event, in the time zone that it names."""
    begin = next(iter(event.get("DTSTART", ())), None) or next(iter(event.get("DUE", ())), None)
    if begin is None:
        return ""
    zone = "UTC" if begin.value.strip().endswith("Z") else begin.parameters.get("TZID", "")
    start, whole_day = _moment(begin.value)
    if start is None:
        return begin.text
    try:
        return _period(start, _end(event, start), zone, whole_day=whole_day)
    except OverflowError:  # before the year 1, or after the year 9999
        return begin.text


def _period(start: datetime, end: datetime | None, zone: str, *, whole_day: bool) -> str:
    if whole_day:
        # The end of a whole-day event is the day after.
        last = end - timedelta(days=1) if end else start
        return f"{start:%Y-%m-%d}" + (f" to {last:%Y-%m-%d}" if last > start else "")
    until = ""
    if end and end > start:
        until = f" to {end:%H:%M}" if end.date() == start.date() else f" to {end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M}{until} {zone}".strip()


def _end(event: _Event, start: datetime) -> datetime | None:
    if "DTEND" in event:
        return _moment(event["DTEND"][0].value)[0]
    if found := _DURATION.fullmatch(_text(event, "DURATION")):
        weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
        return start + timedelta(days, seconds, minutes=minutes, hours=hours, weeks=weeks)
    return None


def _moment(value: str) -> tuple[datetime | None, bool]:
    """Return a time as it is written, and whether it is a whole day."""
    found = _MOMENT.match(value.strip())
    if found is None:
        return None, False
    try:
        numbers = [int(found[group] or 0) for group in range(1, 6)]
        return datetime(*numbers), found[4] is None  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None, False
