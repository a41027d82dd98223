"""Declare functions that `routing` calls and that the app `responses` implements.

`scrm/wiring.py` assigns the implementations at startup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, QuerySet

from crm.models import Interaction, User
from routing.models import Case

posts_about: Callable[[Case], list[QuerySet[Any]]]
"""Querysets of interactions: our posts about the case or about its issue."""

bounced: Callable[[], Exists]
"""Returns a query condition that is true for an interaction whose delivery bounced."""

response_marks: Callable[[Collection[int], User], list[QuerySet[Any, Any]]]
"""Rows (mark, case id, "") for these cases. The mark is "held" if a response to the case is held,
and "draft" if the user has a draft for the case."""

moderation: Callable[[Case, User, Sequence[Interaction]], Mapping[int, object]]
"""Interaction id → what the page shows about the moderation of this interaction in the case."""

move_responses: Callable[[Case, Case, Collection[int] | None, Collection[int], User], list[int]]
"""Move responses from one case to another; returns the ids of the moved responses.

The arguments are the two cases, the ids of conversations, the ids of further responses, and the
user who acts. Responses to these conversations move; if the conversations are None, all unsent and
unsettled responses and all drafts move. A held response is returned to its author. The caller must
hold the lock of the ledger and lock both cases."""

unsent_texts: Callable[[Case], tuple[int, int]]
"""The numbers of held responses and of drafts with a text of a case."""

has_unsent_reply: Callable[[Case, int], bool]
"""Whether a reply to this profile, given by its id, is held or waits to be sent in the case."""

being_answered: Callable[[Collection[int]], set[int]]
"""Ids of those of these cases for which a user has an unsent text: a draft or a held response."""

move_deliveries: Callable[[Collection[int], int], None]
"""Let the deliveries of these interactions continue another conversation, given by its id."""

last_posts: Callable[[Collection[int]], dict[int, datetime]]
"""Issue id → time when its latest post was released. Issues without a post are left out."""

reassign_drafts: Callable[[User, User, Collection[int]], list[int]]
"""Make the second user the author of the first one's drafts for these cases; return their ids."""

return_drafts: Callable[[User, User, Collection[int]], list[int]]
"""Return drafts, given by their ids, from the first user to the second."""

drafts_of: Callable[[User, Collection[int]], int]
"""Return how many drafts the user has for these cases."""
