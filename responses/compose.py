"""Create the decision, the response and its deliveries from a submitted form.

If a form is submitted twice, only one response is created: guarantee G2 (docs/guarantees.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.models import Account, Attachment, Conversation, Department, Interaction, Profile, User
from responses import release, served
from responses.answered_item import deleted_at
from responses.decisions import decide
from responses.models import Campaign, Delivery, Response, acknowledged
from responses.models.response import Refused
from responses.reply_permission import ALLOWED, permission
from responses.served import Candidate
from responses.shown_case import check_shown
from responses.speaking_accounts import speaking_accounts, visibilities
from routing.models import Case, Decision, Issue
from routing.models.status import Stale
from scrm.channels.base import Outgoing
from scrm.channels.reply_rule import Permission


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is sent: from which account, and to which profile.

    If `profile` is None, the text is published for everybody. `conversation` is the conversation
    that the text continues. This conversation has the same visibility as the text. If
    `conversation` is None, the text starts a new conversation. `message` is the message that the
    text answers, or quotes if `quote` is true. `permission` says whether the network lets us do it.
    """

    account: Account
    profile: Profile | None = None
    conversation: Conversation | None = None
    visibility: str = Response.Visibility.PUBLIC
    quote: bool = False
    message: Interaction | None = field(default=None, compare=False)
    permission: Permission = field(default=ALLOWED, compare=False)

    def outgoing(self, text: str) -> Outgoing:
        """Return what would be sent here, as far as it matters for the length of the text."""
        there = self.message and self.message.scope == self.account.network
        item = self.message if there else None
        return Outgoing(
            nonce="",
            text=text,
            destination=self.profile.key if self.profile else "",
            handle=self.profile.handle if self.profile else "",
            in_reply_to=item.key if item and not self.quote else "",
            quote=item.key if item and self.quote else "",
            visibility=self.visibility,  # type: ignore[arg-type]
            about=item.title if item else "",
        )


@dataclass(frozen=True, slots=True)
class Words:
    """What the author entered in a form.

    `form` is the UUID of the form. `seen` is the id of the last inbound interaction that the form
    showed. `shown` is the `shown_case.marker` of the form. `versions` maps the id of an account to
    a different text for that account. The text is not sent before `send_at`. With `as_thread`, a
    text that is too long for a network is sent as several posts. `copies` are the addresses of
    further recipients of a mail.
    """

    form: uuid.UUID
    text: str
    visibility: str
    subject: str = ""
    seen: int | None = None
    shown: str = ""
    versions: Mapping[int, str] = field(default_factory=dict)
    send_at: datetime | None = None
    as_thread: bool = False
    copies: Sequence[str] = ()


def places_for(case: Case) -> list[Place]:
    """Return all places where the party of the case can be answered, in private or in public.

    A public place is included only if the profile wrote in public in this case. Where the network
    has quotes, the message can also be quoted.
    """
    link = case.profile.link
    profiles = list(Profile.objects.of_contact(link.contact)) if link else [case.profile]
    last = {
        (interaction.profile_id, interaction.visibility): interaction
        for interaction in Interaction.objects.filter(
            conversation__in=case.conversations, profile__in=profiles, direction="in", revises=None
        )
        .select_related("conversation", "mention")
        .order_by("pk")
    }
    places = [
        _place(account, profile, visibility, last)
        for account in speaking_accounts(case.department)
        for profile in profiles
        for visibility in sorted(visibilities(account), reverse=True)
        if profile.network == account.network
        and (visibility == "private" or (profile.pk, visibility) in last)
    ]
    public = [place for place in places if place.visibility == Response.Visibility.PUBLIC]
    return places + [replace(place, quote=True) for place in public if place.account.channel.quotes]


def _place(
    account: Account,
    profile: Profile,
    visibility: str,
    last: Mapping[tuple[int | None, str], Interaction],
) -> Place:
    """Return the place of a reply to this profile.

    `last` maps the id of a profile and a visibility to the last message. If the profile sent no
    message of this visibility, the reply starts a new conversation. Then the last public message
    shows whether the network lets us reply.
    """
    message = last.get((profile.pk, visibility))
    conversation = message.conversation if message else None
    received = message or last.get((profile.pk, Response.Visibility.PUBLIC.value))
    allowed = permission(account, received, visibility)
    return Place(account, profile, conversation, visibility, message=message, permission=allowed)


def default_place(
    places: Sequence[Place], *, party: Profile, private_in: Conversation | None
) -> Place | None:
    """Return the place that the composer selects at first, or None if there is no place.

    `party` is the profile of the case. It is preferred to other profiles of the same contact.
    `private_in` is the conversation of the party's last private message in the case, or None. If it
    is given, private places come first, and the place that continues this conversation is the first
    of them. Places where the network does not let us reply come last.
    """

    def rank(place: Place) -> tuple[bool, ...]:
        private = private_in is not None and place.visibility == Response.Visibility.PRIVATE
        return (
            not place.permission.allowed,
            not private,
            not (private and place.conversation == private_in),
            place.profile != party,
            place.quote,
        )

    return min(places, key=rank, default=None)


def reply(
    case: Case,
    words: Words,
    *,
    place: Place,
    by: User,
    along: Sequence[Attachment] = (),
    acknowledges: Response | None = None,
    serves: Sequence[Candidate] = (),
) -> Response:
    """Reply to one person; return the response.

    If the same form is submitted twice, the second call returns the first response. The files
    `along` are attached; they may be unsaved. If the text only acknowledges a private reply in
    public, `acknowledges` is that reply, and both belong to one decision. A public reply also
    `serves` these people of its thread. Raises Stale if the party has written meanwhile. Raises
    Refused with the reason of a business rule, or if another agent works on a served case.
    """

    def write() -> Response:
        # All cases at once, so that the order of locks is kept.
        cases = [case.pk, *(person.case.pk for person in serves if person.case)]
        Case.objects.filter(pk__in=cases).lock()
        # This check is next, so that nothing is stored if the party wrote meanwhile.
        case.check_seen(words.seen)
        check_shown(case, words.shown, by=by)
        answered = _answered(case, place, words.visibility)
        facts: dict[str, Any] = {
            "in_reply_to": answered, "visibility": words.visibility, "is_quote": place.quote,
        }  # fmt: skip
        if acknowledges:
            facts |= {"acknowledges": acknowledges, "decision": acknowledges.decision}
        response = write_down(words, by=by, case=case, **facts)
        _add(response, [place], answered)
        served.store(response, serves, by=by)
        for file in along:
            # The file cleanup may have deleted a stored file: save() must not insert its row again.
            file.save(force_update=file.pk is not None)
            response.attachments.add(file)
        return release.send(response, by=by)

    return once(words, write)


def state_publicly(
    words: Words,
    *,
    accounts: Sequence[Account],
    by: User,
    department: Department,
    case: Case | None = None,
    issue: Issue | None = None,
    corrects: Response | None = None,
    campaign: Campaign | None = None,
) -> Response:
    """Publish a post about a case or an issue, in the name of a department.

    The post is added to `campaign`, if one is given. Raises Refused with the reason of a business
    rule, or if the post cannot be added to the campaign.
    """

    def write() -> Response:
        response = write_down(
            words,
            by=by,
            case=case,
            issue=issue,
            department=department,
            corrects=corrects,
            audience=Response.Audience.MANY,
            visibility=Response.Visibility.PUBLIC,
        )
        _add(response, [Place(account) for account in accounts], None)
        release.send(response, by=by)
        if campaign:
            campaign.add(response, by=by)
        return response

    return once(words, write)


def once(words: Words, write: Callable[[], Response]) -> Response:
    """Call `write` at most once for each form; return the response that the first call created.

    This is guarantee G2 (docs/guarantees.md). Raises Stale if the same form was submitted with
    other text or copies, or if the response was cancelled.
    """
    # This look-up is first: the rules must not judge a form again that was submitted before.
    existing = Response.objects.filter(uuid=words.form).first()
    if existing is None:
        try:
            # A savepoint: after an IntegrityError, the query below needs a valid transaction.
            with transaction.atomic():
                return write()
        except (IntegrityError, Stale):  # the other request of a double click may have stored it
            existing = Response.objects.filter(uuid=words.form).first()
            if existing is None:
                raise
    said = (existing.text, existing.copies)
    if said != (words.text, list(words.copies)) or existing.state == "cancelled":
        raise Stale(
            "This form was already sent with another text, or was undone. Press the button again."
        )
    return existing


def write_down(words: Words, *, by: User, case: Case | None, **facts: Any) -> Response:
    """Store the decision, unless `facts` has one, and the response.

    If `facts` does not say otherwise, the response is a private reply to one person. `facts` can
    also set further fields of the response.
    """
    issue = facts.pop("issue", None) or (case.issue if case else None)
    audience = facts.setdefault("audience", Response.Audience.ONE)
    outcome = Decision.Outcome.MACRO if audience == "many" else Decision.Outcome.MICRO
    defaults = {"visibility": Response.Visibility.PRIVATE, "created_at": timezone.now()}
    if case:
        # Messages that the author did not see must not count as answered.
        up_to_date = case.last_inbound_id == words.seen
        defaults |= {"department": case.department, "seen_id": words.seen if up_to_date else None}
    decision = facts.pop("decision", None) or decide(outcome, case=case, issue=issue, by=by)
    return Response.objects.create(
        uuid=words.form,
        decision=decision,
        case=case,
        issue=issue,
        author=by,
        subject=words.subject,
        text=words.text,
        versions={str(account): text for account, text in words.versions.items()},
        send_at=words.send_at,
        as_thread=words.as_thread,
        copies=list(words.copies),
        **(defaults | facts),
    )


def _answered(case: Case, place: Place, visibility: str) -> Interaction | None:
    """Return the party's last message at this place, which a reply answers.

    For a public reply, only public messages count. A private reply does not answer a message that
    its author has deleted: it can be sent all the same.
    """
    messages = Interaction.objects.filter(
        conversation__in=case.conversations, profile=place.profile, direction="in", revises=None
    )
    if place.conversation:
        messages = messages.filter(conversation=place.conversation)
    if visibility == Response.Visibility.PUBLIC:
        messages = messages.filter(visibility=visibility)
    last = messages.order_by("-pk").first()
    is_public = visibility == Response.Visibility.PUBLIC
    return None if not is_public and deleted_at(last) else last


def readdress(response: Response, places: Sequence[Place], *, by: User) -> None:
    """Replace the recipients and accounts of an unsent response.

    Call this only if no delivery of the response was attempted yet.
    """
    wanted = {
        (place.account.pk, place.profile.key if place.profile else ""): place for place in places
    }
    present = {
        (delivery.account_id, delivery.destination): delivery
        for delivery in response.deliveries.all()
    }
    visibility = response.visibility if response.is_macro else places[0].visibility
    is_quote = not response.is_macro and places[0].quote
    present_kind = response.visibility, response.is_quote
    if wanted.keys() == present.keys() and (visibility, is_quote) == present_kind:
        return
    # If the visibility changes, all deliveries are replaced: a delivery must not continue a
    # conversation with another visibility.
    same = wanted.keys() & present.keys() if visibility == response.visibility else set()
    gone = [delivery.pk for key, delivery in present.items() if key not in same]
    response.deliveries.filter(pk__in=gone).delete()
    if response.case and not response.is_macro:
        response.visibility, response.is_quote = visibility, is_quote
        response.in_reply_to = _answered(response.case, places[0], visibility)
        response.save(update_fields=["visibility", "in_reply_to", "is_quote"])
        is_public = visibility == Response.Visibility.PUBLIC
        is_in_thread = is_public and not is_quote
        served.forget_outside(response, places[0].conversation if is_in_thread else None)
        if is_public:
            acknowledged.cancel_unsent(response, by=by, why="The reply is public now.")
    added = [place for key, place in wanted.items() if key not in same]
    if added:
        _add(response, added, response.in_reply_to)
    names = ", ".join(f"{place.account} → {place.profile or 'everyone'}" for place in places)
    kind = f"{visibility} quote" if is_quote else visibility
    response.note(f"Recipients changed: {names} ({kind}).", by=by, now=timezone.now())


def _add(response: Response, places: Sequence[Place], answered: Interaction | None) -> None:
    if not places:
        raise Refused("Select at least one channel.")
    for place in places:
        Delivery.objects.create(
            response=response,
            account=place.account,
            destination=place.profile.key if place.profile else "",
            profile=place.profile,
            conversation=place.conversation
            if answered and place.conversation and answered.scope == place.account.network
            else None,
        )
