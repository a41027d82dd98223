"""Move responses and drafts between cases when cases are merged or split."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Notice, User
from responses.models import Delivery, Draft, Response, ServedPerson
from responses.models.response import State
from routing.models import Case
from scrm.db.locks import locked, update_in_order


def move_responses(
    source: Case,
    target: Case,
    conversations: Collection[int] | None,
    also: Collection[int],
    by: User,
) -> list[int]:
    """Move responses between two cases, and return their ids; see `routing.above`.

    An approval was asked for the case as it was, so a held response returns to its author. Its text
    is kept. Planned and queued responses are sent as planned.
    """
    found = Response.objects.filter(case=source)
    if conversations is not None:
        answers = Q(in_reply_to__conversation__in=conversations)
        continues = Q(deliveries__conversation__in=conversations)
        was_sent = Q(deliveries__interaction__conversation__in=conversations)
        found = found.filter(answers | continues | was_sent | Q(pk__in=also))
    ids = set(found.order_by().values_list("pk", flat=True))
    # The cases are locked already. Lock all their responses at once: an undo moves some of them
    # first and the others later, and locks are taken in the order of the ids.
    all_rows = locked(Response.objects.filter(case__in=[source, target]))
    rows = [response for response in all_rows if response.pk in ids]
    for response in rows:
        response.case = target
        response.save(update_fields=["case"])
        if response.state == State.HELD:
            _return_to_author(response, target, by)
    ServedPerson.objects.filter(response__in=ids, case=source).update(case=target)
    if conversations is None:
        ServedPerson.objects.filter(case=source).update(case=target)
        _move_drafts(source, target)
    return [response.pk for response in rows]


def _return_to_author(response: Response, target: Case, by: User) -> None:
    now = timezone.now()
    why = _(
        "The case was merged or split, and the text now belongs to case #%(case)d. "
        "Check the text and send it again."
    ) % {"case": target.pk}
    response.become(State.DRAFT)
    response.note(_("Returned to its author: %(why)s") % {"why": why}, by=by, now=now)
    edit = reverse("responses:edit", args=[response.pk])
    response.tell_author(Notice.Kind.SENT_BACK, by=by, text=why, url=edit, now=now)


def _move_drafts(source: Case, target: Case) -> None:
    """Move the texts that users are typing. If an author types in both cases, keep both texts."""
    for draft in locked(Draft.objects.filter(case=source)):
        there = Draft.objects.filter(case=target, kind=draft.kind, author=draft.author_id).first()
        if there is None:
            draft.case = target
            draft.save(update_fields=["case"])
            continue
        if draft.text:
            there.text = f"{there.text}\n\n{draft.text}".strip()
            there.version += 1
            there.save(update_fields=["text", "version"])
        draft.delete()


def unsent_texts(case: Case) -> tuple[int, int]:
    """Return the numbers of held responses and of drafts with a text."""
    held = Response.objects.held().filter(case=case).count()
    return held, Draft.objects.filter(case=case).exclude(text="").count()


def has_unsent_reply(case: Case, profile: int) -> bool:
    """Return whether a reply to this profile is held or waits to be sent in the case."""
    return Delivery.objects.filter(
        response__case=case,
        response__state__in=[State.HELD, State.RELEASED],
        profile=profile,
        state__in=["queued", "sending"],
    ).exists()


def being_answered(cases: Collection[int]) -> set[int]:
    """Return the ids of those cases for which a user has a draft with a text or a held response."""
    drafts = Draft.objects.filter(case__in=cases).exclude(text="").values_list("case", flat=True)
    held = Response.objects.held().filter(case__in=cases).values_list("case", flat=True)
    return set(drafts.union(held))


def move_deliveries(interactions: Collection[int], conversation: int) -> None:
    """Let the deliveries of these interactions continue another conversation."""
    moved = Delivery.objects.filter(interaction__in=list(interactions))
    update_in_order(moved, conversation=conversation)
