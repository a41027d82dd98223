"""The REST API of a blog is found under both forms of its URL.

Each refusal by the blog leads to a clear error message.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.channels.base import ChannelError, Credentials, FetchRequest, Outgoing, Receipt
from scrm.channels.connector import ConnectError
from scrm.channels.wordpress import hear
from scrm.channels.wordpress.channel import CHANNEL
from scrm.channels.wordpress.connect import connect
from scrm.channels.wordpress.hear import WordPressListener
from scrm.channels.wordpress.site import Site, find_api
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.failing import failing

POST = {
    "id": 5, "guid": {"rendered": "http://blog.example/?p=5"}, "status": "publish",
    "link": "http://blog.example/so/", "title": {"rendered": "So &#038; so"}, "author": 1,
    "content": {"rendered": "<p>Hi<script>alert(1)</script> <b onclick=x>all</b></p>"},
    "date_gmt": "2026-11-01T10:00:00", "modified_gmt": "2026-11-01T10:00:00", "slug": "so",
}  # fmt: skip
CLOSED = (
    '{"code":"rest_invalid_param","message":"Invalid parameter(s): status","data":{"status":400,'
    '"details":{"status":{"code":"rest_forbidden_status","data":{"status":401}}}}}'
)
OUT = Outgoing("db7feb8e-17aa-4000-8000-000000000000", "Sorry.", visibility="public")


@pytest.fixture
def server(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    return httpserver


@pytest.fixture
def us(server: HTTPServer) -> Credentials:
    return Credentials(
        "wordpress:blog.example",
        "user-1",
        "http://blog.example",
        {"user": "ada", "password": "abcd efgh"},
        {"api": server.url_for("/wp-json/")},
    )


def comment(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "id": number, "post": 5, "parent": 0, "author": 0, "author_name": "Ann <i>R</i>",
        "author_email": "Ann@Readers.example", "author_url": "javascript:alert(1)",
        "date_gmt": "2026-11-02T10:00:00", "content": {"rendered": "<p>Well.</p>"},
        "link": f"http://blog.example/so/#comment-{number}", "status": "approved",
    } | facts  # fmt: skip


class Blog:
    """A fake blog with the endpoints that a fetch uses.

    comments: the comments of the blog, oldest first.
    before: what a plugin of the blog writes before each answer.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.posts, self.comments = [POST], [comment(1)]
        self.asked: list[str] = []
        self.before = ""
        server.expect_request("/wp-json/wp/v2/posts").respond_with_handler(self.answer)
        server.expect_request("/wp-json/wp/v2/comments").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        kind = request.path.rpartition("/")[2]
        self.asked.append(kind)
        rows = self.posts if kind == "posts" else self.comments[::-1]
        start, many = int(request.args.get("offset", 0)), int(request.args["per_page"])
        body = self.before + json.dumps(rows[start : start + many])
        return Response(body, content_type="application/json")


class TestHearing:
    @pytest.mark.parametrize("before", ["\ufeff", "\ufeff\ufeff", "\r\n\ufeff", "\ufeff\n\ufeff"])
    def test_signs_without_meaning_before_the_data_are_skipped(
        self, server: HTTPServer, us: Credentials, before: str
    ) -> None:
        Blog(server).before = before
        assert len(WordPressListener().listen(FetchRequest("", {}, us)).items) == 2

    def test_posts_and_comments_with_what_they_stand_under(
        self, server: HTTPServer, us: Credentials
    ) -> None:
        blog = Blog(server)
        blog.comments = [comment(1), comment(2, parent=1, author=1), comment(3, status="hold")]
        items = {
            item.key: item for item in WordPressListener().listen(FetchRequest("", {}, us)).items
        }
        post, first, ours, held = (
            items[f"//blog.example/?p=5{end}"]
            for end in ("", "#comment-1", "#comment-2", "#comment-3")
        )
        assert (post.title, post.text, post.html) == ("So & so", "Hi all", "<p>Hi <b>all</b></p>")
        assert first.in_reply_to == first.thread_key == post.key
        assert (first.author.key, first.author.name, first.author.url) == (
            "mail:ann@readers.example", "Ann R", "",
        )  # fmt: skip
        assert (ours.in_reply_to, ours.author.key) == (first.key, "user-1")
        assert held.title == "Comment on “So & so” · held for moderation on the blog"

    def test_a_quiet_blog_is_unchanged(self, server: HTTPServer, us: Credentials) -> None:
        Blog(server)
        first = WordPressListener().listen(FetchRequest("", {}, us))
        assert WordPressListener().listen(FetchRequest("", first.cursor, us)).unchanged

    def test_a_row_that_cannot_be_read_stops_no_other(
        self, server: HTTPServer, us: Credentials
    ) -> None:
        blog = Blog(server)
        blog.comments = [comment(1, content=None), comment(2)]
        blog.posts = [POST, POST | {"id": 6, "guid": None}]
        batch = WordPressListener().listen(FetchRequest("", {}, us))
        assert len(batch.unreadable) == 3, "the post is shown by two lists"

    @pytest.mark.parametrize("error", [IndexError, OverflowError, RecursionError])
    def test_no_error_of_one_row_stops_others(
        self,
        server: HTTPServer,
        us: Credentials,
        monkeypatch: pytest.MonkeyPatch,
        error: type[Exception],
    ) -> None:
        monkeypatch.setattr(hear, "plain", failing(hear.plain, "poison", error))
        blog = Blog(server)
        blog.comments = [comment(1, content={"rendered": "poison"}), comment(2)]
        blog.posts = [POST, POST | {"id": 6, "title": {"rendered": "poison"}}]
        batch = WordPressListener().listen(FetchRequest("", {}, us))
        assert {item.kind for item in batch.items} == {"post", "comment"}
        assert len(batch.unreadable) == 3, "the post is shown by two lists"
        assert "//blog.example/?p=5#comment-2" in {item.key for item in batch.items}

    def test_what_the_public_reads_with_a_password_only_is_not_heard(
        self, server: HTTPServer, us: Credentials
    ) -> None:
        blog = Blog(server)
        blog.posts, blog.comments = [POST | {"content": {"rendered": "x", "protected": True}}], []
        assert WordPressListener().listen(FetchRequest("", {}, us)).items == ()

    def test_a_password_is_in_no_representation(self, us: Credentials) -> None:
        assert "abcd" not in repr(Site.of(us))

    @pytest.mark.slow
    def test_a_long_past_is_read_to_its_end_in_several_visits(
        self, server: HTTPServer, us: Credentials
    ) -> None:
        """All old comments of a blog are read, in several fetches.

        Meanwhile, readers add comments and a moderator deletes some. Fails if the lower limit in
        the cursor (`floor`) is raised before all old comments are read.
        """
        blog = Blog(server)
        blog.comments = [comment(number) for number in range(1, 2501)]
        heard: set[str] = set()
        cursor: Any = {}
        for visits in range(1, 9):
            batch = WordPressListener().listen(FetchRequest("", cursor, us))
            heard |= {item.key for item in batch.items}
            cursor = batch.cursor
            # Between two fetches a reader adds a comment and a moderator deletes one.
            blog.comments = [each for each in blog.comments if each["id"] % 500 != visits]
            blog.comments.append(comment(2500 + visits))
            if cursor["comments"] == {"floor": 2500}:
                break
        last = WordPressListener().listen(FetchRequest("", cursor, us))
        heard |= {item.key for item in last.items}
        missing = {
            each["id"]
            for each in blog.comments
            if f"//blog.example/?p=5#comment-{each['id']}" not in heard
        }
        assert missing == set()
        assert visits < 8


class TestRefusals:
    """All ways in which a blog can refuse a request or give no response."""

    def ask(self, us: Credentials) -> ChannelError:
        with pytest.raises(ChannelError) as caught:
            CHANNEL.listener.listen(FetchRequest("", {}, us))  # type: ignore[union-attr]
        return caught.value

    @pytest.mark.parametrize(
        ("status", "body", "headers", "words", "permanent"),
        [
            (401, '{"code":"rest_forbidden","message":"No."}', {}, "does not accept this", True),
            (403, '{"code":"rest_x","message":"Not you."}', {}, "may not do this there", True),
            (400, CLOSED, {}, "does not accept this", True),
            (403, "<html>Firewall</html>", {}, "firewall or a plugin", True),
            (404, '{"code":"rest_no_route","message":"No route."}', {}, "No route", True),
            (404, "<html>Nothing</html>", {}, "no REST API", True),
            (200, "<html>Back soon</html>", {}, "a web page instead of data", False),
            (200, "", {}, "nothing that can be read", False),
            (503, "<html>Maintenance</html>", {"Retry-After": "600"}, "maintenance", False),
            (500, "<p>critical error</p>", {}, "has a server error", False),
            (302, "", {"Location": "/wp-login.php?redirect_to=x"}, "login page", True),
            (400, '{"code":"rest_invalid_param","message":"Bad."}', {}, "refuses this: Bad", True),
        ],
    )
    def test_it_says_what_happened(
        self, server: HTTPServer, us: Credentials, status: int, body: str, headers: dict[str, str],
        words: str, permanent: bool,
    ) -> None:  # fmt: skip
        answer = Response(body, status, {"Content-Type": "application/json", **headers})
        server.expect_request("/wp-json/wp/v2/comments").respond_with_response(answer)
        server.expect_request("/wp-login.php").respond_with_data("<html>Log in</html>")
        error = self.ask(us)
        assert words in error.message
        assert error.permanent is permanent
        assert error.retry_after == (600 if headers.get("Retry-After") else None)
        assert "abcd" not in error.message

    def test_a_blog_that_is_down_is_tried_again(self, us: Credentials) -> None:
        gone = Credentials(us.network, us.self_key, us.address, us.secrets,
                           {"api": "http://127.0.0.1:1/wp-json/"})  # fmt: skip
        assert not self.ask(gone).permanent

    @pytest.mark.parametrize("status", [200, 500, 502])
    def test_only_where_it_may_have_been_published_it_is_uncertain(
        self, server: HTTPServer, us: Credentials, status: int
    ) -> None:
        server.expect_request("/wp-json/wp/v2/posts", "GET").respond_with_json([])
        server.expect_request("/wp-json/wp/v2/posts", "POST").respond_with_data("", status)
        with pytest.raises(ChannelError) as caught:
            CHANNEL.speaker.send(us, OUT)  # type: ignore[union-attr]
        assert caught.value.uncertain

    def test_a_look_up_that_fails_published_nothing(
        self, server: HTTPServer, us: Credentials
    ) -> None:
        server.expect_request("/wp-json/wp/v2/posts", "GET").respond_with_data("", 500)
        with pytest.raises(ChannelError) as caught:
            CHANNEL.speaker.send(us, OUT)  # type: ignore[union-attr]
        assert not caught.value.uncertain

    def test_an_account_without_its_password_says_so(self) -> None:
        with pytest.raises(ChannelError, match="not connected"):
            CHANNEL.editor.withdraw(Credentials("x"), Receipt("x", "//x/?p=1"))  # type: ignore[union-attr]


class TestFinding:
    def test_the_page_names_it_in_a_header(self, server: HTTPServer) -> None:
        api = server.url_for("/blog/wp-json/")
        head = {"Link": f'<{api}>; rel="https://api.w.org/"'}
        server.expect_request("/").respond_with_data("<html>", headers=head)
        assert find_api(server.url_for("/")) == api

    def test_or_in_its_text_in_the_other_form(self, server: HTTPServer) -> None:
        tag = '<link rel="https://api.w.org/" href="/index.php?rest_route=/" />'
        server.expect_request("/").respond_with_data(tag, content_type="text/html")
        api = find_api(server.url_for("/"))
        assert api == server.url_for("/index.php?rest_route=/")
        assert Site(api).address("posts/5", {"context": "edit"}) == server.url_for(
            "/index.php?rest_route=/wp/v2/posts/5&context=edit"
        )

    def test_a_page_cannot_send_our_password_to_another_host(self, server: HTTPServer) -> None:
        head = {"Link": '<https://evil.example/wp-json/>; rel="https://api.w.org/"'}
        server.expect_request("/").respond_with_data("<html>", headers=head)
        with pytest.raises(ChannelError, match="no WordPress site"):
            find_api(server.url_for("/"))

    # Fails if the hosts are compared as they are written.
    @pytest.mark.parametrize(
        "link",
        ["https://straße.test/wp-json/", "//straße.test/wp-json/", "https://STRASSE.TEST/wp-json/",
         "https://xn--strae-oqa.test:443/wp-json/", "/wp-json/"],
    )  # fmt: skip
    def test_a_host_beyond_ascii_is_the_same_in_both_forms(
        self, link: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = f'<link rel="https://api.w.org/" href="{link}"><link rel="https://api.w.org/">'
        url = "https://xn--strae-oqa.test/"
        answer = http.Response(200, url, "", {}, page.encode())
        monkeypatch.setattr(http, "fetch", lambda *_, **__: answer)
        if "STRASSE" in link:  # the domain of another owner
            with pytest.raises(ChannelError):
                find_api(url)
        else:
            assert urlsplit(find_api(url)).hostname == "xn--strae-oqa.test"
            assert find_api(url).endswith("/wp-json/")

    def test_where_it_is_not_named_it_is_tried(self, server: HTTPServer) -> None:
        server.expect_request("/").respond_with_data("<html>")
        server.expect_request("/wp-json/").respond_with_json({"routes": {}})
        assert find_api(server.url_for("/")) == server.url_for("/wp-json/")


def typed(server: HTTPServer, **facts: str) -> dict[str, str]:
    return {"address": server.url_for("/"), "user": "ada", "password": "abcd efgh"} | facts


class TestConnecting:
    @pytest.fixture
    def index(self, server: HTTPServer) -> dict[str, Any]:
        api = server.url_for("/wp-json/")
        head = {"Link": f'<{api}>; rel="https://api.w.org/"'}
        server.expect_request("/").respond_with_data("<html>", headers=head)
        passwords = {"application-passwords": {"endpoints": {}}}
        index: dict[str, Any] = {"name": "Stories &amp; more", "home": "http://blog.example",
                                 "authentication": passwords}  # fmt: skip
        server.expect_request("/wp-json/").respond_with_handler(
            lambda _: Response(json.dumps(index), content_type="application/json")
        )
        return index

    def me(self, server: HTTPServer, **able: bool) -> None:
        row = {"id": 3, "name": "Ada", "capabilities": able}
        login = base64.b64encode(b"ada:abcd efgh").decode()
        server.expect_request(
            "/wp-json/wp/v2/users/me", headers={"Authorization": f"Basic {login}"}
        ).respond_with_json(row)

    def test_it_says_who_we_are_there(self, server: HTTPServer, index: dict[str, Any]) -> None:
        self.me(server, publish_posts=True, edit_published_posts=True, moderate_comments=True)
        blog = connect(typed(server, user=" ada ", password="abcd efgh "), None)
        assert (blog.network, blog.self_key) == ("wordpress:blog.example", "user-3")
        assert (blog.name, blog.config["api"]) == ("Stories & more", server.url_for("/wp-json/"))
        assert blog.secrets == {"user": "ada", "password": "abcd efgh"}

    def test_a_user_who_may_not_is_named(self, server: HTTPServer, index: dict[str, Any]) -> None:
        self.me(server, publish_posts=True)
        with pytest.raises(
            ConnectError, match="Ada may not edit published posts or moderate comments"
        ) as caught:
            connect(typed(server), None)
        assert [field for field, _ in caught.value.errors] == ["user"]

    def test_a_blog_without_https_offers_no_passwords(
        self, server: HTTPServer, index: dict[str, Any]
    ) -> None:
        index["authentication"] = []
        with pytest.raises(ConnectError, match="only available over https") as caught:
            connect(typed(server), None)
        assert [field for field, _ in caught.value.errors] == ["address"]
