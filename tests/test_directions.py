"""Every field that shows text from outside takes its direction from the text (`dir="auto"`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Contact, Interaction, Profile, User
from listening.models import Mention
from routing.models import Case
from tests.test_mail import Post, answer, care, hear, post

__all__ = ["care", "post"]
pytestmark = pytest.mark.django_db
HEBREW = re.compile("[\u05d0-\u05ea]")
VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "source", "col"}
NO_PLACE = {"title", "option", "script", "style", "template"}
"""Elements that show no text in the page, or that cannot have a direction of their own."""


class Reader(HTMLParser):
    """Collects the texts and typed values in Hebrew that do not choose their own direction."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = [("", False)]
        self.wrong: list[str] = []
        self.right = 0

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        facts = dict(pairs)
        # Initials on a coloured disc have one or two letters and are hidden from screen readers.
        own = tag == "bdi" or facts.get("dir") == "auto" or facts.get("aria-hidden") == "true"
        auto = own or self.open[-1][1]
        if tag == "input" and HEBREW.search(facts.get("value") or "") and not auto:
            self.wrong.append(f"input: {pairs}")
        if tag not in VOID:
            self.open.append((tag, auto))

    def handle_endtag(self, tag: str) -> None:
        while len(self.open) > 1 and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self.open}
        if not HEBREW.search(data) or tags & NO_PLACE:
            return
        if self.open[-1][1]:
            self.right += 1
        else:
            self.wrong.append(f"{' '.join(tag for tag, _ in self.open[-4:])}: {data.strip()[:60]}")


def undirected(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    assert reader.right or reader.wrong, "this page shows no text from outside"
    return reader.wrong


@pytest.fixture
def case(post: Post, care: Account, agent: User, as_: Callable[[User], Client]) -> Case:
    part = "Content-Disposition: attachment; filename*=utf-8''%D7%A9.txt\r\n\r\nx"
    text = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>שלום</p><blockquote>ציטוט</blockquote>"
    head = "From: שרה <sara@customers.test>\r\nSubject: משאבה\r\nMessage-ID: <1@customers.test>"
    kind = "Content-Type: multipart/mixed; boundary=b"
    post.box.append(f"{head}\r\n{kind}\r\n\r\n--b\r\n{text}\r\n--b\r\n{part}\r\n--b--".encode())
    hear()
    case = Case.objects.get()
    contact = Contact.objects.create(name="שרה לוי")
    case.profile.link_to(contact, by=agent, evidence="ידוע")
    return case


def pages(case: Case) -> dict[str, str]:
    profile, said = Profile.objects.get(pk=case.profile_id), Interaction.objects.get()
    assert profile.contact
    return {
        "case": case.get_absolute_url(),
        "inbox": reverse("routing:inbox"),
        "profile": profile.get_absolute_url(),
        "contact": profile.contact.get_absolute_url(),
        "contacts": reverse("crm:contacts"),
        "whole": reverse("crm:whole", args=[said.uuid]),
        "source": Mention.objects.get().fetch.source.get_absolute_url(),
        "composer": reverse("responses:composer", args=[case.pk]),
        "why": reverse("routing:why", args=[case.pk]),
    }


# Fails if one of the fields on these pages loses its `bdi` or its `dir="auto"`.
@pytest.mark.parametrize(
    "page",
    ["case", "inbox", "profile", "contact", "contacts", "whole", "source", "composer", "why"],
)
def test_text_from_outside_chooses_its_direction(
    case: Case, admin: User, as_: Callable[[User], Client], page: str
) -> None:
    answered = as_(admin).get(pages(case)[page])
    assert answered.status_code == 200
    assert undirected(answered.content.decode()) == []


def test_it_does_after_an_answer_too(
    case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    browser = as_(agent)
    delivery = answer(browser, case)
    for url in (
        case.get_absolute_url(),
        delivery.response.get_absolute_url(),
        reverse("responses:history"),
    ):
        assert undirected(browser.get(url).content.decode()) == [], url
