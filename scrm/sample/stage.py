"""The actions of the sample's story. They call the same functions as the pages of scrm."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.utils import timezone

from crm.interaction_details import REACHED, CallDetails
from crm.models import Profile
from listening.fetch import fetch_source
from listening.models import Source
from responses import compose, outbox
from responses.by_hand import log_by_hand
from responses.compose import Place, Words
from responses.models import Delivery, Response
from routing.models import Case, Issue
from routing.offline import record
from routing.offline.record import OfflineContact
from scrm.channels.base import Receipt
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post, PostChange
from scrm.channels.sandbox.remote import url_of
from scrm.pipeline import MAX_PER_TASK, process
from scrm.sample.clock import at
from scrm.sample.setup import Workspace


@dataclass(frozen=True)
class Stage:
    """The workspace of the story, and a random generator with a fixed seed."""

    workspace: Workspace
    rng: Random

    def say(self, network: str, author: str, text: str, **facts: object) -> str:
        """Publish a post of a person outside the organisation, and return the key of the post."""
        return community.post(network, author, text, at=timezone.now(), **facts)  # type: ignore[arg-type]

    def listen(self) -> None:
        """Fetch every source that has new items, and process the mentions."""
        latest = dict(Post.objects.order_by("seq").values_list("network", "seq"))
        changed = dict(PostChange.objects.order_by("seq").values_list("network", "seq"))
        for source in Source.objects.order_by("pk"):
            reported = source.cursor.get("changes") or ()
            is_changed = changed.get(source.kind) not in (None, *reported)
            if latest.get(source.kind, 0) > source.cursor.get("seq", 0) or is_changed:
                source.fetch_now()
                fetch_source(source)
        while process() == MAX_PER_TASK:
            pass

    def case_of(self, network: str, key: str) -> Case:
        """Return the newest case with the profile that has this network and key."""
        return Case.objects.filter(profile__network=network, profile__key=key).latest("opened_at")

    def place(self, case: Case, account: str) -> Place:
        """Return the place where the customer of a case wrote to one of our accounts."""
        ours = self.workspace.accounts[account]
        places = compose.places_for(case)
        return next(p for p in places if p.account == ours and p.conversation)

    def reply(self, case: Case, place: Place, text: str, *, by: str, subject: str = "") -> Response:
        """Write a reply to one person. The next call of `deliver` sends it."""
        case.refresh_from_db()
        words = Words(uuid.uuid4(), text, place.visibility, subject, seen=case.last_inbound_id)
        return compose.reply(case, words, place=place, by=self.workspace.people[by])

    def log_reply(self, case: Case, text: str, *, by: str) -> Response:
        """Record a reply that a member of the staff gave by telephone or letter."""
        words = Words(uuid.uuid4(), text, "private")
        account = self.workspace.accounts["phone"]
        return log_by_hand(case, words, account=account, by=self.workspace.people[by])

    def post_by_hand(self, case: Case, place: Place, text: str, *, by: str) -> Response:
        """Publish a reply on the network itself, and record it with its link.

        This is what staff do if the network does not let scrm reply.
        """
        ours, asked = place.account, case.last_inbound
        key = self.say(
            ours.network, ours.self_key, text, in_reply_to=asked.key if asked else "",
            handle=ours.address.lstrip("@"), name=ours.config["name"],
        )  # fmt: skip
        receipt = Receipt(ours.network, key, url=url_of(ours.network, key))
        words = Words(uuid.uuid4(), text, "public")
        by_whom = self.workspace.people[by]
        return log_by_hand(case, words, account=ours, by=by_whom, receipt=receipt)

    def state(
        self,
        issue: Issue,
        accounts: Sequence[str],
        subject: str,
        text: str,
        *,
        by: str,
        department: str,
        corrects: Response | None = None,
        as_thread: bool = False,
    ) -> Response:
        """Write a public post about an issue.

        The next call of `deliver` sends the post if the business rules allow it.
        """
        return compose.state_publicly(
            Words(uuid.uuid4(), text, "public", subject, as_thread=as_thread),
            accounts=[self.workspace.accounts[name] for name in accounts],
            by=self.workspace.people[by],
            department=self.workspace.departments[department],
            issue=issue,
            corrects=corrects,
        )

    def deliver(self) -> None:
        """Send all waiting deliveries, as if the time for undoing them were over."""
        moment = timezone.now() + timedelta(seconds=settings.UNDO_SECONDS + 1)
        with at(moment):
            for delivery in Delivery.objects.due(moment).select_related("account"):
                outbox.deliver(delivery)

    def log(
        self,
        kind: str,
        text: str,
        *,
        by: str,
        name: str = "",
        phone: str = "",
        profile: Profile | None = None,
    ) -> Case:
        """Record an offline interaction and return its case."""
        call = CallDetails(profile.phone if profile else phone, REACHED, seconds=312)
        offline_contact = OfflineContact(
            uuid.uuid4(),
            kind,
            text,
            name,
            phone,
            profile,
            said_at=timezone.now(),
            details=call.stored() if kind == "call" else {},
        )
        return record.log(offline_contact, by=self.workspace.people[by])


def date_our_posts() -> None:
    """Set the date of our posts in the sandbox to the time at which the story sent them."""
    sent = dict(Delivery.objects.filter(state="sent").values_list("uuid", "sent_at"))
    for post in Post.objects.exclude(nonce=""):
        Post.objects.filter(pk=post.pk).update(created_at=sent.get(uuid.UUID(post.nonce), _old()))


def _old() -> datetime:
    return timezone.now() - timedelta(days=3)
