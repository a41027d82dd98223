"""Look up rows by the user's rights: 404 without the right to read, 403 without that to act."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404

from crm.access import StaffRequest
from crm.models import Department, Interaction, User
from responses.models import Delivery, Feedback, Response
from responses.recipients import wrote_privately
from responses.results.answer_counts import ASKED, Tally, outcome_is, tallies
from responses.signing import editable, is_unsent
from responses.trace import echoes
from routing.models import Case

MAX_ROWS = 100
M = TypeVar("M", bound=Model)


def case_to_see(request: StaffRequest, pk: int) -> Case:
    cases = Case.objects.visible_to(request.user)
    return get_object_or_404(cases.select_related("profile", "department", "issue"), pk=pk)


def may_work_on(case: Case, user: User) -> bool:
    return Case.objects.workable_by(user).filter(pk=case.pk).exists()


def case_to_work_on(request: StaffRequest, pk: int) -> Case:
    case = case_to_see(request, pk)
    if not may_work_on(case, request.user):
        raise PermissionDenied
    return case


def departments_to_speak_for(user: User) -> list[Department]:
    """Departments in whose name a user may address the public."""
    return list(Department.objects.worked_by(user))


def may_speak_for(department: Department, user: User) -> bool:
    return department in departments_to_speak_for(user)


def chosen(departments: list[Department], asked: Mapping[str, Any]) -> Department:
    """The department that the page names, else the first one."""
    named = asked.get("department", "")
    return next((each for each in departments if str(each.pk) == named), departments[0])


def response_to_see(request: StaffRequest, pk: int) -> Response:
    responses = Response.objects.visible_to(request.user).select_related(
        "case__profile", "issue", "department", "author", "decision__by"
    )
    return get_object_or_404(responses, pk=pk)


def words_answered(responses: Iterable[Response], user: User) -> dict[int, Interaction]:
    """Response id → the interaction that it answers, if `user` may read it."""
    answered = {each.pk: each.in_reply_to_id for each in responses if each.in_reply_to_id}
    readable = Interaction.objects.readable_by(user).in_bulk(list(answered.values()))
    return {pk: readable[said] for pk, said in answered.items() if said in readable}


def changeable(responses: Collection[Response], user: User) -> set[int]:
    """Ids of the unsent responses that `user` may change."""
    return editable([each for each in responses if is_unsent(each)], user)


def private_notes(responses: Iterable[Response]) -> dict[str, set[int]]:
    """Template context: public replies to people who wrote privately, before or since."""
    since = wrote_privately([each for each in responses if is_unsent(each)])
    return {
        "wrote_privately": set(since),
        "wrote_privately_since": {pk for pk, is_since in since.items() if is_since},
    }


def may_deal_with(response: Response, user: User) -> bool:
    """Whether the user may act on a response's deliveries and feedback.

    Users who may work on its case, leads of its department, supervisors and admins may.
    """
    return response.pk in dealt_with_by([response], user)


def dealt_with_by(responses: Collection[Response], user: User) -> set[int]:
    """Ids of the responses that `user` may deal with: two queries, however many there are."""
    if user.sees_everything:
        return {each.pk for each in responses}
    led = set(Department.objects.led_by(user).values_list("pk", flat=True))
    asked = {each.case_id for each in responses if each.case_id}
    workable = Case.objects.workable_by(user).filter(pk__in=asked)
    cases = set(workable.values_list("pk", flat=True))
    return {each.pk for each in responses if each.department_id in led or each.case_id in cases}


def answers(request: StaffRequest, keys: list[int]) -> dict[str, Any]:
    """Template context of the answers to these responses: their tally, and the newest ones.

    With `outcome` in the URL, only the answers with that outcome.
    """
    user, asked = request.user, request.GET.get("outcome", "")
    found = Feedback.objects.filter(response__in=keys)
    tally = sum(tallies(keys, user).values(), Tally())
    wanted = tally.total
    if asked in ASKED:
        found, wanted = found.filter(outcome_is(asked)), tally.count(asked)
    shown = echoes(found, user)
    return {
        "tally": tally,
        "asked": asked,
        "echoes": shown,
        "more_answers": max(wanted - len(shown), 0),
        "judgeable": dealt_with_by([each.feedback.response for each in shown], user),
        "outcomes": Feedback.Outcome.choices,
    }


def oldest(rows: QuerySet[M]) -> tuple[list[M], int]:
    """The first rows that fit on a page, and the number of further ones."""
    shown = list(rows[:MAX_ROWS])
    return shown, rows.count() - len(shown) if len(shown) == MAX_ROWS else 0


def delivery_to_act_on(request: StaffRequest, pk: int) -> Delivery:
    deliveries = Delivery.objects.visible_to(request.user).select_related(
        "response__case", "response__department", "account", "profile"
    )
    delivery = get_object_or_404(deliveries, pk=pk)
    if not may_deal_with(delivery.response, request.user):
        raise PermissionDenied
    return delivery
