"""Comments of our blog are approved, held, marked as spam, and moved to the trash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.moderation import ModerationAction
from scrm.channels.wordpress.channel import CHANNEL
from scrm.channels.wordpress.moderate import STATUS
from scrm.net import http
from scrm.net.addresses import networks

KEY = "//blog.example/?p=5#comment-7"


class Blog:
    """A fake blog with one comment. It refuses what WordPress refuses.

    status: the status of the comment; "" if it was deleted for good.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.status, self.has_trash, self.changes = "approved", True, 0
        server.expect_request("/wp-json/wp/v2/comments/7").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        if not self.status:
            return _json({"code": "rest_comment_invalid_id", "message": "Invalid ID."}, 404)
        if request.method == "GET":
            return _json({"id": 7, "status": self.status})
        self.changes += 1
        if request.method == "DELETE":
            return self._trash()
        wanted = json.loads(request.data)["status"]
        if wanted == self.status:
            return _json({"code": "rest_comment_failed_edit", "message": "Failed."}, 500)
        self.status = wanted
        return _json({"id": 7, "status": wanted})

    def _trash(self) -> Response:
        if not self.has_trash:
            return _json({"code": "rest_trash_not_supported", "message": "No trash."}, 501)
        self.status = "trash"
        return _json({"id": 7, "status": "trash"})


def _json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data), status, content_type="application/json")


@pytest.fixture
def blog(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Blog:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    return Blog(httpserver)


@pytest.fixture
def us(blog: Blog, httpserver: HTTPServer) -> Credentials:
    return Credentials(
        "wordpress:blog.example", "user-1", "http://blog.example",
        {"user": "ada", "password": "abcd efgh"}, {"api": httpserver.url_for("/wp-json/")},
    )  # fmt: skip


def act(us: Credentials, action: ModerationAction, key: str = KEY) -> None:
    assert CHANNEL.moderator
    CHANNEL.moderator.act(us, action, item_key=key, author_key="mail:ann@a.example")


@pytest.mark.parametrize("before", ["approved", "hold", "spam", "trash"])
@pytest.mark.parametrize("action", STATUS)
def test_each_action_gives_its_status_from_every_status(
    action: ModerationAction, before: str, blog: Blog, us: Credentials
) -> None:
    """Fails if the status is not read first: WordPress refuses the status that a comment has."""
    blog.status = before
    act(us, action)
    act(us, action)
    assert blog.status == STATUS[action]
    assert blog.changes == (0 if before == STATUS[action] else 1)


def test_only_comments_can_be_moderated(us: Credentials) -> None:
    assert CHANNEL.moderator
    assert CHANNEL.moderator.actions(us, "//blog.example/?p=5") == ()
    assert CHANNEL.moderator.actions(us, KEY) == ("approve", "hold", "spam", "trash")
    with pytest.raises(ChannelError, match="Only comments"):
        act(us, "hold", "//blog.example/?p=5")
    with pytest.raises(ChannelError, match="Only comments"):
        act(us, "like")


def test_a_comment_that_was_deleted_is_gone_already(blog: Blog, us: Credentials) -> None:
    blog.status = ""
    act(us, "trash")
    with pytest.raises(ChannelError, match="was deleted at") as error:
        act(us, "approve")
    assert error.value.permanent


def test_without_a_trash_nothing_is_deleted(blog: Blog, us: Credentials) -> None:
    """Fails if the status is set to “trash”: a blog without a trash then deletes for good."""
    blog.has_trash = False
    with pytest.raises(ChannelError, match="has no trash"):
        act(us, "trash")
    assert blog.status == "approved"
