from __future__ import annotations

import uuid
from typing import Any

import pghistory
from django.db import models, transaction
from django.utils import timezone

from crm.models.user import User
from scrm.channels.base import Credentials, Json
from scrm.channels.channel import Channel
from scrm.channels.registry import channel
from scrm.db.encrypted import EncryptedJSONField
from scrm.db.locks import locked


class AccountQuerySet(models.QuerySet["Account"]):
    def active(self) -> AccountQuerySet:
        return self.filter(is_active=True)


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
    def channel(self) -> Channel:
        return channel(self.kind)

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
