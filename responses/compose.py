"""From a human's decision to a response with its places. One form is one response (G2)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.ledger import lock_workspace
from crm.models import Account, Attachment, Conversation, Department, Interaction, Profile, User
from responses import release
from responses.models import Campaign, Delivery, Response
from responses.models.response import Refused
from responses.outbox import mark_sent
from routing.models import Case, CaseEvent, Decision, Issue
from routing.models.status import Stale
from scrm.channels.base import Receipt


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text goes: from which account, and to whom; nobody named means the public.

    conversation: what it continues there, seen by whom the text will be; None opens a new one.
    """

    account: Account
    profile: Profile | None = None
    conversation: Conversation | None = None
    visibility: str = Response.Visibility.PUBLIC


@dataclass(frozen=True, slots=True)
class Words:
    """What the form says. form: its UUID. seen: the last inbound interaction it showed.

    versions: account → other words that go there. send_at: not before then.
    """

    form: uuid.UUID
    text: str
    visibility: str
    subject: str = ""
    seen: int | None = None
    versions: Mapping[int, str] = field(default_factory=dict)
    send_at: datetime | None = None


def places_for(case: Case) -> list[Place]:
    """Every way in which staff may answer this party: account, profile, public or private.

    In public only where they said something in public that can be answered.
    """
    link = case.profile.link
    profiles = list(Profile.objects.of_contact(link.contact)) if link else [case.profile]
    last = {
        (interaction.profile_id, interaction.visibility): interaction.conversation
        for interaction in Interaction.objects.filter(
            conversation__in=case.conversations, profile__in=profiles, direction="in"
        )
        .select_related("conversation")
        .order_by("pk")
    }
    return [
        Place(account, profile, last.get((profile.pk, visibility)), visibility)
        for account in speaking_accounts(case.department)
        for profile in profiles
        for visibility in sorted(visibilities(account), reverse=True)
        if profile.network == account.network
        and (visibility == "private" or (profile.pk, visibility) in last)
    ]


def default_place(
    places: Sequence[Place], *, party: Profile, private_in: Conversation | None
) -> Place | None:
    """The place that the composer selects: the party's own profile comes first.

    private_in: where they last wrote privately in the case, if they did. Then a private place
    comes before any public one, and the one that continues that conversation before the others.
    """

    def rank(place: Place) -> tuple[bool, bool, bool]:
        private = private_in is not None and place.visibility == Response.Visibility.PRIVATE
        return (
            not private,
            not (private and place.conversation == private_in),
            place.profile != party,
        )

    return min(places, key=rank, default=None)


def visibilities(account: Account) -> tuple[str, ...]:
    """In which ways an account can speak: its own limits, else its channel's."""
    return tuple(account.config.get("visibilities", account.channel.visibilities))


def max_length(account: Account) -> int | None:
    """The most characters that a text from this account may have."""
    limit: int | None = account.config.get("max_length", account.channel.max_length)
    return limit


def titled(account: Account) -> bool:
    """Whether a text from this account shows a title of its own there."""
    shows: bool = account.config.get("titles", account.channel.titles)
    return shows


def speaking_accounts(department: Department) -> list[Account]:
    """The active accounts from which a department may say something by machine."""
    accounts = department.accounts.active().order_by("name")
    return [account for account in accounts if account.channel.speaker]


def public_accounts(department: Department) -> list[Account]:
    """Those of them that may speak to everyone."""
    public = Response.Visibility.PUBLIC
    return [each for each in speaking_accounts(department) if public in visibilities(each)]


def reply(
    case: Case, words: Words, *, place: Place, by: User, along: Sequence[Attachment] = ()
) -> Response:
    """Answer one person (micro). The same form again gives the first response back.

    along: files, stored or not. Raises Stale if they wrote since, Refused in the words of
    the rules.
    """

    def write() -> Response:
        case.check_seen(words.seen)
        answered = _answered(case, place, words.visibility)
        response = write_down(
            words, by=by, case=case, in_reply_to=answered, visibility=words.visibility
        )
        _add(response, [place], answered)
        for file in along:
            file.save(force_update=file.pk is not None)  # it may be swept away at this moment
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
    """A statement to many (macro), in a department's name, about a case or an issue.

    campaign: what it counts for. Raises Refused in the words of the rules, or of the campaign.
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


def log_by_hand(case: Case, words: Words, *, account: Account, by: User) -> Response:
    """Write down what a human said by phone, letter or in person. It is sent already."""

    def write() -> Response:
        now = timezone.now()
        lock_workspace()  # before any row, as all writers of the ledger do
        response = write_down(words, by=by, case=case, state="released", released_at=now)
        delivery = Delivery.objects.create(
            response=response,
            account=account,
            destination=case.profile.key,
            profile=case.profile,
        )
        mark_sent(delivery, Receipt(account.network, str(delivery.uuid)), now=now)
        return response

    return once(words, write)


def once(words: Words, write: Callable[[], Response]) -> Response:
    """One form is one response (G2): its UUID is looked up before anything is judged."""
    existing = Response.objects.filter(uuid=words.form).first()
    if existing is None:
        try:
            with transaction.atomic():
                return write()
        except (IntegrityError, Stale):  # or the other click of a double click was first
            existing = Response.objects.filter(uuid=words.form).first()
            if existing is None:
                raise
    if existing.text != words.text or existing.state == "cancelled":
        raise Stale(
            "This form was already sent with another text, or was undone. Press the button again."
        )
    return existing


def write_down(words: Words, *, by: User, case: Case | None, **facts: Any) -> Response:
    """The decision and its response: micro and private, unless `facts` say otherwise."""
    issue = facts.pop("issue", None) or (case.issue if case else None)
    audience = facts.setdefault("audience", Response.Audience.ONE)
    outcome = Decision.Outcome.MACRO if audience == "many" else Decision.Outcome.MICRO
    defaults = {"visibility": Response.Visibility.PRIVATE, "created_at": timezone.now()}
    if case:
        up_to_date = case.last_inbound_id == words.seen
        defaults |= {"department": case.department, "seen_id": words.seen if up_to_date else None}
    return Response.objects.create(
        uuid=words.form,
        decision=_decide(outcome, case=case, issue=issue, by=by),
        case=case,
        issue=issue,
        author=by,
        subject=words.subject,
        text=words.text,
        versions={str(account): text for account, text in words.versions.items()},
        send_at=words.send_at,
        **(defaults | facts),
    )


@transaction.atomic
def answer_nothing(case: Case, *, by: User, why: str, seen: int | None) -> Decision:
    """No response, with a reason; the case is done."""
    case.check_seen(seen)
    if case.is_closed:
        raise Stale(f"The status of this case is already {case.get_status_display().lower()}.")
    decision = _decide(Decision.Outcome.NONE, case=case, by=by, why=why)
    case.finish(by=by, seen=seen, why=f"Closed without reply: {why}")
    return decision


def _decide(
    outcome: str,
    *,
    by: User,
    case: Case | None = None,
    issue: Issue | None = None,
    why: str = "",
) -> Decision:
    decision = Decision.objects.create(
        case=case, issue=issue, outcome=outcome, by=by, why=why, at=timezone.now()
    )
    if case:
        if case.is_closed and outcome == Decision.Outcome.MICRO:
            case.reopen(by=by, why=f"Answered again; the status was {case.status}.")
        case.log(CaseEvent.Kind.DECIDED, by=by, why=decision.get_outcome_display())
        if case.assignee_id is None:
            case.claim(by=by)
    return decision


def _answered(case: Case, place: Place, visibility: str) -> Interaction | None:
    """What a reply replies to: their last words in this case where it goes; in public, public."""
    theirs = Interaction.objects.filter(
        conversation__in=case.conversations, profile=place.profile, direction="in"
    )
    if place.conversation:
        theirs = theirs.filter(conversation=place.conversation)
    if visibility == Response.Visibility.PUBLIC:
        theirs = theirs.filter(visibility=visibility)
    return theirs.order_by("-pk").first()


def readdress(response: Response, places: Sequence[Place], *, by: User) -> None:
    """Let a draft go to exactly these places. Nothing of it was tried so far."""
    wanted = {(each.account.pk, each.profile.key if each.profile else ""): each for each in places}
    there = {(each.account_id, each.destination): each for each in response.deliveries.all()}
    way = response.visibility if response.is_macro else places[0].visibility
    if wanted.keys() == there.keys() and way == response.visibility:
        return
    kept = wanted.keys() & there.keys() if way == response.visibility else set()
    gone = [each.pk for spot, each in there.items() if spot not in kept]
    response.deliveries.filter(pk__in=gone).delete()
    if response.case and not response.is_macro:
        response.visibility = way
        response.in_reply_to = _answered(response.case, places[0], way)
        response.save(update_fields=["visibility", "in_reply_to"])
    added = [place for spot, place in wanted.items() if spot not in kept]
    if added:
        _add(response, added, response.in_reply_to)
    names = ", ".join(f"{each.account} → {each.profile or 'everyone'}" for each in places)
    response.note(f"Recipients changed: {names} ({way}).", by=by, now=timezone.now())


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
