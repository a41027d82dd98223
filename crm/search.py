"""Find contacts and profiles by typed words.

Stored texts and typed words are compared in their search form (`scrm.text.search`), so that `renee`
finds Renée. A typed word also finds stored words that begin with it. Each word is searched in two
ways. It is searched as one lexeme, so that `ron@calder` finds a mail address that begins with it.
It is also searched in pieces, because PostgreSQL stores `O'Brien` as two lexemes. In scripts
without spaces between words, a typed text is found anywhere in a stored one, by its pairs of
characters. Special characters in a typed text never act as operators of the PostgreSQL query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.postgres.search import CombinedSearchQuery, SearchQuery, SearchRank
from django.db.models import Func, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.models import Contact, Profile, ProfileLink, Workspace
from crm.models.contact import CONTACT_NAMES
from crm.models.profile import NAMES, ProfileQuerySet
from scrm.text.clean import storable
from scrm.text.dates import ascii_form
from scrm.text.phone import e164_beginnings, looks_like_number
from scrm.text.search import RUN, run_pairs, search_form

Rows = TypeVar("Rows", bound="QuerySet[Any]")

LOOKED_THROUGH = 15
"""The number of hits that are read by a search that runs while the user types."""
# These are limited because each word costs PostgreSQL a scan of an index.
_MAX_WORDS, _MAX_PIECES, _LONGEST, _MAX_RUN = 8, 8, 200, 40
_MAX_TYPED = 4_000
"""Only the first characters of a longer text are searched for."""
_PUNCTUATION = "!\"#$%&'()*,-./:;<=>?@[\\]^_`{|}~"
"""ASCII punctuation except the plus sign, with which telephone numbers begin."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PIECE = re.compile("[0-9A-Za-z\x80-\U0010ffff]+")
_DIGITS = frozenset("0123456789")
_ADDRESS = re.compile(r".*@|\+?\d{6}", re.DOTALL)
_DISTINCTIVE = re.compile(r".*(@|[^\W\d_]{3}|\d{6})", re.DOTALL)
"""Matches mail addresses, handles and telephone numbers, but not short numbers."""


class Lexemes(SearchQuery):
    """A search query in PostgreSQL's own tsquery notation.

    PostgreSQL converts the query to lower case, as it does with the stored lexemes.
    """

    SEARCH_TYPES = {"lexemes": "tsquery"}  # the SQL type of the cast

    def __init__(self, notation: str) -> None:
        super().__init__(Lower(Value(notation)), search_type="lexemes")


def prefix_query(words: str) -> SearchQuery | CombinedSearchQuery | None:
    """Return a query that finds the texts that match all typed words.

    For each typed word, a text must contain a word that begins with it. The order of the words does
    not matter. The search vector must be that of `scrm.db.search_words`. Only the first eight words
    are used. Returns None if there is nothing to search for, for example if only punctuation was
    typed.
    """
    form = search_form(storable(words[:_MAX_TYPED]))
    used = [word[:_LONGEST] for word in form.split()[:_MAX_WORDS]]
    runs, spaced = _divided(" ".join(used))
    terms = [term for word in spaced.split()[:_MAX_WORDS] if (term := _term(word))]
    if not terms:
        return _with_runs(None, runs)
    notation = " & ".join(terms)
    if number := _telephone(words):
        notation = f"({notation}) | {number}"
    # Search also for the whole text as PostgreSQL parses it, because it splits some addresses in
    # another way.
    return _with_runs(Lexemes(notation) | SearchQuery(spaced, config="simple"), runs)


def matching(rows: Rows, vector: Func, words: str) -> Rows:
    """Return the rows whose search vector, a result of `search_words`, contains these words.

    The result is empty if there are no words.
    """
    query = prefix_query(words)
    return rows.none() if query is None else rows.alias(search=vector).filter(search=query)


def profiles_named(words: str) -> ProfileQuerySet:
    """Return the profiles whose name, handle and key together contain these words.

    The result is empty if there are no words.
    """
    return matching(Profile.objects.all(), NAMES, words)


def contacts_named(words: str) -> QuerySet[Contact]:
    """Return the contacts that have these words in their own name or in a linked profile.

    The result is empty if there are no words.
    """
    query = prefix_query(words)
    if query is None:
        return Contact.objects.none()
    own = Contact.objects.alias(search=CONTACT_NAMES).filter(search=query).order_by()
    links = ProfileLink.objects.filter(ended_at=None, profile__in=profiles_named(words))
    # A union, because with an OR PostgreSQL would use neither of the two indexes.
    return Contact.objects.filter(pk__in=own.values("pk").union(links.values("contact")))


def some_contacts_named(words: str) -> QuerySet[Contact]:
    """Return contacts like `contacts_named`, but read only the first LOOKED_THROUGH hits.

    This is fast enough for a search that runs while the user types.
    """
    _profiles, contacts = _profiles_and_contacts_named(words, most=LOOKED_THROUGH)
    return Contact.objects.filter(pk__in=contacts)


def people_named(words: str, *, most: int) -> set[int]:
    """Return the ids of the profiles that these words find.

    If the words find a contact, all profiles of this contact are included. A contact is found by
    its own name or by a linked profile.
    """
    profiles, _contacts = people_and_contacts_named(words, most=most)
    return profiles


def people_and_contacts_named(words: str, *, most: int) -> tuple[set[int], set[int]]:
    """Return the profiles of `people_named`, and the ids of the contacts that the words find."""
    profiles, contacts = _profiles_and_contacts_named(words, most=most)
    links = ProfileLink.objects.filter(ended_at=None, contact__in=contacts)
    return profiles | {*links.values_list("profile", flat=True)[:most]}, contacts


def _profiles_and_contacts_named(words: str, *, most: int) -> tuple[set[int], set[int]]:
    """Return two sets of ids: the profiles and the contacts that these words find.

    A contact is found by its own name or by a linked profile. At most `most` hits of each table are
    read from its index, in no particular order.
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
    """Return the profiles that these words find and that belong to no contact."""
    return profiles_named(words).strangers()


@dataclass(frozen=True, slots=True)
class Likeness:
    """A contact that a profile may belong to.

    why: the reason, as the page shows it.
    """

    contact: Contact
    why: str


def alike(profile: Profile, *, most: int = 5) -> list[Likeness]:
    """Return up to `most` contacts that the profile may belong to.

    Contacts with the same address or handle come first, then contacts with a similar name. If the
    profile took the handle of another account, its handle is not compared, and the contact of the
    other account is left out.
    """
    found: dict[int, Likeness] = {}
    owner = profile.handle_was_of
    for address in dict.fromkeys((profile.key, "" if owner else profile.handle)):
        why = _("Same address: %s") if _ADDRESS.match(address) else _("Same handle: %s")
        for contact in _with_address(address)[:most]:
            found.setdefault(contact.pk, Likeness(contact, why % address))
    for contact in _with_name_like(str(profile))[:most]:
        found.setdefault(contact.pk, Likeness(contact, _("Similar name")))
    if owner and owner.contact:
        found.pop(owner.contact.pk, None)
    return list(found.values())[:most]


def _with_address(address: str) -> QuerySet[Contact]:
    if not _DISTINCTIVE.match(address):
        return Contact.objects.none()
    runs, spaced = _divided(search_form(storable(address)))
    phrase = SearchQuery(spaced, config="simple", search_type="phrase") if spaced else None
    query = _with_runs(phrase, runs)
    if query is None:
        return Contact.objects.none()
    # The search ignores accents, but an address with an accent is another address.
    bare = storable(address).removeprefix("@")
    equal = Q(key__icontains=bare) | Q(handle__icontains=bare) | Q(name__icontains=bare)
    profiles = Profile.objects.alias(search=NAMES).filter(equal, search=query)
    links = ProfileLink.objects.filter(ended_at=None, profile__in=profiles)
    return Contact.objects.filter(pk__in=links.values("contact"))


def _with_name_like(name: str) -> QuerySet[Contact]:
    """Return the contacts whose names share words with this name, most shared words first.

    Words of less than three bytes in UTF-8 are ignored. So a word needs three ASCII letters, two
    Cyrillic letters or one Chinese character.
    """
    runs, spaced = _divided(search_form(storable(name)))
    pieces = [piece for piece in _PIECE.findall(spaced) if len(piece.encode()) >= 3]
    terms = [*map(_run, runs), *(_begins(piece[:_LONGEST]) for piece in pieces)][:_MAX_WORDS]
    if not terms:
        return Contact.objects.none()
    query = Lexemes(" | ".join(terms))
    found = Contact.objects.alias(search=CONTACT_NAMES).filter(search=query)
    return found.order_by(SearchRank(CONTACT_NAMES, query).desc(), "name", "pk")


def _divided(form: str) -> tuple[list[str], str]:
    """Return the runs of scripts without spaces, and the other words, divided by single spaces."""
    return RUN.findall(form)[:_MAX_WORDS], " ".join(RUN.sub(" ", form).split())


def _with_runs(
    query: SearchQuery | CombinedSearchQuery | None, runs: list[str]
) -> SearchQuery | CombinedSearchQuery | None:
    """Return the query for texts that this query finds and that contain all runs, if any."""
    if not runs:
        return query
    found = Lexemes(" & ".join(map(_run, runs)))
    return found & query if query else found


def _run(run: str) -> str:
    """Return the query for a run: its pairs; for one character, the pairs that begin with it."""
    if len(run) == 1:
        return _begins(run)
    return "(" + " & ".join(_quoted(pair) for pair in run_pairs(run[:_MAX_RUN])) + ")"


def _term(word: str) -> str:
    """Return the query for one word; "" if the word contains nothing to search for.

    If the word consists of several pieces, the query finds the whole word or all of its pieces.
    """
    whole = _SCHEME.sub("", word, count=1).lstrip(_PUNCTUATION).rstrip(_PUNCTUATION + "+")
    if not whole:
        return ""
    pieces = _PIECE.findall(whole)[:_MAX_PIECES]
    if not pieces:
        return ""
    together = " & ".join(_piece(piece) for piece in pieces)
    return together if pieces == [whole] else f"({_begins(whole)} | ({together}))"


def _piece(piece: str) -> str:
    """Return the query for one piece of a word.

    Digits are also searched with a plus or minus sign, because PostgreSQL may store the sign with
    the number.
    """
    if not (piece.isascii() and piece.isdigit()):
        return _begins(piece)
    return f"({_begins(piece)} | {_begins('+' + piece)} | {_begins('-' + piece)})"


def _telephone(words: str) -> str:
    """Return the query for a telephone number in any format; "" if the words are no number.

    The query finds numbers that are stored in E.164, and the typed digits without spaces.
    """
    if not looks_like_number(words):
        return ""
    digits = "".join(char for char in ascii_form(words) if char in _DIGITS)
    forms = {f"+{digits.removeprefix('00')}", digits}
    forms |= e164_beginnings(words, Workspace.objects.country())
    return f"({' | '.join(map(_begins, sorted(forms)))})"


def _begins(lexeme: str) -> str:
    return f"{_quoted(lexeme)}:*"


def _quoted(lexeme: str) -> str:
    # Quoted and escaped, so that no typed character acts as an operator of the query.
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
