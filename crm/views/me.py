from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest
from crm.forms import MeForm
from crm.forms.away import AwayForm
from crm.models import User


@require_http_methods(["GET", "HEAD", "POST"])
def me(request: StaffRequest) -> HttpResponse:
    """Show and change the user's own settings."""
    # Do not use request.user: the header of the page must show the stored name, not the typed name.
    mine = User.objects.get(pk=request.user.pk)
    form = MeForm(request.POST or None, instance=mine)
    if form.is_valid() and form.save_if_free():
        messages.success(request, _("Saved."))
        return redirect("crm:me")
    away_form = AwayForm(initial={"back_on": mine.back_on})
    context = {"form": form, "away_form": away_form}
    return render(request, "crm/me.html", context, status=422 if form.is_bound else 200)
