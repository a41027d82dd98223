"""Tables of the sandbox. Other modules may read them, but only `remote.py` writes posts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Post(models.Model):
    """One post of a sandbox network.

    author_key: for mail, the address in lower case.
    to_key: for a private post its recipient; for a public reply the author of the answered post;
    for all other posts "".
    nonce: set for posts that we sent through the channel; "" for posts of the community.
    """

    seq = models.BigAutoField(primary_key=True)
    network = models.TextField()
    key = models.TextField()
    thread_key = models.TextField()
    parent_key = models.TextField(default="")
    author_key = models.TextField()
    author_handle = models.TextField(default="")
    author_name = models.TextField(default="")
    author_url = models.TextField(default="")
    author_reach = models.BigIntegerField(null=True)
    title = models.TextField(default="")
    text = models.TextField()
    visibility = models.TextField(default="")
    to_key = models.TextField(default="")
    nonce = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "key"], name="sandbox_post_key"),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "private"]), name="sandbox_post_visibility"
            ),
        ]
        indexes = [
            models.Index(fields=["network", "seq"], name="sandbox_post_seq"),
            models.Index(fields=["network", "thread_key", "seq"], name="sandbox_post_thread"),
            models.Index(fields=["nonce"], name="sandbox_post_nonce", condition=~Q(nonce="")),
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.key}"


class PostChange(models.Model):
    """An edit or a deletion of a post. `title` and `text` are the new ones, "" after a deletion."""

    seq = models.BigAutoField(primary_key=True)
    network = models.TextField()
    key = models.TextField()
    author_key = models.TextField()
    kind = models.TextField()
    title = models.TextField(default="")
    text = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["network", "seq"], name="sandbox_change_seq")]

    def __str__(self) -> str:
        return f"{self.network} {self.key}: {self.kind}"


class Mark(models.Model):
    """What one of our accounts did to a post of the community, for example “hide”.

    A mark for “block” has the key of the blocked author as its `key`.
    """

    network = models.TextField()
    by = models.TextField()
    action = models.TextField()
    key = models.TextField()
    reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network", "by", "action", "key"], name="sandbox_mark_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.key}"


class Fault(models.Model):
    """Disturbs the next `remaining` calls of one kind; see `Call` in `remote.py`."""

    network = models.TextField()
    call = models.TextField()
    mode = models.TextField()
    remaining = models.IntegerField(default=1)
    seconds = models.FloatField(default=0.0)

    def __str__(self) -> str:
        return f"{self.network} {self.call}: {self.mode}, {self.remaining} left"
