"""Load rows for a view, and check what the user may do.

If the user may not see a row, the functions raise Http404. If the user may see but not change it,
they raise PermissionDenied.
"""

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
    """Return the departments in whose name a user may publish texts."""
    return list(Department.objects.worked_by(user))


def may_speak_for(department: Department, user: User) -> bool:
    return department in departments_to_speak_for(user)


def chosen(departments: list[Department], asked: Mapping[str, Any]) -> Department:
    """Return the department that the request names, or else the first department."""
    named = asked.get("department", "")
    return next((row for row in departments if str(row.pk) == named), departments[0])


def response_to_see(request: StaffRequest, pk: int) -> Response:
    responses = Response.objects.visible_to(request.user).select_related(
        "case__profile", "issue", "department", "author", "decision__by"
    )
    return get_object_or_404(responses, pk=pk)


def words_answered(responses: Iterable[Response], user: User) -> dict[int, Interaction]:
    """Return response id → the interaction that the response answers.

    Interactions that `user` may not read are left out.
    """
    answered = {row.pk: row.in_reply_to_id for row in responses if row.in_reply_to_id}
    readable = Interaction.objects.readable_by(user).in_bulk(list(answered.values()))
    return {pk: readable[message] for pk, message in answered.items() if message in readable}


def changeable(responses: Collection[Response], user: User) -> set[int]:
    """Return the ids of the unsent responses that `user` may edit."""
    return editable([response for response in responses if is_unsent(response)], user)


def private_notes(responses: Iterable[Response]) -> dict[str, set[int]]:
    """Return the template context for warnings about public replies.

    `wrote_privately` has the ids of the unsent public replies to people who also wrote privately in
    the case. `wrote_privately_since` has only some of these ids: the person wrote privately after
    the reply was written.
    """
    since = wrote_privately([response for response in responses if is_unsent(response)])
    return {
        "wrote_privately": set(since),
        "wrote_privately_since": {pk for pk, is_since in since.items() if is_since},
    }


def may_deal_with(response: Response, user: User) -> bool:
    """Whether the user may act on the deliveries and the feedback of a response.

    This is true for users who may work on its case, for team leads of its department, for
    supervisors and for admins.
    """
    return response.pk in dealt_with_by([response], user)


def dealt_with_by(responses: Collection[Response], user: User) -> set[int]:
    """Return the ids of the responses for which `may_deal_with` is true.

    This takes at most two queries for any number of responses.
    """
    if user.sees_everything:
        return {response.pk for response in responses}
    led = set(Department.objects.led_by(user).values_list("pk", flat=True))
    of_responses = {response.case_id for response in responses if response.case_id}
    workable = Case.objects.workable_by(user).filter(pk__in=of_responses)
    cases = set(workable.values_list("pk", flat=True))
    return {row.pk for row in responses if row.department_id in led or row.case_id in cases}


def answers(request: StaffRequest, keys: list[int]) -> dict[str, Any]:
    """Return the template context for the answers to these responses.

    It contains the number of answers by outcome, and the newest answers. If the URL parameter
    `outcome` is one of `ASKED`, only answers with this outcome are listed.
    """
    user, outcome = request.user, request.GET.get("outcome", "")
    found = Feedback.objects.filter(response__in=keys)
    tally = sum(tallies(keys, user).values(), Tally())
    total = tally.total
    if outcome in ASKED:
        found, total = found.filter(outcome_is(outcome)), tally.count(outcome)
    shown = echoes(found, user)
    return {
        "tally": tally,
        "asked": outcome,
        "echoes": shown,
        "more_answers": max(total - len(shown), 0),
        "judgeable": dealt_with_by([echo.feedback.response for echo in shown], user),
        "outcomes": Feedback.Outcome.choices,
    }


def oldest(rows: QuerySet[M]) -> tuple[list[M], int]:
    """Return the first MAX_ROWS rows, and the number of rows that are left out."""
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
