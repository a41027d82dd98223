"""Find contacts and profiles by typed words; each typed word may be the beginning of a stored word.

Each word is searched in two ways: as one lexeme, because `ron@calder` is the beginning of a mail
address, and in pieces, because PostgreSQL stores `O'Brien` as two lexemes. Special characters have
no meaning: typed text never becomes an operator of a PostgreSQL query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.contrib.postgres.search import CombinedSearchQuery, SearchQuery, SearchRank
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.models import Contact, Profile, ProfileLink
from crm.models.contact import CONTACT_NAMES
from crm.models.profile import NAMES, ProfileQuerySet
from scrm.text.clean import storable

LOOKED_THROUGH = 15
"""The number of hits that are read by a search that runs while the user types."""
# These are limited because each word costs PostgreSQL a scan of an index.
_MAX_WORDS, _MAX_PIECES, _LONGEST = 8, 8, 200
_PUNCTUATION = "!\"#$%&'()*,-./:;<=>?@[\\]^_`{|}~"
"""ASCII punctuation except the plus sign, with which telephone numbers begin."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PIECE = re.compile("[0-9A-Za-z\x80-\U0010ffff]+")
_TELEPHONE = re.compile(r"(\+|00)?[0-9 ()/.-]{5,40}", re.ASCII)
_ADDRESS = re.compile(r".*@|\+?\d{6}", re.DOTALL)
_DISTINCTIVE = re.compile(r".*(@|[^\W\d_]{3}|\d{6})", re.DOTALL)
"""Matches mail addresses, handles and telephone numbers, but not short numbers."""


class Lexemes(SearchQuery):
    """A tsquery in PostgreSQL's own notation, in lower case because stored lexemes are."""

    SEARCH_TYPES = {"lexemes": "tsquery"}  # the SQL type of the cast

    def __init__(self, notation: str) -> None:
        super().__init__(Lower(Value(notation)), search_type="lexemes")


def prefix_query(words: str) -> SearchQuery | CombinedSearchQuery | None:
    """Return a query for texts in which each of these words begins some word, in any order.

    The search vector must use the config `simple`. Only the first eight words are used. Returns
    None if there is nothing to search for, for example if only punctuation was typed.
    """
    used = [word[:_LONGEST] for word in storable(words).split()[:_MAX_WORDS]]
    terms = [term for word in used if (term := _term(word))]
    if not terms:
        return None
    notation = " & ".join(terms)
    if _TELEPHONE.fullmatch(number := " ".join(used)):
        notation = f"({notation}) | {_telephone(number)}"
    # Search also for the whole text as PostgreSQL parses it, because it splits some addresses in
    # another way.
    return Lexemes(notation) | SearchQuery(" ".join(used), config="simple")


def profiles_named(words: str) -> ProfileQuerySet:
    """Profiles whose name, handle and key together contain these words; none without words."""
    query = prefix_query(words)
    if query is None:
        return Profile.objects.none()
    return Profile.objects.alias(search=NAMES).filter(search=query)


def contacts_named(words: str) -> QuerySet[Contact]:
    """Contacts with these words in their own name or a linked profile; none without words."""
    query = prefix_query(words)
    if query is None:
        return Contact.objects.none()
    own = Contact.objects.alias(search=CONTACT_NAMES).filter(search=query).order_by()
    links = ProfileLink.objects.filter(ended_at=None, profile__in=profiles_named(words))
    # A union, because with an OR PostgreSQL would use neither of the two indexes.
    return Contact.objects.filter(pk__in=own.values("pk").union(links.values("contact")))


def some_contacts_named(words: str) -> QuerySet[Contact]:
    """Like `contacts_named`, but reads only the first LOOKED_THROUGH hits.

    This is fast enough for a search that runs while the user types.
    """
    _profiles, contacts = _profiles_and_contacts_named(words, most=LOOKED_THROUGH)
    return Contact.objects.filter(pk__in=contacts)


def people_named(words: str, *, most: int) -> set[int]:
    """Ids of the profiles found by these words, and of all profiles of the contacts found.

    A contact is found by its own name or by the name of a linked profile.
    """
    profiles, contacts = _profiles_and_contacts_named(words, most=most)
    links = ProfileLink.objects.filter(ended_at=None, contact__in=contacts)
    return profiles | {*links.values_list("profile", flat=True)[:most]}


def _profiles_and_contacts_named(words: str, *, most: int) -> tuple[set[int], set[int]]:
    """Return the ids of the profiles and of the contacts that these words find.

    A contact is found by its own name or by a linked profile. At most `most` hits of each table are
    read through its index, in no particular order.
    """
    query = prefix_query(words)
    if query is None:
        return set(), set()
    profiles = {*profiles_named(words).order_by().values_list("pk", flat=True)[:most]}
    own = Contact.objects.alias(search=CONTACT_NAMES).filter(search=query).order_by()
    links = ProfileLink.objects.filter(ended_at=None, profile__in=profiles)
    contacts = {*own.values_list("pk", flat=True)[:most]}
    return profiles, contacts | {*links.values_list("contact", flat=True)}


def strangers_named(words: str) -> ProfileQuerySet:
    """Profiles that belong to no contact and are found by these words."""
    return profiles_named(words).strangers()


@dataclass(frozen=True, slots=True)
class Likeness:
    """A contact that a profile may belong to. why: the reason, as the page shows it."""

    contact: Contact
    why: str


def alike(profile: Profile, *, most: int = 5) -> list[Likeness]:
    """Contacts that a profile may belong to.

    Contacts with the same address or handle come first, then contacts with a similar name.
    """
    found: dict[int, Likeness] = {}
    for address in dict.fromkeys((profile.key, profile.handle)):
        why = _("Same address: %s") if _ADDRESS.match(address) else _("Same handle: %s")
        for contact in _with_address(address)[:most]:
            found.setdefault(contact.pk, Likeness(contact, why % address))
    for contact in _with_name_like(str(profile))[:most]:
        found.setdefault(contact.pk, Likeness(contact, _("Similar name")))
    return list(found.values())[:most]


def _with_address(address: str) -> QuerySet[Contact]:
    if not _DISTINCTIVE.match(address):
        return Contact.objects.none()
    query = SearchQuery(storable(address), config="simple", search_type="phrase")
    profiles = Profile.objects.alias(search=NAMES).filter(search=query)
    links = ProfileLink.objects.filter(ended_at=None, profile__in=profiles)
    return Contact.objects.filter(pk__in=links.values("contact"))


def _with_name_like(name: str) -> QuerySet[Contact]:
    """Contacts whose names share words with this name, most shared words first.

    Words of less than three bytes are ignored: three bytes are three letters in ASCII and two in
    most other scripts.
    """
    pieces = [piece for piece in _PIECE.findall(storable(name)) if len(piece.encode()) >= 3]
    if not pieces:
        return Contact.objects.none()
    query = Lexemes(" | ".join(_begins(piece[:_LONGEST]) for piece in pieces[:_MAX_WORDS]))
    found = Contact.objects.alias(search=CONTACT_NAMES).filter(search=query)
    return found.order_by(SearchRank(CONTACT_NAMES, query).desc(), "name", "pk")


def _term(word: str) -> str:
    """Return the query of one word, whole or in pieces; "" if there is nothing to search for."""
    whole = _SCHEME.sub("", word, count=1).lstrip(_PUNCTUATION).rstrip(_PUNCTUATION + "+")
    if not whole:
        return ""
    pieces = _PIECE.findall(whole)[:_MAX_PIECES]
    if not pieces:
        return ""
    together = " & ".join(_piece(piece) for piece in pieces)
    return together if pieces == [whole] else f"({_begins(whole)} | ({together}))"


def _piece(piece: str) -> str:
    """Return the query of one piece of a word.

    Digits are also searched with a plus or minus sign, because PostgreSQL may store the sign with
    the number.
    """
    if not (piece.isascii() and piece.isdigit()):
        return _begins(piece)
    return f"({_begins(piece)} | {_begins('+' + piece)} | {_begins('-' + piece)})"


def _telephone(number: str) -> str:
    """Return the query of a telephone number, which may be typed with spaces and signs.

    It finds numbers that are stored without spaces, with or without a plus sign.
    """
    digits = "".join(char for char in number if char.isdigit())
    return f"({_begins('+' + digits.removeprefix('00'))} | {_begins(digits)})"


def _begins(lexeme: str) -> str:
    # Quoted and escaped, so that no typed character acts as an operator of the query.
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}':*"
