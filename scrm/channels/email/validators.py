"""Validators of form fields for mail addresses."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scrm.channels.email.people import sendable


def takes_mail(address: str) -> None:
    """Raise ValidationError if mail cannot be sent to this address."""
    try:
        sendable(address)
    except ValueError as error:
        message = _("No email can be sent to this address: %(why)s.")
        raise ValidationError(message % {"why": error}) from error
