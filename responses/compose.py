"""From a human's decision to a response with its places. One form is one response (G2)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.models import Account, Conversation, Interaction, Profile, User
from responses.models import Decision, Delivery, Response
from responses.models.response import Refused
from responses.outbox import mark_sent
from routing.models import Case, CaseEvent, Department, Issue
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
    """What the form says. form: its UUID. seen: the last inbound interaction it showed."""

    form: uuid.UUID
    text: str
    visibility: str
    subject: str = ""
    seen: int | None = None


def places_for(case: Case, *, by: User) -> list[Place]:  # noqa: ARG001
    """Every way in which `by` may answer this party: account, profile, public or private.

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


def visibilities(account: Account) -> tuple[str, ...]:
    """In which ways an account can speak: its own limits, else its channel's."""
    return tuple(account.config.get("visibilities", account.channel.visibilities))


def max_length(account: Account) -> int | None:
    """The most characters that a text from this account may have."""
    limit: int | None = account.config.get("max_length", account.channel.max_length)
    return limit


def speaking_accounts(department: Department) -> list[Account]:
    """The active accounts from which a department may say something by machine."""
    accounts = department.accounts.active().order_by("name")
    return [account for account in accounts if account.channel.speaker]


def reply(case: Case, words: Words, *, place: Place, by: User) -> Response:
    """Answer one person (micro). The same form again gives the first response back.

    Raises Stale if they wrote since, Refused in the words of the rules.
    """
    existing = Response.objects.filter(uuid=words.form).first()
    if existing:
        return existing
    try:
        with transaction.atomic():
            case.check_seen(words.seen)
            answered = _answered(place, words.visibility)
            response = Response.objects.create(
                uuid=words.form,
                decision=_decide(Decision.Outcome.MICRO, case=case, by=by),
                case=case,
                issue=case.issue,
                department=case.department,
                author=by,
                in_reply_to=answered,
                audience=Response.Audience.ONE,
                visibility=words.visibility,
                subject=words.subject,
                text=words.text,
                created_at=timezone.now(),
            )
            _add(response, [place], answered)
            return response.send(by=by)
    except IntegrityError:  # the other click of a double click was first
        return Response.objects.get(uuid=words.form)


def state_publicly(
    words: Words,
    *,
    accounts: Sequence[Account],
    by: User,
    department: Department,
    case: Case | None = None,
    issue: Issue | None = None,
    corrects: Response | None = None,
) -> Response:
    """A statement to many (macro), in a department's name, about a case or an issue."""
    existing = Response.objects.filter(uuid=words.form).first()
    if existing:
        return existing
    issue = issue or (case.issue if case else None)
    try:
        with transaction.atomic():
            response = Response.objects.create(
                uuid=words.form,
                decision=_decide(Decision.Outcome.MACRO, case=case, issue=issue, by=by),
                case=case,
                issue=issue,
                department=department,
                author=by,
                corrects=corrects,
                audience=Response.Audience.MANY,
                visibility=Response.Visibility.PUBLIC,
                subject=words.subject,
                text=words.text,
                created_at=timezone.now(),
            )
            _add(response, [Place(account) for account in accounts], None)
            return response.send(by=by)
    except IntegrityError:
        return Response.objects.get(uuid=words.form)


def log_by_hand(case: Case, words: Words, *, account: Account, by: User) -> Response:
    """Write down what a human said by phone, letter or in person. It is sent already."""
    existing = Response.objects.filter(uuid=words.form).first()
    if existing:
        return existing
    now = timezone.now()
    try:
        with transaction.atomic():
            response = Response.objects.create(
                uuid=words.form,
                decision=_decide(Decision.Outcome.MICRO, case=case, by=by),
                case=case,
                issue=case.issue,
                department=case.department,
                author=by,
                audience=Response.Audience.ONE,
                visibility=Response.Visibility.PRIVATE,
                subject=words.subject,
                text=words.text,
                state="released",
                created_at=now,
                released_at=now,
            )
            delivery = Delivery.objects.create(
                response=response,
                account=account,
                destination=case.profile.key,
                profile=case.profile,
            )
            mark_sent(delivery, Receipt(account.network, str(delivery.uuid)), now=now)
            if delivery.interaction:
                what = words.subject or "Said by hand"
                case.add_conversation(delivery.interaction.conversation, by=by, why=what)
            return response
    except IntegrityError:
        return Response.objects.get(uuid=words.form)


@transaction.atomic
def answer_nothing(case: Case, *, by: User, why: str, seen: int | None) -> Decision:
    """No response, with a reason; the case is done."""
    case.check_seen(seen)
    decision = _decide(Decision.Outcome.NONE, case=case, by=by, why=why)
    case.finish(by=by, seen=seen, why=f"No response: {why}")
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
        case.log(CaseEvent.Kind.DECIDED, by=by, why=decision.get_outcome_display())
        if case.assignee_id is None:
            case.claim(by=by)
    return decision


def _answered(place: Place, visibility: str) -> Interaction | None:
    """What a reply replies to: their last words where it goes; in public, their public ones."""
    theirs = Interaction.objects.filter(profile=place.profile, direction="in")
    if place.conversation:
        theirs = theirs.filter(conversation=place.conversation)
    if visibility == Response.Visibility.PUBLIC:
        theirs = theirs.filter(visibility=visibility)
    return theirs.order_by("-pk").first()


def _add(response: Response, places: Sequence[Place], answered: Interaction | None) -> None:
    if not places:
        raise Refused("Choose where it should appear.")
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
