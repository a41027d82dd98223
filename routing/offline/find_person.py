"""Find people by name, handle, number or address while the user types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crm.models import Contact, Profile, ProfileLink
from crm.search import profiles_named, some_contacts_named
from routing.offline.cells import Unclear, phone
from scrm.text.clean import storable
from scrm.text.fold import UNBROKEN
from scrm.web.params import number

MAX_PEOPLE = 8
NEW = "new"
"""Form value for a person who is not in the CRM yet; the search words are the name."""
_CONTACT = "contact-"
_UNBROKEN = re.compile(f"[{UNBROKEN}]")


@dataclass(frozen=True, slots=True)
class Person:
    """One search result.

    value: what the form posts for it. where: handle or address, and the network. kind: kind of
    contact, in words. known: whether it is a contact.
    """

    value: str
    name: str
    where: str
    kind: str
    known: bool


def chosen(value: str) -> Profile | Contact | None:
    """Return the profile or contact of a form value; None if there is none."""
    if value.startswith(_CONTACT):
        pk = number(value.removeprefix(_CONTACT))
        return Contact.objects.filter(pk=pk).first() if pk else None
    pk = number(value)
    profiles = Profile.objects.prefetch_related("links__contact")
    return profiles.filter(pk=pk).first() if pk else None


def as_person(one: Profile | Contact) -> Person:
    if isinstance(one, Contact):
        return Person(f"{_CONTACT}{one.pk}", one.name, "", one.get_kind_display(), known=True)
    contact = one.contact
    where = one.handle or (one.key if one.network in {"phone", "email"} else "")
    return Person(
        str(one.pk),
        str(one),
        " · ".join(part for part in (where if where != str(one) else "", one.network) if part),
        contact.get_kind_display() if contact else _("No contact yet"),
        known=contact is not None,
    )


def find(words: str) -> list[Person]:
    """Return the first few people whose name, handle, number or address starts with these words.

    Profiles, each with its contact, and contacts without a profile; known contacts come first.
    It answers between two keystrokes, however many people there are.
    """
    words = storable(words).strip()
    profiles, contacts = profiles_named(words), list(some_contacts_named(words)[:MAX_PEOPLE])
    if _UNBROKEN.search(words):  # no spaces between words: match anywhere
        profiles = Profile.objects.filter(name__icontains=words)
        contacts = list(Contact.objects.filter(name__icontains=words)[:MAX_PEOPLE])
    linked = Profile.objects.filter(links__contact__in=contacts, links__ended_at=None)
    found = [*_with_number(words), *linked[: 2 * MAX_PEOPLE], *profiles[:MAX_PEOPLE]]
    rows = Profile.objects.filter(pk__in=[each.pk for each in found])
    people = [as_person(each) for each in rows.prefetch_related("links__contact")]
    people += [as_person(each) for each in _without_profile(contacts)]
    return sorted(people, key=_first)[:MAX_PEOPLE]


def _first(person: Person) -> tuple[bool, str, bool]:
    """Sort key: known contacts first, then by name; a person's phone profile comes first."""
    return (not person.known, person.name.casefold(), not person.where.endswith("phone"))


def _with_number(words: str) -> QuerySet[Profile]:
    """Phone profiles with these digits anywhere in their number."""
    try:
        digits = phone(words).lstrip("+0")
    except Unclear:
        digits = ""
    phones = Profile.objects.filter(network="phone", key__contains=digits)
    return phones[:MAX_PEOPLE] if digits else phones.none()


def _without_profile(contacts: list[Contact]) -> list[Contact]:
    links = ProfileLink.objects.filter(contact__in=contacts, ended_at=None)
    linked = set(links.values_list("contact_id", flat=True))
    return [contact for contact in contacts if contact.pk not in linked]
