"""Start searches for the words of a topic on networks where we have an account."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from listening import searches
from listening.models import Topic
from scrm.bus.nudge import nudge
from scrm.web.params import number


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def topic_searches(request: StaffRequest, pk: int) -> HttpResponse:
    """Show which queries each network would receive for the topic.

    A POST request starts one of these searches.
    """
    topic = get_object_or_404(Topic.objects.select_related("current"), pk=pk)
    offers = searches.offers(topic)
    if request.method == "POST":
        asked = number(request.POST.get("account", ""))
        chosen = next((offer for offer in offers if offer.account.pk == asked), None)
        if chosen and chosen.translation:
            now = timezone.now()
            source = searches.start(topic, chosen.account, owner=request.user, now=now)
            nudge("scrm.pipeline.poll", source.pk)
            messages.success(request, _("The search has started. Its items appear here."))
            return redirect(source)
        messages.error(request, _("This account cannot search for this topic. Nothing started."))
    context = {"topic": topic, "offers": offers}
    return render(request, "listening/topic_searches.html", context)
