from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pghistory
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, Membership, User
from listening.models import Topic
from responses.models.response import Refused, Response


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def visible_to(self, user: User) -> CampaignQuerySet:
        """Return the campaigns that the user may see.

        These are the campaigns of the user's departments and the campaigns that the user owns.
        Supervisors and admins may see all campaigns.
        """
        if user.sees_everything:
            return self
        member = Membership.objects.filter(department=OuterRef("department"), user=user)
        return self.filter(Exists(member) | Q(owner=user))

    def editable_by(self, user: User) -> CampaignQuerySet:
        """Return the campaigns that the user may edit.

        These are the campaigns of the departments that the user leads and the campaigns that the
        user owns. Supervisors and admins may edit all campaigns.
        """
        if user.sees_everything:
            return self
        led = Membership.objects.leading().filter(department=OuterRef("department"), user=user)
        return self.filter(Exists(led) | Q(owner=user))

    def running(self) -> CampaignQuerySet:
        return self.filter(closed_at=None)

    def open_first(self) -> CampaignQuerySet:
        return self.order_by(F("closed_at").desc(nulls_first=True), "-starts_on", "-pk")


@pghistory.track(
    model_name="CampaignChange",
    fields=["name", "aim", "owner", "department", "starts_on", "ends_on", "closed_at"],
    append_only=True,
)
class Campaign(models.Model):
    """Several posts with one goal, and their results.

    The campaign publishes in the name of `department`. `topic` is a topic that was created for this
    campaign to find mentions of it.
    """

    name = models.CharField(max_length=100, unique=True)
    aim = models.TextField("goal")
    owner = models.ForeignKey(User, models.PROTECT, related_name="campaigns")
    department = models.ForeignKey(Department, models.PROTECT, related_name="campaigns")
    starts_on = models.DateField("from", default=timezone.localdate)
    ends_on = models.DateField("until", null=True, blank=True)
    topic = models.OneToOneField(Topic, models.PROTECT, null=True, related_name="campaign")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="campaign_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("responses:campaign", args=[self.pk])

    @property
    def statements(self) -> models.QuerySet[Response]:
        return Response.objects.filter(campaign_link__campaign=self)

    @property
    def words(self) -> list[str]:
        """The words and phrases for which the campaign's topic searches."""
        return list(self.topic.current.any_of) if self.topic and self.topic.current else []

    # Actions

    @transaction.atomic
    def listen_for(self, words: Sequence[str], *, by: User, now: datetime | None = None) -> None:
        """Search for these hashtags and links from now on.

        The first call creates the campaign's topic. Later calls add a revision to the topic.
        """
        if list(words) == self.words:
            return
        if self.topic is None:
            self.topic = Topic.objects.create(
                name=topic_name(self.name),
                purpose=f"Mentions of our campaign “{self.name}”.",
                owner=self.owner,
                created_at=now or timezone.now(),
            )
            self.save(update_fields=["topic"])
        self.topic.revise(any_of=list(words), all_of=[], none_of=[], by=by, now=now)
        self._switch_topic(bool(words) and self.closed_at is None)

    @transaction.atomic
    def add(self, statement: Response, *, by: User, now: datetime | None = None) -> None:
        """Add a post to this campaign, and remove it from any other campaign.

        Raises Refused if the response is not a post, if this campaign is closed, or if the post's
        present campaign is closed or not visible to `by`.
        """
        if not statement.is_macro:
            raise Refused(
                "A campaign contains only posts to everyone. This is a reply to one person."
            )
        if self.closed_at is not None:
            raise Refused("This campaign is closed. Reopen it to add posts.")
        now = now or timezone.now()
        _check_reach(statement, by=by)
        CampaignStatement.objects.update_or_create(
            statement=statement, defaults={"campaign": self, "added_by": by, "added_at": now}
        )
        statement.note(f"Added to the campaign “{self}”.", by=by, now=now)

    @transaction.atomic
    def close(self, *, now: datetime | None = None) -> None:
        """Close the campaign and deactivate its topic. The results of the campaign are kept."""
        Campaign.objects.filter(pk=self.pk, closed_at=None).update(closed_at=now or timezone.now())
        self.refresh_from_db()
        self._switch_topic(False)

    @transaction.atomic
    def open_again(self) -> None:
        Campaign.objects.filter(pk=self.pk).update(closed_at=None)
        self.refresh_from_db()
        self._switch_topic(bool(self.words))

    def _switch_topic(self, listening: bool) -> None:
        if self.topic:
            self.topic.is_active = listening
            self.topic.save(update_fields=["is_active"])


def topic_name(campaign: str) -> str:
    """Return the name for the topic of a campaign."""
    return f"Campaign: {campaign}"


@transaction.atomic
def leave_campaign(statement: Response, *, by: User, now: datetime | None = None) -> None:
    """Remove a post from its campaign.

    Raises Refused if the campaign is closed or not visible to `by`.
    """
    _check_reach(statement, by=by)
    gone, _ = CampaignStatement.objects.filter(statement=statement).delete()
    if gone:
        statement.note("Removed from its campaign.", by=by, now=now or timezone.now())


def _check_reach(statement: Response, *, by: User) -> None:
    """Raise Refused if the post's present campaign is closed or not visible to `by`.

    The function locks the post, so that no other transaction can change its campaign until the
    commit.
    """
    statement.lock()
    link = CampaignStatement.objects.filter(statement=statement)
    mine = Campaign.objects.visible_to(by).running()
    if link.exclude(campaign__in=mine.values("pk")).exists():
        raise Refused("It belongs to a campaign that is closed or not yours. Nothing was changed.")


class CampaignStatement(models.Model):
    """The link from a post to its campaign, with the user who added the post.

    A post belongs to at most one campaign.
    """

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="links")
    statement = models.OneToOneField(Response, models.PROTECT, related_name="campaign_link")
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.statement} in {self.campaign}"
