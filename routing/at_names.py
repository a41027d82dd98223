"""Find the colleagues that a note mentions with an @, for example “@anna” or “@Anna Agent”."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.models import Account, Profile, User
from routing.models import Case
from scrm.text.fold import fold

MAX_NAMES = 50
"""At most this many @names of a note are read."""
_LONGEST = 200
_AT = re.compile(r"(?<![\w.@/])@(?=\w)")
_WORD = re.compile(r"[\w.-]*\w")


@dataclass(frozen=True, slots=True)
class Named:
    """The colleagues whom a note names, and what is wrong with its other @names.

    problems: sentences for the field of the note.
    """

    users: tuple[User, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Colleague:
    """A user whom a note can name. written: the name that fits nobody else, without the @."""

    user: User
    written: str
    address: str


def colleagues(case: Case) -> list[Colleague]:
    """Return the users whom a note on the case can name."""
    users = readers(case)
    shared = Counter(fold(user.name) for user in users)
    return [
        Colleague(
            user=user,
            written=user.name if shared[fold(user.name)] == 1 and user.name else _address(user),
            address=user.email,
        )
        for user in users
    ]


def readers(case: Case) -> list[User]:
    """Return the active users who may read the case, by name."""
    may_see = Q(memberships__department=case.department_id) | Q(role__in=User.SEE_EVERYTHING)
    return list(User.objects.active().filter(may_see).distinct().order_by("name", "pk"))


def read(text: str, case: Case) -> Named:
    """Find the users that the text names.

    Each user can be named by full name, by the local part of the e-mail address, or by first name.
    The longest matching name is used, so “@Anna Agent” does not match another Anna. If an address
    and a first name are equal, the address is used. It is a problem if a name matches several
    readers of the case, no user, or only users who cannot read the case. Handles on networks are
    ignored; a handle of the party takes precedence over the name of a colleague who cannot read
    the case.
    """
    places = [found.end() for found in _AT.finditer(text) if not _is_address(text, found.end())]
    if not places:
        return Named()
    may_read = readers(case)
    everyone = list(User.objects.active().order_by("name", "pk"))
    of_party = _handles_of_party(case)
    users: dict[int, User] = {}
    unknown: dict[str, None] = {}
    problems: list[str] = []
    for place in places[:MAX_NAMES]:
        rest = fold(text[place : place + _LONGEST])
        fit = _longest(rest, may_read)
        if len(fit) == 1:
            users[fit[0].pk] = fit[0]
        elif fit:
            problems.append(_ambiguous(_word(text, place), fit))
        elif fold(_word(text, place)) in of_party:
            continue
        elif others := _longest(rest, everyone):
            problems.append(_cannot_read(others[0], case))
        else:
            unknown[_word(text, place)] = None
    handles = _handles(unknown)
    problems += [_unknown(word, may_read) for word in unknown if fold(word) not in handles]
    return Named(tuple(users.values()), tuple(dict.fromkeys(problems)))


def _longest(rest: str, people: Iterable[User]) -> list[User]:
    """Return the users whose name begins the folded text, of those only the longest names."""
    fit: dict[User, int] = {}
    for user in people:
        lengths = [len(name) for name in _names(user) if _begins(rest, name)]
        if lengths:
            fit[user] = max(lengths)
    longest = max(fit.values(), default=0)
    found = [user for user, length in fit.items() if length == longest]
    # An address belongs to one user only, a first name may be shared.
    by_address = [
        user for user in found if len(_address(user)) == longest and _begins(rest, _address(user))
    ]
    return by_address if len(by_address) == 1 else found


def _begins(rest: str, name: str) -> bool:
    after = rest[len(name) : len(name) + 1]
    return rest.startswith(name) and not (after.isalnum() or after in {"_", "@"})


def _names(user: User) -> set[str]:
    name = fold(user.name)
    return {name, name.partition(" ")[0], _address(user)} - {""}


def _address(user: User) -> str:
    return fold(user.email).partition("@")[0]


def _word(text: str, place: int) -> str:
    found = _WORD.match(text, place, place + _LONGEST)
    return found[0] if found else ""


def _is_address(text: str, place: int) -> bool:
    """Return whether the text there is a handle on Mastodon, such as “@ron@calder.example”."""
    return text.startswith("@", place + len(_word(text, place)))


def _handles(words: Iterable[str]) -> set[str]:
    """Return those words, folded, that are handles of accounts or of people on a network."""
    wanted = {fold(word): None for word in words}
    if not wanted:
        return set()
    spelled = [spelling for word in wanted for spelling in (word, f"@{word}")]
    known = Profile.objects.alias(lower=Lower("handle")).filter(lower__in=spelled)
    ours = Account.objects.values_list("name", flat=True)
    found = known.values_list("handle", flat=True)[:_LONGEST]
    return {fold(handle).lstrip("@") for handle in (*found, *ours)}


def _handles_of_party(case: Case) -> set[str]:
    """Return the handles of the case's party, folded and without the @."""
    contact = case.profile.contact
    others = Profile.objects.of_contact(contact) if contact else Profile.objects.none()
    handles = {case.profile.handle, *others.values_list("handle", flat=True)} - {""}
    return {fold(handle).lstrip("@") for handle in handles}


def _ambiguous(word: str, fit: list[User]) -> str:
    names = ", ".join(f"@{user}" for user in fit[:5])
    return _("“@%(word)s” matches several colleagues: %(names)s. Enter the full name.") % {
        "word": word,
        "names": names,
    }


def _cannot_read(user: User, case: Case) -> str:
    return _(
        "%(who)s cannot read this case of %(department)s. Remove the @, or transfer the case."
    ) % {"who": user, "department": case.department}


def _unknown(word: str, people: list[User]) -> str:
    names = {name: user for user in people for name in _names(user)}
    near = dict.fromkeys(names[name] for name in get_close_matches(fold(word), names, n=3))
    if not near:
        return _("No colleague is named “%s”. Correct the name, or remove the @.") % word
    return _("No colleague is named “%(word)s”. Did you mean %(names)s?") % {
        "word": word,
        "names": ", ".join(f"@{user}" for user in near),
    }
