"""The checklist for setting up a new workspace.

No state is stored: each step is done if certain rows exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.models import Account, User, Workspace
from listening.models import Sighting, Source, Topic
from responses.models import Response
from scrm.channels.registry import SANDBOX
from scrm.sample import marker


@dataclass(frozen=True, slots=True)
class Step:
    label: str
    help: str
    url: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    steps: tuple[Step, ...]
    in_sample: bool

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_done(self) -> bool:
        return self.done == len(self.steps)


def checklist() -> Checklist:
    """Return the steps to set up a workspace.

    Rows of the sample do not count: no step is done because of them.
    """
    since = marker.loaded_at()
    return Checklist((*_listening(since), *_people(since), _organisation(since)), bool(since))


def _listening(since: datetime | None) -> tuple[Step, ...]:
    seen = Sighting.objects.filter(source=OuterRef("pk"))
    own = Source.objects.exclude(kind__startswith=SANDBOX).annotate(heard=Exists(seen))
    source = own.order_by("-heard", "-created_at").first()
    new = reverse("listening:source_new")
    topics = Topic.objects.filter(created_at__gt=since) if since else Topic.objects.all()
    return (
        Step(
            _("Add your own source"),
            _("Paste the address of a site. No account is needed."),
            new,
            source is not None,
        ),
        Step(
            _("View the latest items of your source"),
            _("Each item shows which topics it matches."),
            source.get_absolute_url() if source else new,
            bool(source and source.heard),  # type: ignore[attr-defined]
        ),
        Step(
            _("Create your own topic"),
            _("A topic is a list of terms that find what people say about you."),
            reverse("listening:topic_new"),
            topics.exists(),
        ),
        Step(
            _("Connect a network"),
            _("X, Mastodon, Bluesky, a mailbox or your blog: scrm then reads and replies there."),
            f"{reverse('crm:accounts')}#connect",
            Account.objects.real().exists(),
        ),
    )


def _people(since: datetime | None) -> tuple[Step, ...]:
    """Return the steps “Invite a colleague” and “Reply to a first case”.

    Users and responses of the sample do not count. If the database has no sample, one user does not
    count as a colleague: the admin who sets up the workspace.
    """
    newer = User.objects.filter(created_at__gt=since) if since else User.objects.all()[1:]
    responses = Response.objects.filter(created_at__gt=since) if since else Response.objects.all()
    return (
        Step(
            _("Invite a colleague"),
            _("The colleague gets a link to choose a password."),
            reverse("routing:invite"),
            newer.exists(),
        ),
        Step(
            _("Reply to a first case"),
            _("Take a case from “Unassigned”, reply, and see the reaction."),
            f"{reverse('routing:inbox')}?view=unassigned",
            responses.not_cancelled().exists(),
        ),
    )


def _organisation(since: datetime | None) -> Step:
    return Step(
        _("Set up your organisation"),
        _("Remove the sample data and start with your own.")
        if since
        else _("Enter the name, time zone, handles and signature of the organisation."),
        reverse("sample:start") if since else reverse("crm:workspace"),
        Workspace.objects.exists(),
    )
