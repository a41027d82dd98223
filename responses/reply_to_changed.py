"""What to do with a reply if the message that it answers was deleted or edited at its source.

If the message was edited, users are warned. If it was deleted, the reply is not sent. A user can
move its text to the private composer, or close the case.
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
from responses.answered_item import LastChange, last_changes
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
    """What a page says about a reply to a message that was edited or deleted since.

    change: the newest change of the message. If it was deleted, a user can move the text or close
      the case.
    last_inbound: the newest message of the case that the page shows.
    """

    change: LastChange
    last_inbound: int | None

    @property
    def is_deletion(self) -> bool:
        return self.change.is_deletion


def offers(responses: Collection[Response], user: User) -> dict[int, Offer]:
    """Return {response id: offer} for the unsent replies to messages that were changed since.

    Only replies that the user may edit are included. If no message was changed, this takes one
    query.
    """
    replies = [row for row in responses if row.case_id and row.in_reply_to_id and is_unsent(row)]
    changes = last_changes({row.in_reply_to_id for row in replies if row.in_reply_to_id})
    found = {
        row.pk: (row, change)
        for row in replies
        if (change := changes.get(row.in_reply_to_id or 0))
        and (change.is_deletion or change.recorded_at > row.created_at)
    }
    if not found:
        return {}
    mine = editable([row for row, _ in found.values()], user)
    return {
        pk: Offer(change, _last_inbound(row)) for pk, (row, change) in found.items() if pk in mine
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
    case, why = response.case, _("Deleted at the source")
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
    mine.note("Cancelled: the message was deleted at the source.", by=by, now=timezone.now())
