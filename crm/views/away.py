from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest
from crm.forms.away import AwayForm
from crm.models import Department, Membership, User


@require_POST
def away(request: StaffRequest, pk: int) -> HttpResponse:
    """Mark a user as away until a day, or as back. Users do this for themselves or their team."""
    person = get_object_or_404(users_led_by(request.user), pk=pk)
    form = AwayForm(request.POST)
    back_to = "crm:me" if person == request.user else "routing:take_over"
    target = redirect(back_to) if person == request.user else redirect(back_to, pk)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form["back_on"].errors)))
        return target
    person.back_on = form.cleaned_data["back_on"]
    person.save(update_fields=["back_on"])
    if person.is_away:
        message = _("%(person)s is marked as away and returns on %(day)s.")
        messages.success(request, message % {"person": person, "day": person.back_on})
    else:
        messages.success(request, _("%s is no longer marked as away.") % person)
    return target


def users_led_by(user: User) -> QuerySet[User]:
    """Return the users whom a user may mark as away: the user, and the members of led departments.

    Users who see everything may mark all users.
    """
    active = User.objects.active()
    if user.sees_everything:
        return active
    led = Department.objects.led_by(user).values("pk")
    members = Membership.objects.filter(department__in=led).values("user")
    return active.filter(pk__in=members) | active.filter(pk=user.pk)
