"""Search for people by name, handle, phone number or address while the user types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crm.models import Contact, Profile, ProfileLink
from crm.search import profiles_named, some_contacts_named
from scrm.templatetags.networks import network_label
from scrm.text.clean import storable
from scrm.text.dates import ascii_form
from scrm.web.params import number

MAX_PEOPLE = 8
NEW = "new"
"""Form value for a person who is not stored yet; then the search words are the person's name."""
_CONTACT = "contact-"
_NUMBER = re.compile(r"\+?[\d ()/.\-]{3,40}")


@dataclass(frozen=True, slots=True)
class Person:
    """One search result: a profile or a contact.

    value: the value that the form posts for this person.
    where: the handle or address, and the network.
    kind: the kind of contact, in words.
    known: True if the result is a contact, or a profile that is linked to a contact.
    """

    value: str
    name: str
    where: str
    kind: str
    known: bool


def chosen(value: str) -> Profile | Contact | None:
    """Return the profile or contact for the value of a form field; None if there is none."""
    if value.startswith(_CONTACT):
        pk = number(value.removeprefix(_CONTACT))
        return Contact.objects.filter(pk=pk).first() if pk else None
    pk = number(value)
    profiles = Profile.objects.prefetch_related("links__contact")
    return profiles.filter(pk=pk).first() if pk else None


def value_of(one: Profile | Contact) -> str:
    """Return the value of a form field for which `chosen` returns this profile or contact."""
    return f"{_CONTACT}{one.pk}" if isinstance(one, Contact) else str(one.pk)


def as_person(one: Profile | Contact) -> Person:
    if isinstance(one, Contact):
        return Person(value_of(one), one.name, "", one.get_kind_display(), known=True)
    contact = one.contact
    where = one.handle or (one.key if one.network in {"phone", "email"} else "")
    return Person(
        value_of(one),
        str(one),
        " · ".join(
            part
            for part in (where if where != str(one) else "", network_label(one.network))
            if part
        ),
        contact.get_kind_display() if contact else _("No contact yet"),
        known=contact is not None,
    )


def find(words: str) -> list[Person]:
    """Return the first `MAX_PEOPLE` people who match the search words.

    The name, the handle, the phone number or the address must match. Each result is a profile, or a
    contact that has no profile. Contacts and profiles that are linked to a contact come first.

    This runs at each keystroke, so every query has a limit.
    """
    words = storable(words).strip()
    profiles, contacts = profiles_named(words), list(some_contacts_named(words)[:MAX_PEOPLE])
    linked = Profile.objects.filter(links__contact__in=contacts, links__ended_at=None)
    found = [*_with_number(words), *linked[: 2 * MAX_PEOPLE], *profiles[:MAX_PEOPLE]]
    rows = Profile.objects.filter(pk__in=[profile.pk for profile in found])
    people = [as_person(profile) for profile in rows.prefetch_related("links__contact")]
    people += [as_person(contact) for contact in _without_profile(contacts)]
    return sorted(people, key=_sort_key)[:MAX_PEOPLE]


def _sort_key(person: Person) -> tuple[bool, str, bool]:
    """Return a key that sorts known people first, and then sorts by name.

    If names are equal, phone profiles come first.
    """
    return (
        not person.known,
        person.name.casefold(),
        not person.where.endswith(network_label("phone")),
    )


def _with_number(words: str) -> QuerySet[Profile]:
    """Return at most `MAX_PEOPLE` phone profiles whose number contains the digits in `words`.

    A leading zero is ignored: it is dialled before a number and is no part of it.
    """
    typed = ascii_form(words)
    digits = re.sub(r"\D", "", typed).lstrip("0") if _NUMBER.fullmatch(typed) else ""
    phones = Profile.objects.filter(network="phone", key__contains=digits)
    return phones[:MAX_PEOPLE] if digits else phones.none()


def _without_profile(contacts: list[Contact]) -> list[Contact]:
    links = ProfileLink.objects.filter(contact__in=contacts, ended_at=None)
    linked = set(links.values_list("contact_id", flat=True))
    return [contact for contact in contacts if contact.pk not in linked]
