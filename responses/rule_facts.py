"""Collect the facts about a response that the business rules evaluate.

Among the facts are the places where the text contains personal data of certain people. These are
the people in the response's case or in the cases of its issue.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Left
from django.utils import timezone

from crm.models import Account, Interaction, Profile
from listening.models import Match
from responses.models.response import Response
from responses.rules.judge import Facts
from responses.rules.personal_data import Known, addresses_in, codes_in, find
from routing.models import Case
from scrm.channels.email.people import address_of

MAX_CASES = 500
"""Maximum number of an issue's cases whose people are looked up; the newest cases are used."""
MAX_TEXTS, LONGEST_TEXT = 500, 20_000
"""How many private messages are searched, newest first, and how many characters of each."""
_LINK = re.compile(r"https?://|\bwww\.")


def facts_of(response: Response, accounts: Collection[Account], *, now: datetime) -> list[Facts]:
    """Return the facts for each combination of a kind of channel and a version of the text.

    The facts for the common text come first.
    """
    common = _common(response, accounts, now=now)
    known = _known(response, {account.network for account in accounts})
    texts = [(account.kind, response.words_on(account)) for account in accounts]
    texts = texts or [("", response.text)]
    texts.sort(key=lambda kind_and_text: kind_and_text[1] != response.text)
    found = []
    for kind, words in dict.fromkeys(texts):
        text = f"{response.subject}\n{words}" if response.subject else words
        links = len(_LINK.findall(text))
        own = {"text": text, "length": len(words), "links": links, "personal": find(text, known)}
        found.append(Facts(channel=kind, **own, **common))  # type: ignore[arg-type]
    return found


def _common(
    response: Response, accounts: Collection[Account], *, now: datetime
) -> dict[str, object]:
    local = timezone.localtime(max(response.send_at or now, now))
    case, author = response.case, response.author
    link = case.profile.link if case else None
    sizes = (account.config.get("readers") for account in accounts)
    readers = [size for size in sizes if size]
    return {
        "audience": response.audience,
        "visibility": response.visibility,
        "department": response.department.name,
        "author": str(author),
        "author_is_lead": response.department.is_led_by(author),
        "taken": case.assignee_id not in {None, author.pk} if case else None,
        "issue": response.issue_id is not None,
        "priority": case.priority if case else "",
        "tags": frozenset(case.tags if case else ()),
        "known": link is not None if case else None,
        "contact_kind": link.contact.kind if link else "",
        "reach": case.profile.reach if case else None,
        "readers": sum(readers) if readers and response.is_macro else None,
        "topics": frozenset(_topics(case)),
        "hour": local.hour,
        "weekday": local.strftime("%A").lower(),
    }


def _known(response: Response, networks: Collection[str]) -> Known:
    """Return personal data of the people in the response's case, or in all cases of its issue.

    The result is empty for a private reply without copies, because nobody else reads the reply.
    """
    if response.audience == "one" and response.visibility == "private" and not response.copies:
        return Known()
    cases = Case.objects.filter(pk=response.case_id or 0)
    if response.issue_id:
        cases = Case.objects.filter(Q(pk=response.case_id or 0) | Q(issue=response.issue_id))
    newest = cases.order_by("-last_inbound_at", "-pk").values_list("profile", flat=True)
    profiles = set(newest[:MAX_CASES])
    contacts = Profile.objects.filter(pk__in=profiles).values("links__contact")
    of_contact = Q(links__ended_at=None, links__contact__in=contacts)
    people = Profile.objects.filter(Q(pk__in=profiles) | of_contact).distinct()
    rows = list(people.values_list("pk", "network", "key", "name"))
    of_contacts = people.values_list("links__contact__name", flat=True)
    private = _private_words([pk for pk, *_rest in rows])
    names = {name for _pk, _network, _key, name in rows if name}
    names |= {str(name) for name in of_contacts if name}
    return Known(
        names=frozenset(names - _public_names(rows, networks)),
        emails=frozenset(address_of(key) for _, network, key, _ in rows if network == "email"),
        phones=frozenset(key for _pk, network, key, _name in rows if network == "phone"),
        addresses=addresses_in(private),
        codes=codes_in(private),
    )


def _public_names(rows: list[tuple[int, str, str, str]], networks: Collection[str]) -> set[str]:
    """Return the names that are public on every network to which the response is sent.

    A name is public on a network if a profile with this name wrote publicly there. `_known` does
    not count these names as personal data.
    """
    messages = Interaction.objects.filter(
        profile__in=[pk for pk, *_rest in rows], direction="in", revises=None, visibility="public"
    )
    public = set(messages.order_by().values_list("profile", flat=True).distinct())
    on = [
        {name for pk, on_network, _key, name in rows if on_network == network and pk in public}
        for network in networks
    ]
    return set.intersection(*on) if on else set()


def _private_words(profiles: list[int]) -> list[str]:
    received = Interaction.objects.filter(
        profile__in=profiles, visibility="private", direction="in", revises=None
    )
    begun = received.order_by("-sort_at", "-pk").annotate(begun=Left("text", LONGEST_TEXT))
    return list(begun.values_list("begun", flat=True)[:MAX_TEXTS])


def _topics(case: Case | None) -> list[str]:
    if case is None:
        return []
    matches = Match.objects.filter(interaction__conversation__case_links__case=case)
    return list(matches.values_list("revision__topic__name", flat=True))
