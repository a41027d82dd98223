from __future__ import annotations

import uuid
from typing import cast

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import BigAutoField, F, Func, OuterRef, Q, Subquery
from django.utils import timezone

from crm import above
from crm.access import readable
from crm.interaction_details import CallDetails, LetterDetails, MailDetails
from crm.interaction_kinds import channel_icon, kind_label
from crm.models.account import Account
from crm.models.conversation import Conversation
from crm.models.profile import Profile
from crm.models.user import User
from scrm.db.append_only import append_only
from scrm.db.search_words import search_words


class InteractionQuerySet(models.QuerySet["Interaction"]):
    def on_timeline_of(
        self, *, profiles: models.QuerySet[Profile], most: int
    ) -> InteractionQuerySet:
        """Return the newest `most` interactions for the timeline of these profiles.

        These are the interactions with the profiles, and our posts about the cases with them.
        If a filter or a later page is wanted, apply the filter and the method `before` first. They
        cannot be applied to the result, because it is already cut to `most` rows. The call reads at
        most `most` rows of each profile from an index, so a long history takes no longer than a
        short one.
        """
        # A list and not a subquery: with the ids, PostgreSQL knows which profiles have a long
        # history.
        ids = [profile.pk for profile in profiles]
        newest = self.order_by("-sort_at", "-pk")
        of_profile = ArraySubquery(newest.filter(profile=OuterRef("pk")).values("pk")[:most])
        row = Func(of_profile, function="unnest", set_returning=True, output_field=BigAutoField())
        direct = Profile.objects.filter(pk__in=ids).annotate(row=row).values("row")
        posts = [post.values("pk") for post in above.posts_to(self, ids)]
        found = direct.union(*posts, all=True)
        return Interaction.objects.filter(pk__in=found).order_by("-sort_at", "-pk")[:most]

    def with_later(self) -> InteractionQuerySet:
        """Annotate each row with `later`: the kind of the newest interaction that revises the row.

        `later` is None if no interaction revises the row.
        """
        after = Interaction.objects.filter(revises=OuterRef("pk")).order_by("-pk")
        return self.annotate(later=Subquery(after.values("kind")[:1]))

    def before(self, row: Interaction) -> InteractionQuerySet:
        """Return the interactions that come after `row` on a timeline, that is, the older ones."""
        # The condition sort_at__lte excludes no further rows, but it lets PostgreSQL start at the
        # right place of the index.
        below = Q(sort_at__lt=row.sort_at) | Q(pk__lt=row.pk)
        return self.filter(below, sort_at__lte=row.sort_at)

    def readable_by(self, user: User) -> InteractionQuerySet:
        """Return the interactions whose text the user may read."""
        return self.filter(readable(user))


_Manager = models.Manager.from_queryset(InteractionQuerySet)


class InteractionManager(_Manager["Interaction"]):
    def get_queryset(self) -> InteractionQuerySet:
        """Defer the search vector `words`: it is as long as the text, and no page reads it."""
        return cast("InteractionQuerySet", super().get_queryset().defer("words"))


class Interaction(models.Model):
    """One row of the ledger: one message or offline contact, incoming or outgoing.

    The row refers to a profile and not to a contact. Thus no row changes when the profile is linked
    to another contact.

    scope, key: the identity of the item on its network; offline items have a UUID as their key.
    profile: the outside party; None only for a text that we wrote to many people.
    staff: the member of staff who wrote or logged the interaction.
    other_address: a mail address that the sender's name contains and that is not the sender's own
    address; see `scrm.channels.base.Item`.
    details: the facts of a mail, a call or a letter; see `crm.interaction_details`.
    """

    class Direction(models.TextChoices):
        IN = "in", "from them"
        OUT = "out", "from us"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    scope = models.CharField(max_length=600)
    key = models.CharField(max_length=1000)
    conversation = models.ForeignKey(
        Conversation, models.PROTECT, related_name="interactions", db_index=False
    )
    profile = models.ForeignKey(
        Profile, models.PROTECT, null=True, related_name="interactions", db_index=False
    )
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    staff = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    direction = models.CharField(max_length=3, choices=Direction.choices)
    channel = models.CharField(max_length=30)
    kind = models.CharField(max_length=30)
    visibility = models.CharField(max_length=10)
    in_reply_to = models.CharField(max_length=1000, blank=True)
    revises = models.ForeignKey("self", models.PROTECT, null=True, related_name="revisions")
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    url = models.CharField(max_length=2000, blank=True)
    other_address = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    occurred_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(default=timezone.now)
    sort_at = models.GeneratedField(  # the earlier of the two; PostgreSQL's LEAST ignores NULL
        expression=Func(F("occurred_at"), F("recorded_at"), function="LEAST"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    # Stored, so that a search for a common word can read only the newest rows and not all hits.
    words = models.GeneratedField(
        expression=search_words("title", "text"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = InteractionManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="interaction_once"),
            models.CheckConstraint(
                condition=Q(profile__isnull=False) | Q(direction="out"),
                name="inbound_has_a_profile",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "sort_at"], name="interaction_conversation"),
            models.Index(fields=["profile", "-sort_at", "-id"], name="interaction_profile"),
            models.Index(
                fields=["scope", "in_reply_to"],
                name="interaction_reply",
                condition=~Q(in_reply_to=""),
            ),
            GinIndex(fields=["words"], name="interaction_search"),
        ]
        # The trigger does not check generated columns: it sees them as NULL, and nobody can write
        # them.
        triggers = append_only(
            "title", "text", "html", "url", "other_address", "sort_at", "words",
            emptied=("details",), movable=True,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.direction} {self.kind} {self.pk}"

    @property
    def is_ours(self) -> bool:
        return self.direction == self.Direction.OUT

    @property
    def call(self) -> CallDetails | None:
        return CallDetails.read(self.details)

    @property
    def letter(self) -> LetterDetails | None:
        return LetterDetails.read(self.details)

    @property
    def mail(self) -> MailDetails:
        return MailDetails.read(self.details)

    @property
    def kind_label(self) -> str:
        return kind_label(self.kind)

    @property
    def icon(self) -> str:
        return channel_icon(self.channel, self.kind)
