"""The results of a campaign.

Each figure on the page of a campaign links to a page with the rows that it counts. The figure and
the rows come from the same query, so that they always agree. Rows that the user may not read are
neither counted nor shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.models import Account, Contact, Interaction, Profile, ProfileLink, User
from listening.models import Match, Mention
from responses.models import Campaign, Delivery, Feedback, Response
from responses.models.response import ResponseQuerySet
from responses.results.answer_counts import ASKED, JUDGED, NOT_JUDGED, SILENT, outcome_is
from routing.models import Case
from scrm.web.params import midnight

MAX_PEOPLE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows the user wants to see.

    `kind` is a key of `KINDS`. Each of the other fields filters the rows if it has a value.
    """

    kind: str = "answers"
    account: int | None = None
    contact: int | None = None
    profile: int | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a campaign, as far as one user may see them."""

    campaign: Campaign
    user: User

    @property
    def statements(self) -> ResponseQuerySet:
        visible = Response.objects.visible_to(self.user).not_cancelled()
        return visible.filter(campaign_link__campaign=self.campaign)

    @property
    def deliveries(self) -> QuerySet[Delivery]:
        """The sent deliveries. If a text bounced and was sent again, it counts once."""
        return Delivery.objects.filter(
            response__in=self.statements.order_by().values("pk"), state="sent"
        )

    @property
    def answers(self) -> QuerySet[Feedback]:
        readable = Interaction.objects.readable_by(self.user).filter(pk=OuterRef("interaction"))
        return self._all_answers.filter(Exists(readable))

    @property
    def hidden(self) -> int:
        """The number of answers that the user may not read."""
        return self._all_answers.count() - self.answers.count()

    @property
    def _all_answers(self) -> QuerySet[Feedback]:
        return Feedback.objects.filter(
            response__in=self.statements.order_by().values("pk")
        ).order_by()

    @property
    def mentions(self) -> QuerySet[Mention]:
        """The mentions that matched any revision of the campaign's topic."""
        hits = Match.objects.filter(
            mention=OuterRef("pk"), revision__topic=self.campaign.topic_id or 0
        )
        return Mention.objects.filter(Exists(hits))

    @property
    def people(self) -> QuerySet[Profile]:
        """The profiles that answered one of the campaign's posts."""
        return Profile.objects.filter(
            Exists(self.answers.filter(interaction__profile=OuterRef("pk")))
        )

    @property
    def contacts(self) -> QuerySet[Contact]:
        """The contacts that were created since the start of the campaign.

        Only contacts that answered one of its posts or wrote about its topic are included.
        """
        links = ProfileLink.objects.filter(
            contact=OuterRef("pk"), ended_at=None, profile__in=self._messages.values("profile")
        )
        return Contact.objects.filter(Exists(links), created_at__gte=self._since)

    @property
    def cases(self) -> QuerySet[Case]:
        """The cases that were opened since the start of the campaign.

        Only cases that contain an answer to one of its posts or a message about its topic are
        included.
        """
        related = Case.objects.filter(
            conversation_links__conversation__in=self._messages.values("conversation"),
            opened_at__gte=self._since,
        )
        visible = Case.objects.visible_to(self.user)
        return visible.filter(pk__in=related.order_by().values("pk"))

    @property
    def _messages(self) -> QuerySet[Interaction]:
        answered = Q(pk__in=self.answers.values("interaction"))
        hits = Match.objects.filter(revision__topic=self.campaign.topic_id or 0)
        matched = Q(pk__in=hits.exclude(interaction=None).values("interaction"))
        readable = Interaction.objects.readable_by(self.user)
        return readable.filter(answered | matched, direction="in", revises=None).order_by()

    @property
    def _since(self) -> Any:
        return midnight(self.campaign.starts_on)

    def rows(self, asked: Asked) -> QuerySet[Any]:
        """Return the rows that a figure counts, newest first."""
        _label, all_rows, apply_filters = KINDS[asked.kind]
        found = apply_filters(all_rows(self), asked) if apply_filters else all_rows(self)
        return found.order_by("-pk")


def _deliveries(rows: QuerySet[Any], asked: Asked) -> QuerySet[Any]:
    if asked.outcome == SILENT:
        rows = rows.filter(silent_at__isnull=False)
    return rows.filter(account=asked.account) if asked.account else rows


def _answers(rows: QuerySet[Any], asked: Asked) -> QuerySet[Any]:
    if asked.account:
        rows = rows.filter(delivery__account=asked.account)
    if asked.contact:
        links = ProfileLink.objects.filter(contact=asked.contact, ended_at=None)
        rows = rows.filter(interaction__profile__in=links.values("profile"))
    if asked.profile:
        rows = rows.filter(interaction__profile=asked.profile)
    return rows.filter(outcome_is(asked.outcome)) if asked.outcome in ASKED else rows


FilterRows = Callable[[QuerySet[Any], Asked], QuerySet[Any]]
KINDS: dict[str, tuple[Any, Callable[[Results], QuerySet[Any]], FilterRows | None]] = {
    "deliveries": (
        _("Deliveries"),
        lambda results: results.deliveries.select_related("response", "account"),
        _deliveries,
    ),
    "answers": (_("Answers"), lambda results: results.answers, _answers),
    "mentions": (_("Mentions"), lambda results: results.mentions, None),
    "people": (_("People who answered"), lambda results: results.people, None),
    "contacts": (_("New contacts"), lambda results: results.contacts, None),
    "cases": (
        _("New cases"),
        lambda results: results.cases.select_related("profile", "department"),
        None,
    ),
}
"""Kind → its label, its rows, and the function that filters them."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one account or of one person.

    `key` is the URL parameter that selects the rows of this account or person, for example
    `account=3`. `outcomes` is a list of (outcome, label, number).
    """

    who: Any
    key: str
    deliveries: int
    silent: int
    answers: int
    outcomes: list[tuple[str, str, int]]


def by_channel(results: Results) -> list[Row]:
    """Return one row for each account that sent a post or received an answer.

    This takes three queries.
    """
    sent = results.deliveries.order_by().values("account")
    counted = sent.annotate(n=Count("pk"), quiet=Count("pk", filter=Q(silent_at__isnull=False)))
    figures = {row["account"]: (row["n"], row["quiet"]) for row in counted}
    answers: Any = results.answers.values("delivery__account").annotate(**_COUNTS)
    found = {row["delivery__account"]: row for row in answers}
    accounts = Account.objects.in_bulk({*figures, *found})
    rows = [
        Row(account, f"account={pk}", *figures.get(pk, (0, 0)), *_figures(found.get(pk, {})))
        for pk, account in accounts.items()
    ]
    return sorted(rows, key=lambda row: (-row.answers, -row.deliveries, str(row.who)))


def by_person(results: Results) -> list[Row]:
    """Return one row for each person who answered. The person with the most answers is first.

    All profiles of a contact count as one person. At most `MAX_PEOPLE` rows are returned.
    """
    current = ProfileLink.objects.filter(profile=OuterRef("interaction__profile"), ended_at=None)
    answers: Any = results.answers.annotate(contact=current.values("contact")[:1])
    of_contacts = answers.exclude(contact=None).values("contact").annotate(**_COUNTS)
    of_profiles = answers.filter(contact=None).values("interaction__profile").annotate(**_COUNTS)
    linked = [*of_contacts.order_by("-n", "contact")[:MAX_PEOPLE]]
    unlinked = [*of_profiles.order_by("-n", "interaction__profile")[:MAX_PEOPLE]]
    contacts = Contact.objects.in_bulk([row["contact"] for row in linked])
    profiles = Profile.objects.in_bulk([row["interaction__profile"] for row in unlinked])
    rows = [
        *(_person(contacts[row["contact"]], "contact", row) for row in linked),
        *(_person(profiles[row["interaction__profile"]], "profile", row) for row in unlinked),
    ]
    return sorted(rows, key=lambda row: -row.answers)[:MAX_PEOPLE]


def _person(who: Contact | Profile, kind: str, counts: dict[str, Any]) -> Row:
    return Row(who, f"{kind}={who.pk}", 0, 0, *_figures(counts))


_COUNTS: dict[str, Any] = {
    "n": Count("pk"),
    **{f"n_{kind}": Count("pk", filter=outcome_is(kind)) for kind in (*JUDGED, NOT_JUDGED)},
}


def _figures(counts: dict[str, Any]) -> tuple[int, list[tuple[str, str, int]]]:
    """Return the number of answers, and (outcome, label, number) for each outcome."""
    labels: dict[str, Any] = {**dict(Feedback.Outcome.choices), NOT_JUDGED: _("Not judged")}
    kinds = (*JUDGED, NOT_JUDGED)
    return counts.get("n", 0), [(kind, labels[kind], counts.get(f"n_{kind}", 0)) for kind in kinds]
