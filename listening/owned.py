"""The kinds of rows of this app that users own."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.ownership import owner_field
from listening.models import Source, Topic

OWNED = (
    owner_field("topics", _("Topics"), Topic.objects),
    owner_field("sources", _("Sources"), Source.objects),
)
