from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.access import StaffRequest, worker_only, works
from crm.models import Department, User
from responses.forms import SavedReplyForm
from responses.models import SavedReply


@require_safe
def saved_replies(request: StaffRequest) -> HttpResponse:
    """List the saved replies that the user's departments may use.

    The name of a saved reply is a link to its form only if the user may change the saved reply.
    """
    mine = Department.objects.visible_to(request.user)
    rows = SavedReply.objects.filter(Q(department=None) | Q(department__in=mine))
    context = {
        "replies": rows.select_related("department", "owner"),
        "changeable": {*rows.filter(_changeable_by(request.user)).values_list("pk", flat=True)},
        "works": works(request.user),
    }
    return render(request, "responses/saved_replies.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    initial = {"owner": request.user}
    form = SavedReplyForm(request.POST or None, user=request.user, initial=initial)
    return _save(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
def saved_reply(request: StaffRequest, pk: int) -> HttpResponse:
    """Edit a saved reply.

    Its owner, the team leads of its department, supervisors and admins may do so.
    """
    row = get_object_or_404(SavedReply.objects.select_related("department"), pk=pk)
    if not SavedReply.objects.filter(_changeable_by(request.user), pk=pk).exists():
        raise PermissionDenied
    return _save(request, SavedReplyForm(request.POST or None, instance=row, user=request.user))


def _changeable_by(user: User) -> Q:
    if user.sees_everything:
        return Q()
    return Q(owner=user) | Q(department__in=Department.objects.led_by(user))


def _save(request: StaffRequest, form: SavedReplyForm) -> HttpResponse:
    if form.is_valid():
        row = form.save()
        messages.success(request, _("“%s” saved. Press ; in the composer to insert it.") % row)
        return redirect("responses:saved_replies")
    status = 422 if form.is_bound else 200
    return render(request, "responses/saved_reply.html", {"form": form}, status=status)
