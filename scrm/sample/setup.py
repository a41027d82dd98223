"""The set-up of Skyward Air: accounts, topics, rules, sources and contacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm.models import Account, Contact, ContactRelation, Department, Profile, User
from listening import sensitive_topics
from listening.models import Source, Topic
from responses import default_rules
from responses.models import ResponseRule, SavedReply
from routing.models import RoutingRule
from scrm.channels.prices import MICRO
from scrm.channels.sandbox.community import US
from scrm.channels.sandbox.networks import BLOG, BLUESKY, FEED, FORM, MAIL, MASTODON, X
from scrm.channels.sandbox.people import handle_on, persona
from scrm.sample import words
from scrm.sample.logins import Login
from scrm.sample.people import (
    MARKETING,
    SALES,
    SERVICE,
    TECHNICAL,
    by_hand,
    found_departments,
    hire,
    open_hours,
    seat,
)

Json = dict[str, Any]
DIRECTOR = "roncalder"
DIRECTOR_PHONE = "+12025550142"


@dataclass(frozen=True)
class Workspace:
    """Parts of the workspace, by the names that the story uses."""

    people: dict[str, User]
    departments: dict[str, Department]
    accounts: dict[str, Account]
    logins: list[Login]


def furnish(*, since: datetime) -> Workspace:
    """Create an organisation that can listen and answer.

    since: the creation date of its rows.
    """
    people, logins = hire()
    departments = found_departments(people["ada"])
    open_hours(people["ada"])
    seat(people, departments)
    accounts = _accounts(people, departments)
    _topics(people, since)
    _routing_rules(people, departments, since)
    _response_rules(people, since)
    _saved_replies(people, departments, since)
    _sources(people, accounts, since)
    _contacts(people, since)
    _relations(people["carla"], since)
    return Workspace(people, departments, accounts, logins)


def _accounts(people: dict[str, User], departments: dict[str, Department]) -> dict[str, Account]:
    ada, nora = people["ada"], people["nora"]
    accounts = {
        "x": _account(ada, X, "@SkywardAir", usd_per_day=40 * MICRO, usd_per_month=900 * MICRO),
        "mastodon": _account(ada, MASTODON, "@SkywardAir@social.example"),
        "bluesky": _account(ada, BLUESKY, "@skywardair.sky.example"),
        "mail": _account(ada, MAIL, US[MAIL], name="Skyward Air Customer Care"),
        "blog": _account(nora, BLOG, "", title="Skyward Blog"),
        # As on many networks, if the answer is lost, nobody can look up whether the post was sent.
        "deals": _account(
            nora, X, "@SkywardDeals", key="skywarddeals", name="Skyward Deals", idempotence="none"
        ),
        "phone": by_hand(ada, departments),
    }
    for department in departments.values():
        department.accounts.add(*(accounts[name] for name in ("x", "mastodon", "bluesky", "mail")))
    departments[MARKETING].accounts.add(accounts["blog"], accounts["deals"])
    departments[SERVICE].accounts.add(accounts["blog"])
    return accounts


def _account(
    owner: User, network: str, address: str, *, key: str = "", title: str = "", **config: Any
) -> Account:
    """Create an account on a network of the sandbox.

    key: the key of our profile there, if it is not the usual one. title: the name on screen, if it
    is not the address.
    """
    return Account.objects.create(
        kind=network,
        network=network,
        self_key=key or US[network],
        address=address,
        name=title or address,
        owner=owner,
        config={"name": "Skyward Air", **config},
    )


_TOPICS: dict[str, tuple[str, str, list[str], list[str]]] = {
    # name: (owner, purpose, any of, none of)
    "Skyward Air": (
        "nora",
        "Everything that names us, whatever it is about.",
        ["skyward", "@skywardair", "#skywardair"],
        [],
    ),
    "Seat policy": (
        "carla",
        "Who has to pay for a second seat, and how we tell them.",
        ["seat policy", "second seat", "too big", "too big to fly", "put off the flight", "row 7A"],
        [],
    ),
    "Baggage": (
        "carla",
        "Lost, late and broken bags.",
        ["luggage", "baggage", "suitcase", "lost my", "broken handle", "koffer", "maleta",
         "valise", "чемодан"],
        ["selling"],
    ),
    "App and check-in": (
        "dev",
        "The app, boarding passes, and logging in.",
        ["app", "boarding pass", "check-in", "log in", "アプリ"],
        [],
    ),
    "Fares and groups": (
        "paul",
        "People who want to buy.",
        ["group fares", "fly from", "go on sale", "direct flight", "business fare",
         "offers for groups", "thinking of booking"],
        [],
    ),
    "Thanks": (
        "nora",
        "Praise, to pass on to the crews.",
        ["thank you", "thanks", "impressed", "hats off", "credit where"],
        ["wonderful", "so much for"],
    ),
}  # fmt: skip


def _topics(people: dict[str, User], since: datetime) -> None:
    for name, (owner, purpose, any_of, none_of) in _TOPICS.items():
        topic = Topic.objects.create(
            name=name,
            purpose=purpose,
            owner=people[owner],
            created_at=since,
            is_brand=name == "Skyward Air",
        )
        topic.revise(any_of=any_of, all_of=[], none_of=none_of, by=people[owner], now=since)
    sensitive_topics.create_default_topics(people["sunita"], since=since)


def _has(*topics: str) -> Json:
    return {"field": "topics", "op": "has any", "value": list(topics)}


def _is(field: str, value: str | bool) -> Json:
    return {"field": field, "op": "is", "value": value}


def _routing_rules(
    people: dict[str, User], departments: dict[str, Department], since: datetime
) -> None:
    at_least = {"field": "reach", "op": "at least", "value": 100_000}
    rules: list[tuple[str, str, Json, str, str, str, tuple[str, ...]]] = [
        # name, owner, conditions, department, assign, priority, tags
        ("Wide reach about seats", "carla", {"all": [_has("Seat policy"), at_least]},
         SERVICE, "nobody", "urgent", ("influencer",)),
        ("Seat policy", "carla", {"all": [_has("Seat policy")]},
         SERVICE, "last", "high", ("seats",)),
        ("Press and partners", "nora",
         {"any": [_is("contact_kind", "press"), _is("contact_kind", "partner")]},
         MARKETING, "last", "high", ()),
        ("App and check-in", "dev", {"all": [_has("App and check-in")]},
         TECHNICAL, "nobody", "normal", ("app",)),
        ("People who want to buy", "paul", {"all": [_has("Fares and groups")]},
         SALES, "nobody", "normal", ()),
        ("Bags", "carla", {"all": [_has("Baggage")]}, SERVICE, "last", "normal", ("bags",)),
        ("Survey answers and cards", "nora",
         {"any": [_is("kind", "survey answer"), _is("kind", "comment card")]},
         MARKETING, "nobody", "low", ()),
        ("Praise", "nora",
         {"all": [_has("Thanks"), _is("stance", "about us")]},
         MARKETING, "nobody", "low", ("praise",)),
    ]  # fmt: skip
    for position, (name, owner, conditions, place, assign, priority, tags) in enumerate(rules):
        rule = RoutingRule.objects.create(name=name, owner=people[owner], position=position)
        rule.revise(
            conditions=conditions,
            department=departments[place],
            assign=assign,
            priority=priority,
            tags=tags,
            by=people[owner],
            now=since,
        )


def _says(*any_of: str) -> Json:
    return {"field": "text", "op": "contains any", "value": list(any_of)}


def _response_rules(people: dict[str, User], since: datetime) -> None:
    """Create the default business rules, except the privacy rule, which the story adds later.

    A further rule is created that is not a default rule.
    """
    default_rules.create_default_rules(
        people["nora"], except_names=(default_rules.PRIVACY,), since=since
    )
    ResponseRule.objects.create(
        name="Never promise compensation in public",
        owner=people["sunita"],
        position=len(default_rules.RULES),
        conditions={
            "all": [
                _is("visibility", "public"),
                _says("compensate", "compensation", "we will pay"),
            ]
        },
        verdict="refuse",
        reason="Compensation is never promised in public. Offer it in private.",
        created_at=since,
    )


def keep_private_matters_private(people: dict[str, User], *, since: datetime) -> ResponseRule:
    """Add the privacy rule, which did not exist when the first statement was sent.

    The statement and its correction become examples of the rule.
    """
    rule = default_rules.add(default_rules.PRIVACY, owner=people["sunita"], since=since)
    facts = {"audience": "many", "visibility": "public", "channel": "", "people": "Ron Calder"}
    rule.examples = [
        *rule.examples,
        facts | {"text": words.STATEMENT, "holds": True},
        facts | {"text": words.CORRECTION, "holds": False},
    ]
    rule.save(update_fields=["examples"])
    return rule


_SAVED = {
    # name: (whose, text)
    "Sorry": (
        None,
        (
            "Dear {{ first_name }}, I am sorry. I am looking into it and will write to you again "
            "today. {{ agent_first_name }}, {{ department }}"
        ),
    ),
    "Lost bag": (
        SERVICE,
        (
            "Dear {{ first_name }}, please send us the number on your baggage receipt in a private "
            "message. With it I can see where your bag is."
        ),
    ),
    "Group fare": (
        SALES,
        (
            "Dear {{ first_name }}, for ten or more people we prepare an individual offer. How "
            "many are you, from where, and when?"
        ),
    ),
}


def _saved_replies(
    people: dict[str, User], departments: dict[str, Department], since: datetime
) -> None:
    for name, (whose, text) in _SAVED.items():
        department = departments[whose] if whose else None
        SavedReply.objects.create(
            name=name, text=text, department=department, owner=people["nora"], created_at=since
        )


def _sources(people: dict[str, User], accounts: dict[str, Account], since: datetime) -> None:
    sources = [
        ("search:skyward", "Posts about us on X", "about us", X, "nora", 20),
        ("mentions", "Mentions of @SkywardAir on X", "for us", X, "carla", 10),
        ("search:skyward", "Posts about us on Mastodon", "about us", MASTODON, "nora", 20),
        ("mentions", "Mentions of us on Mastodon", "for us", MASTODON, "carla", 15),
        ("search:skyward", "Posts about us on Bluesky", "about us", BLUESKY, "nora", 20),
        ("mentions", "Mentions of us on Bluesky", "for us", BLUESKY, "carla", 15),
        ("inbox", "care@skyward.example", "for us", MAIL, "carla", 15),
        ("comments", "Comments on our blog", "for us", BLOG, "nora", 15),
        ("forms", "Contact form of our site", "for us", FORM, "carla", 20),
        ("entries", "Frequent flyers' forum", "about us", FEED, "nora", 30),
    ]
    ours = {account.network: account for name, account in accounts.items() if name != "deals"}
    for address, name, stance, network, owner, rhythm in sources:
        Source.objects.create(
            kind=network,
            address=address,
            name=name,
            stance=stance,
            account=ours.get(network),
            owner=people[owner],
            rhythm=rhythm,
            created_at=since,
            next_fetch_at=since,
        )


_CONTACTS: dict[str, tuple[str, str]] = {
    # persona: (kind, about)
    DIRECTOR: ("influencer", "Film director. Flies with us twice a month."),
    "amara_flies": ("influencer", "Travel writer."),
    "aisle_seat_al": ("press", "Writes “Aisle Seat”, a column on airlines."),
    "tombecker71": ("customer", ""),
    "misaki_s": ("customer", "Runs a guest house; books for her guests."),
    "ingrid_ak": ("partner", "Our ground crew in Gothenburg."),
    "priyanair": ("prospect", "Choir of thirty, asked for an offer."),
    "lukasz_w": ("customer", ""),
}


def _contacts(people: dict[str, User], since: datetime) -> None:
    carla = people["carla"]
    for key, (kind, about) in _CONTACTS.items():
        person = persona(key)
        assert person is not None
        contact = Contact.objects.create(
            name=person.name, kind=kind, about=about, owner=carla, created_at=since
        )
        first, *others = person.on
        _link(first, key, person.name, contact, "Confirmed by message.", since, by=carla)
        for network in others:
            _link(network, key, person.name, contact, "Same name.", since, confidence=0.8)
        if person.mail:
            _link(MAIL, person.mail, person.name, contact, "Same name.", since, confidence=0.7)
        if key == DIRECTOR:
            evidence = "Called back on the number in his booking."
            _link("phone", DIRECTOR_PHONE, person.name, contact, evidence, since, by=carla)


_RELATIONS = [
    ("amara_flies", "writes for the same paper as", "aisle_seat_al"),
    ("lukasz_w", "sings in the choir of", "priyanair"),
]


def _relations(by: User, since: datetime) -> None:
    contacts = {key: Contact.objects.get(name=_name(key)) for key in _CONTACTS}
    for one, kind, other in _RELATIONS:
        ContactRelation.objects.create(
            one=contacts[one], kind=kind, other=contacts[other], made_by=by, made_at=since
        )


def _name(key: str) -> str:
    person = persona(key)
    assert person is not None
    return person.name


def _link(
    network: str,
    key: str,
    name: str,
    contact: Contact,
    evidence: str,
    since: datetime,
    *,
    by: User | None = None,
    confidence: float = 1.0,
) -> None:
    profile = Profile.objects.create(
        network=network, key=key, handle=handle_on(network, key), name=name, first_seen_at=since
    )
    profile.link_to(contact, by=by, evidence=evidence, confidence=confidence, now=since)
