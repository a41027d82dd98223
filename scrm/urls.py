from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from scrm.pages.glossary import glossary
from scrm.pages.navigation import nav, token
from scrm.pages.style_guide import style
from scrm.web import health


def live(_request: HttpRequest) -> HttpResponse:
    """Give the URL of the live stream a name; `scrm.asgi` answers the requests."""
    return HttpResponse("The live stream needs the ASGI server.\n", status=501)


urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("live/", live, name="live"),
    path("live/token/", token, name="live_token"),
    path("nav/", nav, name="nav"),
    path("style/", style, name="style"),
    path("help/glossary/", glossary, name="glossary"),
    path("account/", include("crm.login_urls")),
    path("", include("scrm.reports.urls")),
    path("", include("scrm.sample.urls")),
    path("", include("routing.urls")),
    path("", include("responses.urls")),
    path("", include("listening.urls")),
    path("", include("crm.urls")),
]
