"""Decide who wrote a mail, and whether this is verified.

Usually the author is the sender in From. But a web form sends mails from our address or from a
no-reply address. A mailing list, or a service such as one for signing documents, may put its own
address into From; then another header may name the author. The same is true for the service of a
contact form. Anybody can write such headers, and type any address into such a form, and anybody can
write our customer's address into From, so the author may be unverified. A form vouches for its
author only if it sends from our domain, or from the no-reply address of the author's domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from scrm.channels.base import Author
from scrm.channels.email.people import Person, domain_of, outside_quotes, readable, unverified_key
from scrm.channels.email.read import Letter

Reason = Literal["", "dmarc", "list", "form"]
_SHARED_DOMAINS = frozenset({
    "126.com", "139.com", "163.com", "abv.bg", "alice.it", "aon.at", "arcor.de", "att.net",
    "bellsouth.net", "bigpond.com", "bk.ru", "bluewin.ch", "bol.com.br", "btinternet.com",
    "centrum.cz", "charter.net", "chello.at", "comcast.net", "cox.net", "daum.net", "earthlink.net",
    "email.com", "foxmail.com", "free.fr", "freenet.de", "hanmail.net", "hey.com", "hispeed.ch",
    "home.nl", "inbox.ru", "interia.pl", "kpnmail.nl", "laposte.net", "libero.it", "list.ru",
    "mac.com", "mail.com", "mail.de", "mail.ru", "mailbox.org", "me.com", "naver.com", "neuf.fr",
    "ntlworld.com", "o2.pl", "onet.pl", "optusnet.com.au", "orange.fr", "pm.me", "posteo.de",
    "qq.com", "rambler.ru", "riseup.net", "sapo.pt", "sbcglobal.net", "seznam.cz", "sfr.fr",
    "shaw.ca", "sina.com", "sky.com", "skynet.be", "sunrise.ch", "sympatico.ca", "t-online.de",
    "talktalk.net", "telenet.be", "telia.com", "terra.com.br", "tin.it", "tiscali.it", "ukr.net",
    "uol.com.br", "verizon.net", "virgilio.it", "virginmedia.com", "wanadoo.fr", "web.de", "wp.pl",
    "xtra.co.nz", "ziggo.nl",
})  # fmt: skip
_SHARED_FAMILY = re.compile(
    r"(?:aol|fastmail|gmail|gmx|googlemail|hotmail|icloud|live|msn|outlook|proton|protonmail"
    r"|rediffmail|rocketmail|tuta|tutanota|windowslive|yahoo|yandex|ymail|zoho)"
    r"\.(?:[a-z]{2,5}|com?\.[a-z]{2})"
)
"""The domains of providers that have one in each of many countries."""
_NO_REPLY = re.compile(r"(?:no|do-?not|not)[-_.]?reply@")
_NOBODY = re.compile(r"(?:[^@]{0,64}[-_.+])?(?:no|do-?not|not)[-_.]?reply(?![^\W\d_]).*@")
_ROLE = re.compile(
    r"(?:auto-?(?:confirm|mated|mailer)|contact-?form|forms?|mailer|notif(?:y|ier|ications?)|robot"
    r"|submissions?|web-?forms?)"
    r"(?:[-_.+]?(?:\d{1,9}|bot|daemon|forms?|mail|mailer|messages?|notifications?|responses?"
    r"|service|submissions?|system|web|website))?@"
)
"""The addresses of programs that send for other people, such as the services of contact forms."""
_RESULT = re.compile(r"\bdmarc\s{0,9}=\s{0,9}([a-z]{1,20})", re.IGNORECASE)
_VIA = re.compile(r"\s(?:via|über|a través de|przez|tramite)\s")


@dataclass(frozen=True, slots=True)
class Sender:
    """The author of a mail.

    unverified: the reason why the author is not verified. "dmarc": the mail fails DMARC according
      to our mail server. "list": only a header of a mailing list or a service names the author.
      "form": only a contact form of another domain names the author.
    via: the address of this list, service or form, or "".
    """

    network: str
    person: Person
    unverified: Reason = ""
    via: str = ""

    @property
    def author(self) -> Author:
        person, key = self.person, self.person.address
        if self.unverified:
            named = person.name if person.address == self.via else ""
            key = unverified_key(person.address, named.casefold())
        return Author(self.network, key, handle=readable(person.address), name=person.name)


def sender_of(letter: Letter, network: str, own: str, *, authserv_id: str = "") -> Sender | None:
    """Return the author of a mail; None if the mail states none.

    own: the address of the mailbox. authserv_id: the name of our mail server at the start of the
    header Authentication-Results (RFC 8601), or "" if its checks are not used.
    """
    sender = letter.sender
    if sender is None:
        stated = letter.original or letter.reply_to
        return Sender(network, stated) if stated else None
    unverified: Reason = "dmarc" if _fails_dmarc(letter, authserv_id) else ""
    if _is_our_list(sender.address, letter, own):
        return Sender(network, _named(letter, sender, own) or sender, unverified)
    if _is_list(sender, letter):
        member = _named(letter, sender, own) or _without_list(sender)
        return Sender(network, member, unverified or "list", sender.address)
    if may_be_form(sender.address, own) and (asked := _stated(letter, sender, own)):
        if _vouches(sender.address, asked.address, own):
            return Sender(network, _with_name(asked, sender), unverified)
        # The name of the sender is the name of the service.
        author = _with_name(asked, replace(sender, name=""))
        return Sender(network, author, unverified or "form", sender.address)
    return Sender(network, sender, unverified)


def may_be_form(address: str, own: str) -> bool:
    """Return whether a web form may have sent a mail from this address.

    It is our own address, a no-reply address, or an address of a program.
    """
    return address == own or bool(_NOBODY.match(address) or _ROLE.match(address))


def is_shared(domain: str) -> bool:
    """Return whether anybody can have an address at this domain of a public mail provider.

    Then an address at the domain makes nobody a colleague. Not all providers are known.
    """
    return domain in _SHARED_DOMAINS or bool(_SHARED_FAMILY.fullmatch(domain))


def _vouches(form: str, author: str, own: str) -> bool:
    """Return whether the sender of a form vouches for the author that it names.

    A form is trusted if it sends from our own address, or from our domain, or from a no-reply
    address (`noreply@`, `do-not-reply@`) of the author's domain. Subdomains count. The domain of a
    known public mail provider never counts. Other addresses of the author's domain may belong to
    other people, such as `notify.jo@` at a provider.
    """
    if form == own:
        return True
    known = [domain_of(own), domain_of(author)] if _NO_REPLY.match(form) else [domain_of(own)]
    domain = f".{domain_of(form)}"
    return any(domain.endswith(f".{each}") and not is_shared(each) for each in known)


def _named(letter: Letter, sender: Person, own: str) -> Person | None:
    """Return the author that a header names, with the sender's name if it has none, or None."""
    asked = _stated(letter, sender, own)
    return _with_name(asked, sender) if asked else None


def _stated(letter: Letter, sender: Person, own: str) -> Person | None:
    """Return the author that X-Original-From, Reply-To or another header names, or None."""
    # A list that wants all answers names itself in Reply-To.
    ours = (own, sender.address)
    named = (letter.original, letter.reply_to, letter.author)
    return next((person for person in named if person and person.address not in ours), None)


def _with_name(asked: Person, sender: Person) -> Person:
    if asked.name or asked.other:
        return asked
    other = sender.other if sender.other != asked.address else ""
    return replace(sender, address=asked.address, other=other)


def _is_our_list(address: str, letter: Letter, own: str) -> bool:
    return _is_list_address(address, letter) and address.endswith(f"@{own.rpartition('@')[2]}")


def _is_list_address(address: str, letter: Letter) -> bool:
    local, _, domain = address.rpartition("@")
    is_named = f"<{local}.{domain}>" in letter.header("list-id").lower()
    return is_named or f"<mailto:{address}>" in letter.header("list-post").lower()


def _is_list(sender: Person, letter: Letter) -> bool:
    """Return whether a list or service put its own address into From."""
    return bool(_VIA.search(sender.name)) or _is_list_address(sender.address, letter)


def _without_list(sender: Person) -> Person:
    """Return the sender without the name of the list, as in “'Kim Fly' via Care”."""
    name = _VIA.split(sender.name, maxsplit=1)[0].strip(" '\"")
    return replace(sender, name=name)


def _fails_dmarc(letter: Letter, authserv_id: str) -> bool:
    """Return whether our own mail server states that the mail fails DMARC (RFC 8601).

    Headers of other servers are ignored, because the sender may have written them. Quoted strings
    and comments are ignored too, because they may contain words of the sender.
    """
    if not authserv_id:
        return False
    for header in letter.headers.get("authentication-results", ()):
        stated = outside_quotes(header)
        server = stated.partition(";")[0].split()
        results = {found[1].lower() for found in _RESULT.finditer(stated)}
        # A server may write one header for each of its checks.
        if results and server and server[0].lower() == authserv_id.lower():
            return "fail" in results
    return False
