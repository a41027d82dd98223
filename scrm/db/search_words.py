"""The search vectors of text columns, as decision 0036 defines them."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVectorField
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Concat


def search_words(*columns: str) -> Func:
    """Return the search vector of the columns' words in their search form.

    The function is in the database (crm's migration 0017), so that it can compute generated columns
    and indexes. An index is used only for the same columns in the same order.
    """
    first, *others = columns
    text: F | Concat = F(first)
    if others:
        rest = [part for name in others for part in (Value(" "), F(name))]
        text = Concat(text, *rest, output_field=TextField())
    return Func(text, function="scrm_search_words", output_field=SearchVectorField())
