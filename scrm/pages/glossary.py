"""The glossary page, with the terms for users from docs/glossary.md and anchors for links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.views.decorators.http import require_safe

PATH = Path(__file__).parents[2] / "docs" / "glossary.md"
DEVELOPERS = "## For developers"
"""The heading in the file after which all terms are for developers only."""
_ROW = re.compile(r"^\| \*\*(?P<name>[^*]+)\*\*[^|]*\| (?P<meaning>[^|]+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_EMPHASIS = re.compile(r"\*([^*]+)\*")


@dataclass(frozen=True, slots=True)
class Term:
    name: str
    meaning: SafeString

    @property
    def anchor(self) -> str:
        return slugify(self.name)


def parse_terms(text: str) -> tuple[Term, ...]:
    """Return the terms of the first table in `text`, without the names in brackets.

    The names in brackets are those of models or modules.
    """
    rows = _ROW.finditer(text.partition(DEVELOPERS)[0])
    return tuple(Term(row["name"], _to_html(row["meaning"])) for row in rows)


def _to_html(markdown: str) -> SafeString:
    html = _CODE.sub(r"<code>\1</code>", escape(markdown))
    return mark_safe(_EMPHASIS.sub(r"<em>\1</em>", html))  # noqa: S308 - escaped before


TERMS = parse_terms(PATH.read_text(encoding="utf-8"))


@require_safe
def glossary(request: HttpRequest) -> HttpResponse:
    return render(request, "help/glossary.html", {"terms": TERMS})
