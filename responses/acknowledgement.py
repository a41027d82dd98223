"""Say in public that a private question was answered privately.

The public text is a response of its own, with its own rules, approvals and delivery. It is sent
only after the private reply was sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from crm.models import Attachment, User
from responses.compose import Place, Words, reply
from responses.models import Response
from responses.models.response import Refused
from routing.models import Case

FIELD = "acknowledgement"
"""The form field of the public text."""


def public_places(places: Sequence[Place]) -> list[Place]:
    """Return the places under the party's public messages at which we may reply."""
    return [
        place
        for place in places
        if place.visibility == Response.Visibility.PUBLIC
        and place.permission.allowed
        and not place.quote
    ]


def nearest(public: Sequence[Place], private: Place) -> Place | None:
    """Return where a reply at the place `private` is acknowledged; None if nowhere.

    The same account comes first, so that the person finds the private message there, and then the
    same profile.
    """

    def distance(place: Place) -> tuple[bool, bool]:
        return place.account != private.account, place.profile != private.profile

    return min(public, key=distance, default=None)


@transaction.atomic
def reply_and_acknowledge(
    case: Case,
    words: Words,
    *,
    place: Place,
    by: User,
    along: Sequence[Attachment] = (),
    public_text: str,
    public: Place,
) -> Response:
    """Reply privately, and acknowledge it publicly at the place `public`; return the reply.

    Raises what `compose.reply` raises. If a rule refuses the public text, nothing is stored.
    """
    response = reply(case, words, place=place, by=by, along=along)
    said = replace(
        words,
        # Derived from the reply's form, so that a double click creates only one acknowledgement.
        form=uuid.uuid5(words.form, FIELD),
        text=public_text,
        visibility=Response.Visibility.PUBLIC.value,
        subject="",
        as_thread=False,
    )
    try:
        reply(case, said, place=public, by=by, acknowledges=response)
    except Refused as refusal:
        refusal.field = FIELD
        raise
    return response
