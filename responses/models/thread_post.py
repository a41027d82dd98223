from __future__ import annotations

from django.db import models

from responses.models.delivery import Delivery
from scrm.db.append_only import frozen


class ThreadPostQuerySet(models.QuerySet["ThreadPost"]):
    def online(self) -> ThreadPostQuerySet:
        """Return the posts that were not removed, in the order in which they are removed.

        The last post is first: if a removal breaks off, the rest can still be read as a text.
        """
        return self.filter(removed_at=None).order_by("-position")


class ThreadPost(models.Model):
    """One post of a text that was published as a thread of several posts.

    position: 0 is the first post. key: the key of the post on the network.
    removed_at: when the network confirmed that the post was removed.
    """

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="thread_posts")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=1000)
    removed_at = models.DateTimeField(null=True)

    objects = ThreadPostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "position"], name="thread_post_once")
        ]
        triggers = frozen("delivery_id", "position", "key")

    def __str__(self) -> str:
        return f"Post {self.position + 1} of {self.delivery}"
