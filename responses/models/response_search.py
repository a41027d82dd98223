"""The search vector of responses, and its index."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex

from scrm.db.search_words import search_words

RESPONSE_WORDS = search_words("subject", "text")
RESPONSE_SEARCH = GinIndex(RESPONSE_WORDS, name="response_search")
