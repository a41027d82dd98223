"""Set the functions that each app's `above.py` declares; this happens once at startup.

An app imports only the apps that its foreign keys refer to, so it cannot call an app that builds on
it (an app above it). If its pages need something that only an app above it knows, the app declares
a function in its `above.py`, and this file sets the function.
"""

from __future__ import annotations

import crm.above
import crm.owned
import listening.above
import listening.owned
import responses.owned
import routing.above
import routing.models.case_clock
import routing.owned
from crm.ownership import OwnedKind
from listening import paid
from responses import changed_items, moderation_panels, moving, posts
from routing import due_times, party_cases

_OWNED = (*routing.owned.OWNED, *responses.owned.OWNED, *listening.owned.OWNED, *crm.owned.OWNED)


def owned_kinds() -> tuple[OwnedKind, ...]:
    """Return the kinds of rows that users own, of all apps."""
    return _OWNED


def connect() -> None:
    """Set every function that an `above.py` declares."""
    crm.above.cases_of_conversations = party_cases.cases_of_conversations
    crm.above.recorded_only = party_cases.recorded_only
    crm.above.party_cases = party_cases.party_cases
    crm.above.open_case_counts = party_cases.open_case_counts
    crm.above.open_cases_of = party_cases.open_cases_of
    crm.above.owned_kinds = owned_kinds
    crm.above.hold_planned = responses.owned.hold_planned
    crm.above.source_pages = paid.source_pages
    crm.above.posts_to = posts.posts_to
    crm.above.unsent_files = posts.unsent_files
    listening.above.opened_cases = party_cases.opened_by
    listening.above.replies_to_us = posts.replies_to_us
    listening.above.tell_changed = changed_items.tell_changed
    routing.models.case_clock.recompute = due_times.recompute
    routing.above.posts_about = posts.posts_about
    routing.above.bounced = posts.bounced
    routing.above.response_marks = posts.response_marks
    routing.above.moderation = moderation_panels.panels
    routing.above.reassign_drafts = responses.owned.reassign_drafts
    routing.above.return_drafts = responses.owned.return_drafts
    routing.above.drafts_of = responses.owned.drafts_of
    routing.above.move_deliveries = moving.move_deliveries
    routing.above.move_responses = moving.move_responses
    routing.above.last_posts = posts.last_posts
    routing.above.unsent_texts = moving.unsent_texts
    routing.above.has_unsent_reply = moving.has_unsent_reply
    routing.above.being_answered = moving.being_answered
