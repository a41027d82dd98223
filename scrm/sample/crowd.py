"""Three weeks of everyday posts and everyday staff work, which surround the story of the sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from crm.models import Department, User
from responses.compose import Place, places_for
from responses.decisions import answer_nothing
from responses.models import Delivery, Feedback
from routing.models import Case
from scrm.channels.sandbox import phrases
from scrm.channels.sandbox.community import US
from scrm.channels.sandbox.networks import BLUESKY, FEED, FORM, MAIL, MASTODON, SOCIAL, X
from scrm.channels.sandbox.people import CROWD
from scrm.sample import words
from scrm.sample.clock import at
from scrm.sample.people import SALES, SERVICE, TECHNICAL
from scrm.sample.setup import DIRECTOR
from scrm.sample.stage import Stage

_FIRST = ("Lena", "Omar", "Hugo", "Ayşe", "Kofi", "Greta", "Ravi", "Inés", "Pavel", "Zoë")
_LAST = ("Berg", "Mwangi", "Costa", "Yildiz", "Larsen", "Iyer", "Nowak", "Ortega")

_USED = (X, X, X, MASTODON, X, X, BLUESKY, X)


@dataclass(frozen=True, slots=True)
class Voice:
    key: str
    name: str
    reach: int
    on: str


PASSERS_BY = tuple(
    Voice(f"passer{n:02}", f"{_FIRST[n % 10]} {_LAST[n // 10]}", 17 * (n % 29) + 3, _USED[n % 8])
    for n in range(80)
)
"""Eighty people who are not contacts, most of them on X."""


def talk(stage: Stage, start: datetime, end: datetime, *, number: int) -> None:
    """Let simulated people write `number` posts at random times between `start` and `end`."""
    for _ in range(number):
        with at(start + (end - start) * stage.rng.random()):
            stage.rng.choices(tuple(_ACTIONS), tuple(_ACTIONS.values()))[0](stage)


def _public_post(stage: Stage) -> None:
    moods = (phrases.COMPLAINTS, phrases.PRAISE, phrases.QUESTIONS, phrases.NOISE)
    mood = stage.rng.choices(moods, (11, 3, 3, 2))[0]
    who = stage.rng.choice(PASSERS_BY)
    text = phrases.say(mood, stage.rng)
    stage.say(who.on, who.key, text, name=who.name, reach=who.reach)


def _mail(stage: Stage) -> None:
    who = stage.rng.choice([person for person in CROWD if person.mail])
    title, body = phrases.fill("\n".join(stage.rng.choice(phrases.MAILS)), stage.rng).split("\n")
    text = f"Dear Skyward Air,\n\n{body}\n\n{who.name}"
    stage.say(MAIL, who.key, text, to=US[MAIL], title=title)


def _message(stage: Stage) -> None:
    who = stage.rng.choice(CROWD)
    network = stage.rng.choice(who.on)
    stage.say(network, who.key, phrases.say(phrases.MESSAGES, stage.rng), to=US[network])


def _form(stage: Stage) -> None:
    who = stage.rng.choice([person for person in CROWD if person.mail])
    title, text = phrases.fill("\n".join(stage.rng.choice(phrases.FORMS)), stage.rng).split("\n")
    stage.say(FORM, who.key, text, to=US[FORM], title=title)


def _entry(stage: Stage) -> None:
    who = stage.rng.choice(CROWD)
    filled = phrases.fill("\n".join(stage.rng.choice(phrases.ENTRIES)), stage.rng)
    title, text = filled.split("\n")
    stage.say(FEED, who.key, text, title=title)


_ACTIONS: dict[Callable[[Stage], None], int] = {
    _public_post: 38, _mail: 6, _message: 4, _form: 2, _entry: 2,
}  # fmt: skip


def work(stage: Stage, *, share: float) -> None:
    """Let the staff handle some of the waiting cases, the oldest first.

    A case whose last message was deleted by its author is left to the user.
    share: the part of the cases to handle, from 0 to 1.
    """
    waiting = Case.objects.active().exclude(profile__links__contact__name="Ron Calder")
    waiting = waiting.exclude(last_inbound__mention__changes__kind="deleted")
    for case in waiting.order_by("last_inbound_at").select_related("department", "profile"):
        if stage.rng.random() < share:
            _handle(stage, case)
    stage.deliver()
    _answer_back(stage)
    _judge(stage)


def _handle(stage: Stage, case: Case) -> None:
    person = stage.rng.choice(_agents(case.department))
    case.claim(by=person, seen=case.assignee_id)
    if case.first_response_at:
        case.finish(
            by=person,
            seen=case.last_inbound_id,
            reasons="No question",
            why="Answered; nothing is open.",
        )
    else:
        stage.rng.choices(tuple(_CASE_ACTIONS), tuple(_CASE_ACTIONS.values()))[0](
            stage, case, person
        )


def _agents(department: Department) -> list[User]:
    able = department.memberships.working().select_related("user")
    return [membership.user for membership in able.order_by("pk")]


def _answer(stage: Stage, case: Case, person: User) -> None:
    text = stage.rng.choice(words.REPLIES[case.department.name])
    by = person.email.split("@")[0]
    place = _last_place(case)
    if place is None:
        stage.log_reply(case, text, by=by)
        return
    if place.permission.allowed:
        stage.reply(case, place, text, by=by)
    else:
        stage.post_by_hand(case, place, text, by=by)


def _last_place(case: Case) -> Place | None:
    """Return the place where the customer wrote last.

    Returns None if the department may not answer there.
    """
    conversation = case.last_inbound.conversation_id if case.last_inbound else None
    places = places_for(case)
    return next((p for p in places if p.conversation and p.conversation.pk == conversation), None)


def _close_without_reply(stage: Stage, case: Case, person: User) -> None:
    why = stage.rng.choice(words.NOTHING)
    answer_nothing(case, by=person, why=why, seen=case.last_inbound_id)


def _transfer(stage: Stage, case: Case, person: User) -> None:
    name = stage.rng.choice([SERVICE, SALES, TECHNICAL])
    if name != case.department.name:
        to = stage.workspace.departments[name]
        case.transfer(to=to, by=person, why=stage.rng.choice(words.HANDOVERS))


def _note(stage: Stage, case: Case, person: User) -> None:
    case.note(stage.rng.choice(words.NOTES), by=person)


def _snooze(stage: Stage, case: Case, person: User) -> None:
    until = timezone.now() + timedelta(hours=stage.rng.choice((6, 20, 44)))
    case.snooze(until=until, by=person, seen=case.last_inbound_id)


def _set_aside(stage: Stage, case: Case, person: User) -> None:
    case.set_aside(by=person, why=stage.rng.choice(words.NOISE))


_CASE_ACTIONS: dict[Callable[[Stage, Case, User], None], int] = {
    _answer: 50, _close_without_reply: 18, _transfer: 7, _note: 7, _snooze: 4, _set_aside: 14,
}  # fmt: skip


def _answer_back(stage: Stage) -> None:
    """Let some people reply to the responses that we sent in the last hour."""
    now = timezone.now()
    unanswered = Delivery.objects.filter(
        state="sent", sent_at__gt=now - timedelta(hours=1), feedback=None, response__audience="one"
    ).exclude(destination=DIRECTOR)
    for delivery in unanswered.filter(scope__in=[*SOCIAL, MAIL]).select_related("profile"):
        if delivery.profile and stage.rng.random() < 0.5:
            mood = stage.rng.choices((phrases.THANKS, phrases.ANGER, phrases.FOLLOW_UPS), (6, 3, 1))
            private = delivery.response.visibility == "private"
            with at(now + timedelta(minutes=stage.rng.randrange(5, 50))):
                stage.say(
                    delivery.scope,
                    delivery.destination,
                    phrases.say(mood[0], stage.rng),
                    in_reply_to=delivery.sent_key,
                    to=US[delivery.scope] if private else "",
                    name=delivery.profile.name,
                )


def _judge(stage: Stage) -> None:
    """Accept most of the proposed outcomes of feedback, and leave some for the user to judge."""
    fresh = Feedback.objects.filter(outcome="", at__gte=timezone.now() - timedelta(days=1))
    for feedback in fresh.exclude(proposed="").select_related("response"):
        if stage.rng.random() < 0.7:
            feedback.outcome = feedback.proposed
            feedback.judged_by_id = feedback.response.author_id
            feedback.save(update_fields=["outcome", "judged_by"])
