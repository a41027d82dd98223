"""Publish posts and answers on our blog, and correct and withdraw posts.

A post is first saved as a draft, with an address that contains a part of the nonce. Then the draft
is published. If the process ends in between, the next attempt finds the draft or the post by this
address, so that nothing appears twice. A comment of ours has its nonce in the user agent field,
which only editors see.
"""

from __future__ import annotations

from html import unescape
from typing import Any
from urllib.parse import urlsplit

from scrm.channels.base import (
    ChannelError,
    Credentials,
    Idempotence,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.permalink import comment_key, comment_number, guid_key, post_number
from scrm.channels.wordpress.site import Site, reading_answers
from scrm.channels.wordpress.words import as_comment, as_html, slug_of, title_of
from scrm.text.clean import safe_url

_FIELDS = "id,guid,link,slug,status"
_ANY = "publish,future,draft,pending,private,trash"
_PUBLISHED = {"publish", "private", "future", "trash"}
"""The states of a post that was published, even if it was removed later."""
_MAX_ANSWERS = 100
_MAX_PAGES = 20


class WordPressSpeaker:
    def idempotence(self, credentials: Credentials) -> Idempotence:  # noqa: ARG002
        return "lookup"

    @reading_answers(changes=True)
    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        """Publish the text, unless an earlier attempt has already published it."""
        if outgoing.visibility != "public":
            raise ChannelError("Everything on a blog is public.", permanent=True)
        site = Site.of(credentials)
        # An earlier attempt may have published the text although its answer was lost.
        found = self.find(credentials, outgoing)
        if isinstance(found, Receipt):
            return found
        if outgoing.in_reply_to:
            return _answer(site, credentials.network, outgoing)
        return _publish(site, credentials.network, outgoing)

    @reading_answers(changes=False)
    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        site = Site.of(credentials)
        if outgoing.in_reply_to:
            row = _find_answer(site, outgoing)
            return _comment_receipt(credentials.network, outgoing, row) if row else Lookup.ABSENT
        row = _find_post(site, outgoing)
        if row is None or row["status"] not in _PUBLISHED:
            return Lookup.ABSENT
        return _receipt(credentials.network, row)


class WordPressEditor:
    @reading_answers(changes=True)
    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        site = Site.of(credentials)
        row = _post(site, receipt.key)
        if row["status"] == "trash":
            raise ChannelError(
                f"The post is in the trash at {site.host}: it cannot be corrected. Restore it "
                "there, or publish a new post.",
                permanent=True,
            )
        facts = {
            "title": title_of(outgoing.subject, outgoing.text),
            "content": as_html(outgoing.text),
        }
        return _receipt(credentials.network, site.post(f"posts/{row['id']}", facts).row)

    @reading_answers(changes=True)
    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        """Move the post to the trash, where an editor can restore it.

        If the blog has no trash, turn the post into a draft.
        """
        site = Site.of(credentials)
        try:
            number = int(_post(site, receipt.key)["id"])
        except Gone:
            # The post is already withdrawn, and a repeated call must succeed.
            return
        answer = site.delete(f"posts/{number}")
        if answer.code == "rest_trash_not_supported":
            answer = site.post(f"posts/{number}", {"status": "draft"})
        if answer.code in ("rest_already_trashed", "rest_post_invalid_id"):
            return
        answer.or_refuse()


class Gone(ChannelError):
    """The post no longer exists."""


def _publish(site: Site, network: str, outgoing: Outgoing) -> Receipt:
    # Use the draft of an earlier attempt again, because a second draft could be published as well.
    row = _find_post(site, outgoing)
    if row is None:
        facts = {
            "title": title_of(outgoing.subject, outgoing.text),
            "content": as_html(outgoing.text),
            "slug": slug_of(outgoing.subject, outgoing.text, outgoing.nonce),
            "status": "draft",
        }
        row = site.post("posts", facts).row
    published = site.post(f"posts/{row['id']}", {"status": "publish"}).row
    if published.get("status") not in _PUBLISHED:
        raise ChannelError(
            f"{site.host} keeps the post as “{published.get('status')}” and does not publish it: "
            "a plugin there holds posts. Publish it there, then mark it as sent.",
            permanent=True,
        )
    return _receipt(network, published)


def _find_post(site: Site, outgoing: Outgoing) -> dict[str, Any] | None:
    slug = slug_of(outgoing.subject, outgoing.text, outgoing.nonce)
    rows = site.get(
        "posts", slug=f"{slug},{slug}__trashed", status=_ANY, context="edit", _fields=_FIELDS
    ).rows
    return next((row for row in rows if row["status"] in _PUBLISHED), rows[0] if rows else None)


def _answer(site: Site, network: str, outgoing: Outgoing) -> Receipt:
    """Publish an answer to a post, or to a comment that readers can see.

    Raises ChannelError if readers cannot see that comment, because nobody would see our answer.
    """
    number, post = comment_number(outgoing.in_reply_to), 0
    if number is None:
        post = int(_post(site, outgoing.in_reply_to)["id"])
    else:
        post = _open_comment(site, number)
    facts = {
        "post": post,
        "parent": number or 0,
        "content": as_comment(outgoing.text),
        "author_user_agent": _mark(outgoing),
    }
    return _comment_receipt(network, outgoing, site.post("comments", facts).row)


def _open_comment(site: Site, number: int) -> int:
    """Return the number of the post to which a comment belongs.

    Raises ChannelError if readers cannot see the comment, because then nobody would see an answer
    to it.
    """
    answer = site.get(f"comments/{number}", context="edit", _fields="id,status,post")
    if answer.status == 404:
        raise ChannelError(
            f"The comment was deleted at {site.host}: there is nothing left to reply to.",
            permanent=True,
        )
    row = answer.row
    if row["status"] in ("trash", "spam"):
        raise ChannelError(
            f"The comment was moved to the {row['status']} at {site.host}, so no one would see "
            "a reply under it.",
            permanent=True,
        )
    if row["status"] == "hold":
        raise ChannelError(
            f"The comment is still held for moderation at {site.host}. Approve it there, then "
            "send the reply again.",
            permanent=True,
        )
    return int(row["post"])


def _find_answer(site: Site, outgoing: Outgoing) -> dict[str, Any] | None:
    """Find our answer by the mark in its user agent field. Return None if there is none.

    Comments of every status are searched, including those in the trash.
    """
    number = comment_number(outgoing.in_reply_to)
    for status in ("any", "trash"):
        for page in range(1, _MAX_PAGES + 1):
            rows = site.get(
                "comments",
                parent=number or 0, status=status, context="edit", orderby="id", order="desc",
                per_page=_MAX_ANSWERS, page=page, _fields="id,link,author_user_agent",
            ).rows  # fmt: skip
            for row in rows:
                if row.get("author_user_agent") == _mark(outgoing):
                    return row
            if len(rows) < _MAX_ANSWERS:
                break
        else:
            raise ChannelError(f"There are too many comments at {site.host} to search.")
    return None


def _mark(outgoing: Outgoing) -> str:
    return f"scrm {outgoing.nonce}"


def _post(site: Site, key: str) -> dict[str, Any]:
    """Return the post with this key. Raises Gone (permanent) if it no longer exists."""
    number = post_number(key)
    if number is not None:
        answer = site.get(f"posts/{number}", context="edit", _fields=_FIELDS)
        if answer.status != 404:
            return answer.row
    else:  # Another program made this post, because its guid contains no number.
        slug = urlsplit(key).path.rstrip("/").rpartition("/")[2]
        query = {"slug": f"{slug},{slug}__trashed", "status": _ANY, "context": "edit"}
        for row in site.get("posts", **query, _fields=_FIELDS).rows:
            if guid_key(row["guid"]["rendered"]) == key:
                return row
    raise Gone(f"The post was deleted at {site.host}.", permanent=True)


def _receipt(network: str, row: dict[str, Any]) -> Receipt:
    key = guid_key(row["guid"]["rendered"])
    return Receipt(network, key, key, safe_url(unescape(str(row.get("link", "")))))


def _comment_receipt(network: str, outgoing: Outgoing, row: dict[str, Any]) -> Receipt:
    post = outgoing.in_reply_to.partition("#comment-")[0]
    url = safe_url(unescape(str(row.get("link", ""))))
    return Receipt(network, comment_key(post, int(row["id"])), post, url)
