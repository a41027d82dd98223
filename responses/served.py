"""One public answer can serve several people of a thread: who they are, and what it changes.

The answer stays one interaction under the message of one person. It is shown on the timelines of
the others too, and their open cases count as answered when it was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from crm.models import Conversation, Interaction, Profile, User
from responses.decisions import decide
from responses.models import Response, ServedPerson
from responses.models.response import Refused
from routing import answering
from routing.case_page import public_thread
from routing.models import Case, CaseConversation, CaseEvent, Decision
from routing.party import party

FIELD = "serves"
"""The form field of the served people."""
MAX_READ = 300
"""The number of the newest messages of a thread whose authors are offered."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person whom an answer in the thread can serve too; see `ServedPerson`."""

    profile: Profile
    message: Interaction
    case: Case | None

    @property
    def value(self) -> str:
        """The value of the checkbox. It names the message, so that nobody is served unread."""
        return value_of(self.profile.pk, self.message.pk)

    @property
    def thread(self) -> tuple[str, str]:
        conversation = self.message.conversation
        return conversation.network, conversation.thread_key


def value_of(profile: int, message: int) -> str:
    return f"{profile}:{message}"


def candidates(case: Case, user: User) -> list[Candidate]:
    """Return the other people who wrote in the public threads of the case, the newest first."""
    written = public_thread(case, user).filter(direction="in", revises=None, profile__isnull=False)
    written = written.exclude(profile__in=party(case)).select_related("profile", "conversation")
    newest: dict[Profile, Interaction] = {}
    # Only who wrote when is needed: the texts of many messages can be long.
    written = written.defer("title", "text", "html", "words", "details")
    for message in written.order_by("-sort_at", "-pk")[:MAX_READ]:
        if message.profile:
            newest.setdefault(message.profile, message)
    cases = _open_cases([message.conversation_id for message in newest.values()], user)
    return [
        Candidate(profile, message, cases.get(message.conversation_id))
        for profile, message in newest.items()
    ]


def _open_cases(conversations: Sequence[int], user: User) -> dict[int, Case]:
    """Return {conversation id: its open case} for the cases on which the user may work."""
    if not conversations:
        return {}
    workable = Case.objects.workable_by(user).living()
    links = CaseConversation.objects.filter(
        conversation__in=conversations, ended_at=None, case__in=workable.values("pk")
    )
    return {link.conversation_id: link.case for link in links.select_related("case__profile")}


def store(response: Response, people: Sequence[Candidate], *, by: User) -> None:
    """Store whom the answer serves too, and a decision for each of their open cases.

    Call this while the cases are locked. Raises Refused if another agent works on one of them.
    """
    assert response.case
    _refuse_taken([person.case.pk for person in people if person.case], by=by)
    for person in people:
        ServedPerson.objects.create(
            response=response, profile=person.profile, message=person.message, case=person.case
        )
        if person.case:
            why = f"Answered with the public answer to {response.case.profile}."
            decide(Decision.Outcome.MICRO, case=person.case, by=by, why=why)


def _refuse_taken(cases: Sequence[int], *, by: User) -> None:
    taken = Case.objects.filter(pk__in=cases).exclude(assignee=None).exclude(assignee=by)
    case = taken.select_related("profile", "assignee").order_by("pk").first()
    if case:
        why = _(
            "%(agent)s works on the case of %(name)s. Clear this person, or take the case over."
        )
        refusal = Refused(why % {"agent": case.assignee, "name": case.profile})
        refusal.field = FIELD
        raise refusal


def forget_outside(response: Response, thread: Conversation | None) -> None:
    """Let an unsent answer serve only people of this public thread; None: nobody else."""
    outside = response.served.all()
    if thread:
        outside = outside.exclude(
            message__conversation__network=thread.network,
            message__conversation__thread_key=thread.thread_key,
        )
    outside.delete()


def count_as_answered(response: Response, *, answered_by: int, now: datetime) -> None:
    """Count the open cases of the served people as answered, because the answer was sent.

    Call this while the cases are locked; see `ResponseQuerySet.lock`.
    """
    for person in response.served.filter(case__isnull=False).select_related("case"):
        assert person.case
        answering.count_as_answered(
            person.case, at=now, seen=person.message_id, answered_by=answered_by,
            written_at=response.created_at,
        )  # fmt: skip
        why = "Our public answer to another person serves this person too."
        person.case.log(
            CaseEvent.Kind.ANSWERED, by=response.author, why=why, now=now, response=response.pk
        )
