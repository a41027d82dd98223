"""Set the functions that each app's `above.py` declares; this happens once at startup.

An app imports only the apps that its foreign keys refer to, so it cannot call an app that builds on
it (an app above it). If its pages need something that only an app above it knows, the app declares
a function in its `above.py`, and this file sets the function.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import crm.above
import listening.above
import routing.above
import routing.models.case_clock
from crm.models import User
from listening import paid
from listening.models import Source, Topic
from responses import moderation_panels, posts
from routing import due_times, party_cases
from routing.models import Issue, RoutingRule

_OWNED: tuple[Any, ...] = (Topic, Source, RoutingRule, Issue)
_MAX_OWNED = 10
"""The number of rows of each kind that `owned_by` returns."""


def owned_by(person: User) -> chain[Any]:
    """Return the topics, sources, rules and issues that a user owns.

    At most `_MAX_OWNED` rows of each kind are returned.
    """
    rows = (model.objects.filter(owner=person)[:_MAX_OWNED] for model in _OWNED)
    return chain.from_iterable(rows)


def connect() -> None:
    """Set every function that an `above.py` declares."""
    crm.above.cases_of_conversations = party_cases.cases_of_conversations
    crm.above.party_cases = party_cases.party_cases
    crm.above.open_case_counts = party_cases.open_case_counts
    crm.above.open_cases_of = party_cases.open_cases_of
    crm.above.return_open_cases = party_cases.return_open_cases
    crm.above.owned_by = owned_by
    crm.above.source_pages = paid.source_pages
    crm.above.posts_to = posts.posts_to
    crm.above.unsent_files = posts.unsent_files
    listening.above.opened_cases = party_cases.opened_by
    listening.above.replies_to_us = posts.replies_to_us
    routing.models.case_clock.recompute = due_times.recompute
    routing.above.posts_about = posts.posts_about
    routing.above.bounced = posts.bounced
    routing.above.response_marks = posts.response_marks
    routing.above.moderation = moderation_panels.panels
    routing.above.last_posts = posts.last_posts
