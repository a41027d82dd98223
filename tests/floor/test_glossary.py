from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from django.test import Client

from crm.models import User
from scrm.pages.glossary import DEVELOPERS, PATH, TERMS, parse_terms

As = Callable[[User], Client]
TEMPLATES = Path(__file__).parents[2] / "templates"
ANCHORS = {term.anchor for term in TERMS}
FOR_USERS, FOR_DEVELOPERS = (
    re.findall(r"^\| \*\*([^*]+)\*\*", part, re.MULTILINE)
    for part in PATH.read_text().split(DEVELOPERS)
)


def test_the_page_shows_every_term_with_an_anchor(as_: As, agent: User) -> None:
    """The glossary page shows each term for users, and each term has an anchor.

    Fails if the parser skips a row, for example a row that names its model in brackets.
    """
    page = as_(agent).get("/help/glossary/").content.decode()
    assert FOR_USERS
    assert [name for name in FOR_USERS if f"<dt>{name}</dt>" not in page] == []
    assert [term.name for term in TERMS] == FOR_USERS
    assert set(re.findall(r'<div id="([^"]+)"><dt>', page)) == ANCHORS
    assert len(ANCHORS) == len(FOR_USERS)


def test_the_page_leaves_out_terms_for_developers(as_: As, agent: User) -> None:
    page = as_(agent).get("/help/glossary/").content.decode()
    assert "lease" in FOR_DEVELOPERS
    assert [name for name in FOR_DEVELOPERS if f"<dt>{name}</dt>" in page] == []


def test_terms_are_in_alphabetical_order() -> None:
    assert sorted(FOR_USERS, key=str.casefold) == FOR_USERS
    assert sorted(FOR_DEVELOPERS, key=str.casefold) == FOR_DEVELOPERS


def test_it_names_no_module_and_escapes_the_text() -> None:
    """A term of the glossary is parsed without the model name in brackets, and its text is escaped.

    Fails if `escape` is not called, or if the page shows the names in brackets.
    """
    (term,) = parse_terms("| **a term** (`crm.Model`) | Shown at *Map* as `{{ x }}` & <b>. |")
    assert term.name == "a term"
    assert term.anchor == "a-term"
    assert term.meaning == "Shown at <em>Map</em> as <code>{{ x }}</code> &amp; &lt;b&gt;."


def test_every_link_to_a_term_finds_it() -> None:
    """Each term that a template links to is in the glossary."""
    linked = {
        term
        for path in TEMPLATES.rglob("*.html")
        for term in re.findall(r'"_term\.html" with term="([^"]*)"', path.read_text())
    }
    assert {"record check", "map", "quarantined"} <= linked
    assert linked <= {term.name for term in TERMS}


def test_a_link_leads_to_the_anchor_of_its_term(as_: As, agent: User) -> None:
    assert 'href="/help/glossary/#map"' in as_(agent).get("/map/").content.decode()
