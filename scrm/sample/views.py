from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import StaffRequest, admin_only
from scrm.sample import marker, switcher
from scrm.sample.ending import Busy, NotSample, preview, start_for_real
from scrm.sample.forms import StartForm
from scrm.web.params import number

_BUSY = gettext_lazy(
    "scrm is sending a response or running a job. Nothing was removed, and your text is kept "
    "below. Try again in a minute or two."
)
_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: StaffRequest) -> HttpResponse:
    """Remove the sample and begin with a real workspace, which contains no data of the sample."""
    if not marker.loaded_at():
        return _no_sample(request)
    initial = {"zone": timezone.get_default_timezone_name()}
    form = StartForm(request.POST or None, initial=initial, admin=request.user)
    if not form.is_valid():
        return _page(request, form, status=422 if form.is_bound else 200)
    try:
        admin = start_for_real(
            form.save(commit=False),
            by=request.user,
            newcomer=form.newcomer,
            session=request.session.session_key or "",
        )
    except NotSample:
        return _no_sample(request)
    except Busy:
        form.add_error(None, _BUSY)
        return _page(request, form, status=409)
    update_session_auth_hash(request, admin)
    message = _("The sample data was removed. The workspace now belongs to %(organisation)s.")
    messages.success(request, message % form.cleaned_data)
    return redirect("reports:map")


@require_POST
def look_as(request: StaffRequest) -> HttpResponse:
    """Log in as another user of the sample. The response is 404 if that is not allowed."""
    person = get_object_or_404(switcher.cast(request), pk=number(request.POST.get("user", "")) or 0)
    login(request, person, backend=_BACKEND)
    messages.success(request, _("You now view the sample as %(person)s.") % {"person": person})
    return redirect("routing:inbox")


def _page(request: StaffRequest, form: StartForm, *, status: int) -> HttpResponse:
    shown = {"form": form, "preview": preview(request.user)}
    return render(request, "sample/start.html", shown, status=status)


def _no_sample(request: StaffRequest) -> HttpResponse:
    """Show that there is no sample to remove, for example after a second click."""
    status = 409 if request.method == "POST" else 200
    return render(request, "sample/no_sample.html", status=status)
