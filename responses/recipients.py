"""Who a response goes to, and which replies compete for the same person."""

from __future__ import annotations

from collections.abc import Iterable

from responses.models import Response


def people(response: Response) -> frozenset[tuple[str, int]]:
    """Who it addresses: contacts, or profiles that are linked to none. Empty for a statement."""
    profiles = [each.profile for each in response.deliveries.all() if each.profile]
    links = [(profile, profile.link) for profile in profiles]
    return frozenset(
        ("contact", link.contact_id) if link else ("profile", profile.pk) for profile, link in links
    )


def compete(one: Response, other: Response) -> bool:
    """Whether both are replies to the same person on the same case.

    A statement addresses nobody by name, so it competes with nothing.
    """
    same_case = one.pk != other.pk and one.case_id == other.case_id
    return same_case and not people(one).isdisjoint(people(other))


def competing(response: Response, pending: Iterable[Response]) -> list[Response]:
    return [each for each in pending if compete(response, each)]
