"""Find replies to the same person, and public replies to people who also wrote privately."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from crm.models import Interaction, ProfileLink
from responses.models import Response


def private_words(*cases: int) -> QuerySet[Interaction]:
    """Return the private messages that the parties of these cases wrote to us.

    A party can have written from any profile of its contact. Each row has the id of its case in
    the annotation `case`.
    """
    inbound = Interaction.objects.filter(
        conversation__case_links__case__in=cases,
        conversation__case_links__ended_at=None,
        direction="in",
        revises=None,
        visibility="private",
    ).annotate(
        case=F("conversation__case_links__case"),
        party=F("conversation__case_links__case__profile"),
    )
    same_contact = ProfileLink.objects.filter(
        profile=OuterRef("profile"),
        ended_at=None,
        contact__links__profile=OuterRef("party"),
        contact__links__ended_at=None,
    )
    return inbound.filter(Q(profile=F("party")) | Exists(same_contact))


def wrote_privately(responses: Iterable[Response]) -> dict[int, bool]:
    """Find the public replies to people who also wrote privately in the case.

    The result maps the id of each such reply to whether the person wrote privately after the reply
    was written. This takes one query for any number of responses.
    """
    public = [
        response
        for response in responses
        if response.case_id
        and not response.is_macro
        and response.visibility == Response.Visibility.PUBLIC
    ]
    received: Any = private_words(*{row.case_id for row in public if row.case_id})
    newest = received.order_by().values_list("case").annotate(at=Max("recorded_at"))
    last = dict(newest) if public else {}
    return {row.pk: last[row.case_id] > row.created_at for row in public if row.case_id in last}


def people(response: Response) -> frozenset[tuple[str, int]]:
    """Return the recipients of a response, as contacts or as profiles without a contact.

    The result is empty for a post.
    """
    profiles = [row.profile for row in response.deliveries.all() if row.profile]
    links = [(profile, profile.link) for profile in profiles]
    return frozenset(
        ("contact", link.contact_id) if link else ("profile", profile.pk) for profile, link in links
    )


def compete(one: Response, other: Response) -> bool:
    """Whether two responses are replies to the same person in the same case.

    A post has no single recipient, so the result is False for a post. It is also False for a
    private reply and its public acknowledgement, which belong to one decision.
    """
    same_case = one.pk != other.pk and one.case_id == other.case_id
    return (
        same_case
        and one.decision_id != other.decision_id
        and not people(one).isdisjoint(people(other))
    )


def competing(response: Response, pending: Iterable[Response]) -> list[Response]:
    return [other for other in pending if compete(response, other)]
