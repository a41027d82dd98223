from __future__ import annotations

from smtplib import SMTPException
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.models import User
from scrm.channels.email.people import mail_address

_log = structlog.get_logger(__name__)


class StaffOnly(DefaultAccountAdapter):
    """Adapts django-allauth to scrm: visitors cannot sign up, because users are invited."""

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the URL for a mail to a user who forgot the password.

        The URL always begins with the value of the setting PUBLIC_URL.
        """
        # Do not use the request's host: a forged Host header would send the secret key elsewhere.
        uid, _dash, token = key.partition("-")
        return password_url(uid, token)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail. If sending fails, log the error and do not raise it.

        The visitor sees the same page, whether the mail was sent or not. An error page would reveal
        that the typed address belongs to a user.
        """
        try:
            super().send_mail(template_prefix, mail_address(email) or email, context)
        except (SMTPException, OSError) as error:
            # Log only the type of the error: the message of the mail server may contain the
            # address.
            _log.warning("mail not sent", error=type(error).__name__)

    def is_safe_url(self, url: str) -> bool:
        try:
            return bool(super().is_safe_url(url))
        except ValueError:  # urlparse raises if the text is not a URL
            return False


def mail_facts(_request: HttpRequest) -> dict[str, bool]:
    """Add `has_mail_server` to the context of every template.

    This variable says whether this installation can send mail.
    """
    return {"has_mail_server": not settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend")}


def password_url(uid: str, token: str) -> str:
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
    return f"{settings.PUBLIC_URL}{path}"


def password_link(user: User) -> str:
    """Return a URL at which the user can set a new password.

    The URL works once. It expires after the number of seconds in the setting
    PASSWORD_RESET_TIMEOUT.
    """
    return password_url(user_pk_to_url_str(user), default_token_generator.make_token(user))


def forget_old_addresses(user: User) -> None:
    """Delete the user's rows in allauth's table of mail addresses.

    Users log in only with `user.email`. If this address changes, allauth's table may still contain
    the old address, which must not be used any more.
    """
    EmailAddress.objects.filter(user=user).delete()


def mail_password_link(user: User, *, link: str, by: User) -> None:
    """Mail the password link to the user. Call this function after the transaction is committed.

    Raises OSError or SMTPException if the mail cannot be sent.
    """
    text = render_to_string("crm/invitation.txt", {"user": user, "link": link, "by": by})
    send_mail(_("Your scrm login"), text, None, [user.mail_to])
