from django.urls import path

from crm.views import account, attachment, contact, job, me, people, profile

app_name = "crm"
urlpatterns = [
    path("contacts/", contact.contacts, name="contacts"),
    path("contacts/new/", contact.new, name="contact_new"),
    path("contacts/<int:pk>/", contact.contact, name="contact"),
    path("contacts/<int:pk>/edit/", contact.edit, name="contact_edit"),
    path("contacts/<int:pk>/link/", contact.link, name="contact_link"),
    path("profiles/<int:pk>/", profile.profile, name="profile"),
    path("profiles/<int:pk>/link/", profile.link, name="link"),
    path("profiles/<int:pk>/unlink/", profile.unlink, name="unlink"),
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/edit/", people.edit, name="person_edit"),
    path("people/<int:pk>/deactivate/", people.deactivate, name="deactivate"),
    path("people/<int:pk>/activate/", people.activate, name="activate"),
    path("people/<int:pk>/reset-password/", people.reset_password, name="reset_password"),
    path("our-accounts/", account.accounts, name="accounts"),
    path("our-accounts/new/", account.new, name="account_new"),
    path("our-accounts/<int:pk>/", account.account, name="account"),
    path("our-accounts/<int:pk>/pause/", account.pause, name="account_pause"),
    path("attachments/<uuid:uuid>/", attachment.attachment, name="attachment"),
    path("me/", me.me, name="me"),
    path("jobs/<uuid:uuid>/", job.job, name="job"),
]
