"""The kinds of rows of this app that users own."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.models import Account, Contact, Department
from crm.ownership import owner_field

OWNED = (
    owner_field("accounts", _("Accounts"), Account.objects),
    owner_field("departments", _("Departments"), Department.objects),
    owner_field("contacts", _("Contacts"), Contact.objects),
)
