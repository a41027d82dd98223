"""What to do with a reply if the author has deleted the message that it answers.

The reply is not sent. A user can move its text to the private composer, or close the case.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import User
from responses import check_sending, upload_field
from responses.answered_item import deletions
from responses.compose import Place, default_place, places_for
from responses.decisions import answer_nothing, decide
from responses.models import Draft, Response
from responses.models.response import Refused, State
from responses.recipients import private_words
from responses.release import verdict_on
from responses.signing import editable, is_unsent
from routing.models import Decision
from routing.models.status import Stale


@dataclass(frozen=True, slots=True)
class Offer:
    """What a user can do with a reply to a deleted message.

    deleted_at: when scrm learned of the deletion.
    last_inbound: the newest message of the case that the page shows.
    """

    deleted_at: datetime
    last_inbound: int | None


def offers(responses: Collection[Response], user: User) -> dict[int, Offer]:
    """Return {response id: offer} for the unsent replies to deleted messages.

    Only replies that the user may edit are included. If no message was deleted, this takes one
    query.
    """
    replies = [row for row in responses if row.case_id and row.in_reply_to_id and is_unsent(row)]
    gone = deletions({row.in_reply_to_id for row in replies if row.in_reply_to_id})
    replies = [row for row in replies if row.in_reply_to_id in gone]
    if not replies:
        return {}
    mine = editable(replies, user)
    return {
        row.pk: Offer(gone[row.in_reply_to_id], _last_inbound(row))
        for row in replies
        if row.pk in mine and row.in_reply_to_id
    }


def private_place(response: Response, *, now: datetime) -> Place | None:
    """Return where the text can be sent privately to the same person; None if nowhere.

    The network must let us write there, and no business rule may refuse the private text.
    """
    if response.case is None:
        return None
    private = Response.Visibility.PRIVATE
    places = [
        place
        for place in places_for(response.case)
        if place.visibility == private and place.permission.allowed
    ]
    words = private_words(response.case.pk).select_related("conversation").order_by("pk").last()
    place = default_place(
        places, party=response.case.profile, private_in=words.conversation if words else None
    )
    if place is None:
        return None
    message = Response(
        case=response.case, issue=response.issue, department=response.department,
        author=response.author, text=response.text, subject=response.subject,
        audience=Response.Audience.ONE, visibility=private,
    )  # fmt: skip
    return None if verdict_on(message, accounts=[place.account], now=now).stops else place


@transaction.atomic
def message_privately(response: Response, *, place: str, by: User) -> None:
    """Cancel the reply, and make its text a draft of a private message by the same author.

    `place` is the name of the private place in the composer. The files of the reply move to the
    draft. Raises Stale if the reply was sent or changed meanwhile. Raises Refused if the author has
    begun another reply in the case.
    """
    case, author = response.case, response.author
    draft = Draft.objects.filter(case=case, issue=None, kind="reply", author=author).first()
    if draft and draft.text:
        raise Refused(
            _("%(author)s has begun another reply in this case. Send or discard it first.")
            % {"author": author}
        )
    _stop(response, by=by)
    Draft.keep(
        case=case,
        kind="reply",
        by=author,
        text=response.text,
        seen=draft.version if draft else 0,
        fields={
            "subject": response.subject,
            "place": place,
            "kept": upload_field.take_back(response),
        },
    )


@transaction.atomic
def close_as_deleted(response: Response, *, seen: int | None, by: User) -> None:
    """Cancel the reply, and record that the case needs none because the message was deleted.

    The case is closed if it is open. Raises Stale if the reply was sent, or if the party has
    written meanwhile.
    """
    case, why = response.case, _("Deleted by author")
    if case is None:
        raise Stale("This response belongs to no case.")
    case.check_seen(seen)
    _stop(response, by=by)
    case.refresh_from_db()
    if case.is_closed:
        decide(Decision.Outcome.NONE, case=case, by=by, why=why)
    else:
        answer_nothing(case, by=by, why=why, seen=seen)


def _last_inbound(response: Response) -> int | None:
    return response.case.last_inbound_id if response.case else None


def _stop(response: Response, *, by: User) -> None:
    """Cancel the reply so that it can never be sent. A failed delivery is marked as handled."""
    mine = response.lock()
    if not is_unsent(mine):
        raise Stale(_("This reply was already sent or cancelled. Nothing was changed."))
    failed = mine.deliveries.filter(state="failed", settled_at=None).order_by("pk")
    if not failed:
        mine.cancel(by=by)
        return
    for delivery in failed:
        check_sending.dismiss(delivery, by=by)
    mine.become(State.CANCELLED)
    mine.note("Cancelled: the author deleted the message.", by=by, now=timezone.now())
