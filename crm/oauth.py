"""Connect an account by a login on a page of its network (OAuth).

`start` stores an attempt and returns the page of the network. The network then sends the user's
browser to our callback page, with a random value (the state) that identifies the attempt.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import connecting
from crm.models import Account, OAuthAttempt, User
from scrm.channels.base import Json
from scrm.channels.connector import Authorization, Callback, ConnectError, Connector, OAuth
from scrm.channels.registry import connectors

_STATE_BYTES = 32
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def callback_url() -> str:
    """Return the address of our page to which networks send the user back."""
    return f"{settings.PUBLIC_URL}{reverse('crm:oauth_callback')}"


def start(
    account: Account, connector: Connector, typed: Json, *, owner: User, user: User
) -> Authorization | None:
    """Return the page of the network on which the user allows access. Raises ConnectError.

    Returns None if the channel needs no such page for what was typed.
    """
    if connector.oauth is None:
        return None
    now = timezone.now()
    state = secrets.token_urlsafe(_STATE_BYTES)
    known = account.credentials if account.pk else None
    authorization = connector.oauth.start(typed, known, Callback(callback_url(), state))
    if authorization is None:
        return None
    _refuse_odd_address(authorization.url)
    OAuthAttempt.objects.delete_old(now=now)
    kept: Any = dict(authorization.kept)
    OAuthAttempt.objects.create(
        state_hash=_hash(state),
        user=user,
        kind=account.kind,
        account=account if account.pk else None,
        owner=owner,
        kept=kept,
        started_at=now,
    )
    return authorization


def _refuse_odd_address(url: str) -> None:
    # The address may come from a server that the user typed: a javascript: link would run here.
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ConnectError(("", _("The network has no login page with a valid address.")))


def find(state: str) -> OAuthAttempt | None:
    """Return the attempt to which this state belongs."""
    attempts = OAuthAttempt.objects.select_related("account", "owner")
    return attempts.filter(state_hash=_hash(state)).first()


def finish(
    attempt: OAuthAttempt | None, answer: Mapping[str, str], *, user: User, now: datetime
) -> Account:
    """Complete the login and save the account. Raises ConnectError; then nothing was saved.

    answer: the parameters with which the network sent the user back.
    """
    attempt = _use(attempt, user=user, now=now)
    oauth = _oauth(attempt)
    if code := answer.get("error"):
        raise ConnectError(("", _refusal(code)))
    account = attempt.account or Account(kind=attempt.kind, owner=attempt.owner)
    known = account.credentials if account.pk else None
    callback = Callback(callback_url(), answer["state"])
    # This runs outside any transaction, because the network can take seconds.
    connected = oauth.finish(answer, attempt.kept, known, callback)
    connecting.check(account, connected)
    return connecting.save(account, connected, owner=attempt.owner, is_new_login=True)


def _use(attempt: OAuthAttempt | None, *, user: User, now: datetime) -> OAuthAttempt:
    """Use up the attempt, so that it cannot be used a second time. Raises ConnectError."""
    if attempt is None:
        message = _("scrm has not started this login, or it was started more than a day ago.")
        raise ConnectError(("", message))
    # An attempt of another user is not used up: that user can still complete it.
    if attempt.user_id != user.pk:
        raise ConnectError(("", _("This login was started by another user.")))
    if attempt.has_expired(now):
        raise ConnectError(("", _("More than 10 minutes have passed since the login was started.")))
    if not attempt.use(now=now):
        message = _("This login was already used. Accounts shows whether the account is connected.")
        raise ConnectError(("", message))
    return attempt


def _oauth(attempt: OAuthAttempt) -> OAuth:
    connector = connectors().get(attempt.kind)
    if connector is None or connector.oauth is None:
        raise ConnectError(("", _("Accounts of this kind can no longer be connected this way.")))
    return connector.oauth


def _refusal(code: str) -> str:
    """Return a sentence for the error code with which the network sent the user back."""
    if code == "access_denied":
        return _("Access was not allowed on the page of the network.")
    # Only a plain code is shown, because anyone can write this parameter into a link.
    shown = code if _ERROR_CODE.fullmatch(code) else "?"
    return _("The network refused the login with the error “%(code)s”.") % {"code": shown}


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()
