from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from crm.forms import WorkspaceForm
from crm.models import Workspace


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def workspace(request: StaffRequest) -> HttpResponse:
    """Show and change the settings of the workspace: name, time zone, handles, signature."""
    here = Workspace.objects.here()
    initial = {"zone": timezone.get_default_timezone_name()}
    form = WorkspaceForm(request.POST or None, instance=here, initial=None if here else initial)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("crm:workspace")
    status = 422 if form.is_bound else 200
    return render(request, "crm/workspace.html", {"form": form}, status=status)
