"""The party of a case: a contact with all linked profiles, or a profile without a contact."""

from __future__ import annotations

from crm.models import Profile
from crm.models.profile import ProfileQuerySet
from routing.models.case import Case


def party(case: Case) -> ProfileQuerySet:
    """Return all profiles of the case's party.

    These are all profiles of the contact. If the case's profile is linked to no contact, only
    this profile is returned.
    """
    contact = case.profile.contact
    if contact is None:
        return Profile.objects.filter(pk=case.profile_id)
    return Profile.objects.of_contact(contact)


def is_same_party(one: Case, other: Case) -> bool:
    return one.profile_id == other.profile_id or party(one).filter(pk=other.profile_id).exists()
