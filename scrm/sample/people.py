"""The staff of Skyward Air and their departments. All of them are invented."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from django.contrib.auth.hashers import make_password

from crm.models import Account, Department, Membership, User, Workspace
from routing.clock import Holiday, Hours
from routing.models import Calendar, ResponseTarget
from scrm.sample.logins import Login, new_password

SERVICE, SALES, MARKETING, TECHNICAL = (
    "Customer service", "Sales", "Marketing", "Technical support",
)  # fmt: skip
FALLBACK = SERVICE

_COLOURS = {SERVICE: "#2f6fdd", SALES: "#1d8a5f", MARKETING: "#b3541e", TECHNICAL: "#7a4fc4"}
_HOURS = {
    SERVICE: {"urgent": 1, "high": 4, "normal": 8, "low": 24},
    SALES: {"urgent": 2, "high": 4, "normal": 12, "low": 48},
    MARKETING: {"urgent": 2, "high": 8, "normal": 24, "low": 72},
    TECHNICAL: {"urgent": 1, "high": 4, "normal": 12, "low": 48},
}
"""The SLA targets of each priority, in hours."""
_RESOLUTION = {"urgent": 8 * 60, "high": 2 * 540, "normal": 5 * 540}
"""Minutes of working time until a case is done; a day has nine working hours."""


@dataclass(frozen=True, slots=True)
class Hire:
    """One member of the staff.

    role: the role in the workspace: "admin", "supervisor" or "".
    part: the role in the department.
    """

    name: str
    role: str = ""
    department: str = ""
    part: str = "agent"

    @property
    def first_name(self) -> str:
        return self.name.split()[0].lower()

    @property
    def email(self) -> str:
        return f"{self.first_name}@skyward.example"

    @property
    def title(self) -> str:
        return f"{self.part}, {self.department}" if self.department else self.role


STAFF = (
    Hire("Ada Lindqvist", "admin"),
    Hire("Sunita Rao", "supervisor"),
    Hire("Carla Mendes", department=SERVICE, part="lead"),
    Hire("Ben Osei", department=SERVICE),
    Hire("Mia Novak", department=SERVICE),
    Hire("Rita Gomez", department=SERVICE, part="reader"),
    Hire("Paul Weber", department=SALES, part="lead"),
    Hire("Elena Petrova", department=SALES),
    Hire("Nora Haddad", department=MARKETING, part="lead"),
    Hire("Tim Byrne", department=MARKETING),
    Hire("Dev Kapoor", department=TECHNICAL, part="lead"),
    Hire("Lucy Chen", department=TECHNICAL),
)


def hire() -> tuple[dict[str, User], list[Login]]:
    """Create the users of the staff; return them by first name, and their logins.

    The passwords are random, so each workspace has different ones.
    """
    logins = [Login(person.title, person.email, new_password()) for person in STAFF]
    # Computing a hash occupies a processor core for a third of a second.
    with ThreadPoolExecutor() as pool:
        hashes = pool.map(make_password, [login.password for login in logins])
    people = {
        person.first_name: User.objects.create(
            email=person.email, name=person.name, role=person.role, password=hash
        )
        for person, hash in zip(STAFF, hashes, strict=True)
    }
    return people, logins


def found_departments(owner: User) -> dict[str, Department]:
    """Create the four departments with which every workspace begins, and their SLA targets."""
    departments = {
        name: Department.objects.create(
            name=name,
            owner=owner,
            colour=colour,
            is_fallback=name == FALLBACK,
            position=position,
        )
        for position, (name, colour) in enumerate(_COLOURS.items())
    }
    ResponseTarget.objects.bulk_create(
        ResponseTarget(
            department=departments[name],
            priority=priority,
            first=hours * 60,
            next=hours * 60,
            resolution=_RESOLUTION.get(priority),
        )
        for name, targets in _HOURS.items()
        for priority, hours in targets.items()
    )
    return departments


def open_hours(owner: User) -> None:
    """Create the working hours of the sample: a default calendar with three holidays."""
    workspace = Workspace.objects.here()
    week = (((8 * 60, 20 * 60),),) * 5 + (((9 * 60, 17 * 60),),) * 2
    holidays = (
        Holiday(date(2026, 12, 24), "Christmas Eve", ((9 * 60, 12 * 60),)),
        Holiday(date(2026, 12, 25), "Christmas Day", yearly=True),
        Holiday(date(2027, 1, 1), "New Year's Day", yearly=True),
    )
    calendar = Calendar.objects.create(name="Service hours", owner=owner, is_default=True)
    zone = workspace.zone if workspace else "UTC"
    calendar.revise(Hours(zone, week, holidays), by=owner)


def seat(people: dict[str, User], departments: dict[str, Department]) -> None:
    for person in STAFF:
        if person.department:
            Membership.objects.create(
                user=people[person.first_name],
                department=departments[person.department],
                role=person.part,
            )


def by_hand(owner: User, departments: dict[str, Department]) -> Account:
    """Create the account for phone calls, letters and personal talks, which all departments use."""
    account = Account.objects.create(
        kind="manual", network="offline", self_key="by-hand", name="Logged manually", owner=owner
    )
    for department in departments.values():
        department.accounts.add(account)
    return account
