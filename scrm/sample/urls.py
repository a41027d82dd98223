from django.urls import path

from scrm.sample import views

app_name = "sample"
urlpatterns = [
    path("start/", views.start, name="start"),
    path("sample/as/", views.look_as, name="look_as"),
]
