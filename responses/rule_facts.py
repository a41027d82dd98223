"""What the rules go by: a response as it stands, and the people whom it may be about."""

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

MAX_CASES = 500
"""Of an issue: those who wrote last are looked for in what is said about it."""
MAX_TEXTS, LONGEST_TEXT = 500, 20_000
"""Of what they said in private: the newest texts, and of each its beginning."""
_LINK = re.compile(r"https?://|\bwww\.")


def facts_of(response: Response, accounts: Collection[Account], *, now: datetime) -> list[Facts]:
    """One for each wording and kind of channel; the response's own words come first."""
    common = _common(response, accounts, now=now)
    known = _known(response, {each.network for each in accounts})
    worded = [(each.kind, response.words_on(each)) for each in accounts] or [("", response.text)]
    worded.sort(key=lambda each: each[1] != response.text)
    made = []
    for kind, words in dict.fromkeys(worded):
        text = f"{response.subject}\n{words}" if response.subject else words
        links = len(_LINK.findall(text))
        own = {"text": text, "length": len(words), "links": links, "personal": find(text, known)}
        made.append(Facts(channel=kind, **own, **common))  # type: ignore[arg-type]
    return made


def _common(
    response: Response, accounts: Collection[Account], *, now: datetime
) -> dict[str, object]:
    local = timezone.localtime(max(response.send_at or now, now))
    case, author = response.case, response.author
    link = case.profile.link if case else None
    readers = [each.config["readers"] for each in accounts if each.config.get("readers")]
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
    """Those of its case, or of all cases of its issue. Nobody, where they alone will read it."""
    if response.audience == "one" and response.visibility == "private":
        return Known()
    cases = Case.objects.filter(pk=response.case_id or 0)
    if response.issue_id:
        cases = Case.objects.filter(Q(pk=response.case_id or 0) | Q(issue=response.issue_id))
    newest = cases.order_by("-last_inbound_at", "-pk").values_list("profile", flat=True)
    theirs = set(newest[:MAX_CASES])
    contacts = Profile.objects.filter(pk__in=theirs).values("links__contact")
    of_contact = Q(links__ended_at=None, links__contact__in=contacts)
    people = Profile.objects.filter(Q(pk__in=theirs) | of_contact).distinct()
    rows = list(people.values_list("pk", "network", "key", "name"))
    called = {str(name) for name in people.values_list("links__contact__name", flat=True) if name}
    private = _private_words([pk for pk, *_rest in rows])
    names = {name for _pk, _network, _key, name in rows if name} | called
    return Known(
        names=frozenset(names - _public_names(rows, networks)),
        emails=frozenset(key for _pk, network, key, _name in rows if network == "email"),
        phones=frozenset(key for _pk, network, key, _name in rows if network == "phone"),
        addresses=addresses_in(private),
        codes=codes_in(private),
    )


def _public_names(rows: list[tuple[int, str, str, str]], networks: Collection[str]) -> set[str]:
    """Names under which somebody wrote in public on every network that it goes to."""
    wrote = Interaction.objects.filter(
        profile__in=[pk for pk, *_rest in rows], direction="in", visibility="public"
    )
    public = set(wrote.order_by().values_list("profile", flat=True).distinct())
    on = [
        {name for pk, network, _key, name in rows if network == each and pk in public}
        for each in networks
    ]
    return set.intersection(*on) if on else set()


def _private_words(profiles: list[int]) -> list[str]:
    said = Interaction.objects.filter(profile__in=profiles, visibility="private", direction="in")
    begun = said.order_by("-sort_at", "-pk").annotate(begun=Left("text", LONGEST_TEXT))
    return list(begun.values_list("begun", flat=True)[:MAX_TEXTS])


def _topics(case: Case | None) -> list[str]:
    if case is None:
        return []
    hits = Match.objects.filter(interaction__conversation__case_links__case=case)
    return list(hits.values_list("revision__topic__name", flat=True))
