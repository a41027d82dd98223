from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pghistory
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.models.notice import About, Notice
from crm.models.user import User
from scrm.channels.base import Credentials, Json
from scrm.channels.channel import Channel
from scrm.channels.connector import Renew
from scrm.channels.registry import SANDBOX, channel, kinds
from scrm.db.encrypted import EncryptedJSONField
from scrm.db.locks import locked

WARN_BEFORE = timedelta(days=7)
"""How long before the end of a login its owner is notified."""
MAX_WARNINGS = 100


class AccountQuerySet(models.QuerySet["Account"]):
    def active(self) -> AccountQuerySet:
        return self.filter(is_active=True)

    def real(self) -> AccountQuerySet:
        """Return the accounts on real networks: not of the sandbox, not for manual logging."""
        return self.exclude(kind="manual").exclude(kind__startswith=SANDBOX)

    def waiting_for_login(self, now: datetime) -> AccountQuerySet:
        """Return the accounts whose login has expired and is being renewed.

        After a failed renewal, an account is in the result until the next attempt.
        """
        return self.filter(secrets_expire_at__lte=now, renewal_lease_until__gt=now)

    def warn_of_expiry(self, *, now: datetime) -> None:
        """Notify the owners of accounts whose login expires soon and cannot be renewed.

        The owner of an account is notified once.
        """
        soon = self.active().filter(
            kind__in=kinds(), reconnect_asked_at=None, secrets_expire_at__lte=now + WARN_BEFORE
        )
        for account in soon.defer("secrets").order_by("secrets_expire_at")[:MAX_WARNINGS]:
            if at := account.login_expires_at:
                day = date_format(timezone.localtime(at), "j F Y")
                message = _(
                    "The login expires on %(day)s. After that, nothing is fetched or sent until "
                    "the account is connected again."
                )
                account.ask_to_reconnect(message % {"day": day}, now=now)


@pghistory.track(
    model_name="AccountChange",
    fields=["name", "network", "self_key", "is_active", "paused_at", "owner"],
    append_only=True,
)
class Account(models.Model):
    """Our own account on a channel.

    The secrets are stored encrypted, and they do not appear in the change history of the account.
    sources_to_open: address → name of each source that the app `listening` must create for this
    account. After the app has created the sources, it empties this field.
    secrets_expire_at: when the secrets stop working unless they are renewed; None if never.
    renewal_lease_until: the end of the lease of the worker that renews the secrets; None if no
    worker renews them.
    reconnect_asked_at: when the owner was asked to connect the account again, because its login
    cannot be renewed; None if the login works.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField("channel", max_length=30)
    network = models.CharField(max_length=60)
    name = models.CharField(max_length=200)
    self_key = models.CharField(max_length=300, blank=True)
    address = models.CharField(max_length=500, blank=True)
    secrets = EncryptedJSONField(default=dict)
    config = models.JSONField(default=dict, blank=True)
    sources_to_open = models.JSONField(default=dict, blank=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="accounts")
    is_active = models.BooleanField(default=True)
    paused_at = models.DateTimeField("all sending paused since", null=True, blank=True)
    secrets_expire_at = models.DateTimeField(null=True)
    renewal_lease_until = models.DateTimeField(null=True)
    reconnect_asked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "self_key"], name="account_once_a_network")
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name or self.address or self.network

    @property
    def is_simulated(self) -> bool:
        return self.kind.startswith(SANDBOX)

    @property
    def channel(self) -> Channel:
        return channel(self.kind)

    @property
    def renew(self) -> Renew | None:
        """The function of the channel that renews the secrets; None if it has none."""
        connector = self.channel.connector
        return connector.renew if connector else None

    @property
    def login_expires_at(self) -> datetime | None:
        """When the login expires; None if it never expires or if scrm renews it."""
        return None if self.renew else self.secrets_expire_at

    @property
    def login_expires_soon(self) -> bool:
        at = self.login_expires_at
        return at is not None and at <= timezone.now() + WARN_BEFORE

    @property
    def login_has_ended(self) -> bool:
        """Whether the account must be connected again before it can be used."""
        if self.renew:
            return self.reconnect_asked_at is not None
        at = self.login_expires_at
        return at is not None and at <= timezone.now()

    @transaction.atomic
    def ask_to_reconnect(self, text: str, *, now: datetime) -> None:
        """Notify the owner that the account must be connected again.

        A second call for the same login does nothing, and so does a call for a login that was
        replaced in the meantime.
        """
        # Compare-and-set: of several processes, one notifies the owner.
        same_login = Account.objects.filter(
            pk=self.pk, secrets_expire_at=self.secrets_expire_at, reconnect_asked_at=None
        )
        if same_login.update(reconnect_asked_at=now):
            url = reverse("crm:reconnect", args=[self.pk])
            about = About(f"account:{self.pk}", str(self), str(self.channel.label), url)
            Notice.give([self.owner_id], Notice.Kind.RECONNECT, about=about, text=text, now=now)

    @property
    def web_address(self) -> str:
        """The address if it is a web URL, otherwise ""."""
        return self.address if self.address.startswith(("https://", "http://")) else ""

    @transaction.atomic
    def keep_with(self, config: Json, **fields: Any) -> Account:
        """Save these fields and configuration values, and return the saved row.

        All other fields and configuration values keep their stored values. A configuration value
        that is set to None is removed. The stored row is read again before the save, because the
        test of a login takes seconds. Thus values that other users saved in the meantime are not
        overwritten.
        """
        # Read the row again under a lock: this object is as old as the form.
        row = locked(Account.objects.filter(pk=self.pk)).get() if self.pk else self
        for name, value in fields.items():
            setattr(row, name, value)
        merged = {**row.config, **config}
        row.config = {name: value for name, value in merged.items() if value is not None}
        row.save()
        return row

    @property
    def credentials(self) -> Credentials:
        return Credentials(
            network=self.network,
            self_key=self.self_key,
            address=self.address,
            secrets=self.secrets,
            config=self.config,
        )
