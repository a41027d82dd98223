"""Helpers for long lists: read the search words, load one page of rows, and count the rows."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format

from scrm.text.clean import storable
from scrm.web.params import number

M = TypeVar("M", bound=Model)

_PAGE = 50
_MAX_COUNT = 1_000


def typed_words(request: HttpRequest, name: str) -> str:
    """Return the typed search words without characters that PostgreSQL refuses."""
    typed = request.POST if request.method == "POST" else request.GET
    return storable(typed.get(name, "")).strip()


def by_name(rows: QuerySet[M], *, after: str) -> tuple[list[M], int]:
    """Return a page of rows sorted by name, and the key of the next page.

    The key is 0 if there is no next page.
    after: the key of the page to return, from the query string. For a value that is no key, the
    first page is returned.
    """
    anchor = rows.model._default_manager.filter(pk=number(after) or 0).values_list("name").first()
    # Compare name and key, so that rows with the same name are not skipped.
    if anchor:
        rows = rows.filter(Q(name__gt=anchor[0]) | Q(name=anchor[0], pk__gt=number(after)))
    return _page(rows.order_by("name", "pk"))


def newest_first(rows: QuerySet[M], *, after: str) -> tuple[list[M], int]:
    """Return a page of rows, newest first, and the key of the next page.

    The key is 0 if there is no next page.
    after: the key of the page to return, from the query string. For a value that is no number, the
    first page is returned.
    """
    if key := number(after):
        rows = rows.filter(pk__lt=key)
    return _page(rows.order_by("-pk"))


def _page(rows: QuerySet[M]) -> tuple[list[M], int]:
    page = list(rows[: _PAGE + 1])  # the extra row shows that there is a next page
    return page[:_PAGE], page[_PAGE - 1].pk if len(page) > _PAGE else 0


def counted(rows: QuerySet[M]) -> str:
    """Return the number of rows as text.

    For more than a thousand rows the text is "1,000+", because counting all rows would be slow.
    """
    count = rows.order_by()[: _MAX_COUNT + 1].count()
    shown = number_format(min(count, _MAX_COUNT), force_grouping=True)
    return shown if count <= _MAX_COUNT else f"{shown}+"
