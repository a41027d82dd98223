"""Kinds of sensitive topics. A case with an item that matches such a topic gets special care."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Sensitivity(models.TextChoices):
    """The kinds, the most serious first."""

    SAFEGUARDING = "safeguarding", _("Safeguarding")
    LEGAL = "legal", _("Legal threat")
    DATA_REQUEST = "data request", _("Data-subject request")
