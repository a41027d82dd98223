from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils import timezone

from crm.models.profile import Profile
from crm.models.user import User
from crm.models.workspace import MAX_ADDRESS
from scrm.db.append_only import append_only


class PostalAddressQuerySet(models.QuerySet["PostalAddress"]):
    def current(self, profiles: Iterable[Profile]) -> PostalAddress | None:
        """Return the address of these profiles that was stored last, or None."""
        return self.filter(profile__in=profiles).select_related("by").order_by("-pk").first()


class PostalAddress(models.Model):
    """A postal address of a profile. A changed address is a new row; the newest row counts.

    source: where the address comes from, in words, for example "Our letter in case #12".
    """

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="postal_addresses")
    text = models.TextField(max_length=MAX_ADDRESS)
    source = models.CharField(max_length=200)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    objects = PostalAddressQuerySet.as_manager()

    class Meta:
        triggers = append_only("text")

    def __str__(self) -> str:
        return self.text

    @classmethod
    def keep(cls, profile: Profile, text: str, *, source: str, by: User) -> None:
        """Store an address, unless it is empty or the profile has this address already."""
        last = cls.objects.current([profile])
        if text and (last is None or last.text != text):
            cls.objects.create(profile=profile, text=text, source=source, by=by)
