"""Moderate the comments of our blog: approve, hold, mark as spam, move to the trash."""

from __future__ import annotations

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.moderation import ModerationAction
from scrm.channels.permalink import comment_number
from scrm.channels.wordpress.site import Site

STATUS: dict[ModerationAction, str] = {
    "approve": "approved", "hold": "hold", "spam": "spam", "trash": "trash",
}  # fmt: skip
"""Action → the status that WordPress gives to the comment."""


class WordPressModerator:
    def actions(self, credentials: Credentials, item_key: str) -> tuple[ModerationAction, ...]:  # noqa: ARG002
        return tuple(STATUS) if comment_number(item_key) else ()

    def act(
        self,
        credentials: Credentials,
        action: ModerationAction,
        *,
        item_key: str,
        author_key: str,  # noqa: ARG002
        reason: str = "",  # noqa: ARG002
    ) -> None:
        site, number, wanted = Site.of(credentials), comment_number(item_key), STATUS.get(action)
        if number is None or wanted is None:
            raise ChannelError("Only comments of the blog can be moderated.", permanent=True)
        answer = site.get(f"comments/{number}", context="edit", _fields="id,status")
        if answer.status == 404 and action == "trash":
            # The blog has deleted the comment for good, so readers do not see it any more.
            return
        if answer.status == 404:
            raise ChannelError(f"The comment was deleted at {site.host}.", permanent=True)
        # WordPress answers with an error if the comment has the wanted status already.
        if answer.row.get("status") == wanted:
            return
        if action == "trash":
            _trash(site, number)
        else:
            site.post(f"comments/{number}", {"status": wanted}).or_refuse()


def _trash(site: Site, number: int) -> None:
    """Move the comment to the trash. Raises ChannelError if the blog has no trash."""
    # Not a change of the status: without a trash, that would delete the comment for good.
    answer = site.delete(f"comments/{number}")
    if answer.code == "rest_already_trashed":
        return
    if answer.code == "rest_trash_not_supported":
        raise ChannelError(
            f"{site.host} has no trash. Mark the comment as spam, or delete it there.",
            permanent=True,
        )
    answer.or_refuse()
