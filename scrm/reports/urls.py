from django.urls import path

from scrm.reports import views

app_name = "reports"
urlpatterns = [
    path("map/", views.map, name="map"),
    path("map/checklist/", views.checklist, name="checklist"),
]
