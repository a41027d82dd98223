"""The endpoints of the stand-in for the X API: reading, changing, and the OAuth 2.0 login."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from html import escape
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.standins.x_length import MAX_LENGTH, weighted_length
from tests.standins.x_query import BadQuery, Text, compile_query

_EPOCH_MS = 1_288_834_974_657
_LINK = re.compile(r"https?://[^\s]+")
PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
_HANDLE = re.compile(r"(?<!\w)@(\w{1,15})")


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Refused(Exception):
    def __init__(self, status: int, detail: str, kind: str = "about:blank") -> None:
        self.status, self.detail, self.kind = status, detail, kind


class XRoutes:
    """The data of the network, and what each endpoint does with it."""

    url = ""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.posts: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.media: dict[str, dict[str, Any]] = {}
        self.links: dict[str, str] = {}
        self.likes: set[tuple[str, str]] = set()
        self.hidden: set[str] = set()
        self.late: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.keys: dict[tuple[str, str], tuple[str, str, str]] = {}
        self.apps: dict[str, str] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh: dict[str, str] = {}
        self.scope = ""
        self.access_level = "read-write-directmessages"
        self.self_serve, self.refuses_duplicates = True, True
        self.skew = timedelta()
        self._numbers = count(1)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def snowflake(self, ago: timedelta = timedelta()) -> str:
        milliseconds = int((self.now - ago).timestamp() * 1000) - _EPOCH_MS
        return str((milliseconds << 22) + next(self._numbers) % 4_000_000)

    def user(self, number: str, handle: str, **facts: Any) -> str:
        self.users[number] = {"id": number, "username": handle, "name": handle.title(), **facts}
        return number

    def post(
        self, author: str, text: str, *, ago: timedelta = timedelta(), reply_to: str = "",
        quote: str = "", edits: str = "", media: list[str] | None = None, **facts: Any,
    ) -> str:  # fmt: skip
        """Publish a post. edits: the post of which this is a new version."""
        number = self.snowflake(ago)
        words, urls = self._shortened(text)
        if quote:
            owner = self.users[self.posts[quote]["author_id"]]["username"]
            extra, rows = self._shortened(f"https://x.com/{owner}/status/{quote}")
            words, urls = f"{words} {extra}", [*urls, *rows]
        names = {user["username"].lower(): number for number, user in self.users.items()}
        mentions = [
            {"username": name, "id": names[name.lower()]}
            for name in _HANDLE.findall(text) if name.lower() in names
        ]  # fmt: skip
        parent = self.posts.get(reply_to)
        references = [{"type": "replied_to", "id": reply_to}] if reply_to else []
        references += [{"type": "quoted", "id": quote}] if quote else []
        history = [*self.posts[edits]["edit_history_tweet_ids"]] if edits else []
        self.posts[number] = {
            "id": number, "author_id": author, "text": words, "lang": "en",
            "created_at": f"{self.now - ago:%Y-%m-%dT%H:%M:%S.000Z}",
            "conversation_id": parent["conversation_id"] if parent else number,
            "edit_history_tweet_ids": [*history, number],
            "entities": {"urls": urls, "mentions": mentions},
            **({"referenced_tweets": references} if references else {}),
            **({"in_reply_to_user_id": parent["author_id"]} if parent else {}),
            **({"attachments": {"media_keys": media}} if media else {}), **facts,
        }  # fmt: skip
        if edits:
            del self.posts[edits]
        return number

    def message(self, sender: str, to: str, text: str, *, ago: timedelta = timedelta()) -> str:
        number = self.snowflake(ago)
        people = "-".join(sorted((sender, to), key=int))
        self.messages.append({
            "id": number, "event_type": "MessageCreate", "text": escape(text, quote=False),
            "sender_id": sender, "dm_conversation_id": people,
            "created_at": f"{self.now - ago:%Y-%m-%dT%H:%M:%S.000Z}",
        })  # fmt: skip
        return number

    def _shortened(self, text: str) -> tuple[str, list[dict[str, Any]]]:
        urls = []
        for link in _LINK.findall(text):
            short = f"https://t.co/{len(self.links):010d}"
            self.links[short] = link
            urls.append({"url": short, "expanded_url": link})
            text = text.replace(link, short, 1)
        return escape(text, quote=False), urls

    # Reading

    def _get(self, request: Request, path: str, who: str) -> Any:
        query = request.query
        if path == "/2/users/me":
            if who == "app":
                raise Refused(403, "This endpoint needs a user.")
            return {"data": self.users[who]}
        if path == "/2/usage/tweets":
            return {"data": {"project_usage": "1"}}
        if path == "/2/tweets":
            return self._lookup(query)
        if path == "/2/tweets/search/recent":
            return self._search(query)
        if path.endswith("/dm_events"):
            return self._dm_events(path, query, who)
        if found := re.fullmatch(r"/2/users/(\d+)/(mentions|tweets)", path):
            posts = [p for p in self.posts.values() if self._listed(p, found[1], found[2])]
            return self._page(posts, query, "pagination_token", 5)
        raise Refused(404, f"Nothing at {path}")

    def _listed(self, post: dict[str, Any], user: str, which: str) -> bool:
        if which == "tweets":
            return bool(post["author_id"] == user)
        named = [mention["id"] for mention in post["entities"]["mentions"]]
        return user in [*named, post.get("in_reply_to_user_id")]

    def _lookup(self, query: dict[str, str]) -> Any:
        asked = query["ids"].split(",")
        found = [self.posts[number] for number in asked if number in self.posts]
        missing = [
            {"resource_id": number, "type": "https://api.twitter.com/2/problems/resource-not-found"}
            for number in asked if number not in self.posts
        ]  # fmt: skip
        return {**self._with_includes(found, query), **({"errors": missing} if missing else {})}

    def _search(self, query: dict[str, str]) -> Any:
        if len(query["query"]) > 512:
            raise Refused(400, "The query is too long.")
        try:
            test = compile_query(query["query"])
        except BadQuery as error:
            raise Refused(400, str(error)) from error
        week = int(self.snowflake(timedelta(days=7)))
        for name in ("since_id", "until_id"):
            if name in query and int(query[name]) < week:
                raise Refused(400, f"'{name}' must be a tweet id created within 7 days.")
        posts = [p for p in self.posts.values() if int(p["id"]) > week and test(self._text(p))]
        return self._page(posts, query, "next_token", 10)

    def _text(self, post: dict[str, Any]) -> Text:
        kinds = [reference["type"] for reference in post.get("referenced_tweets", [])]
        links = tuple(url["expanded_url"] for url in post["entities"]["urls"])
        author = self.users[post["author_id"]]["username"]
        return Text(post["text"], author, links, post["conversation_id"],
                    "quoted" in kinds, "retweeted" in kinds)  # fmt: skip

    def _page(
        self, rows: list[dict[str, Any]], query: dict[str, str], token: str, smallest: int
    ) -> Any:
        size = int(query.get("max_results", smallest))
        if not smallest <= size <= 100:
            raise Refused(400, f"max_results must be between {smallest} and 100.")
        below = int(query.get(token, "t0")[1:]) or int(query.get("until_id", 0)) or 1 << 80
        above = int(query.get("since_id", 0))
        start = query.get("start_time", "")
        rows = [
            row for row in sorted(rows, key=lambda row: -int(row["id"]))
            if above < int(row["id"]) < below and row["id"] not in self.late
            and row["created_at"][:19] >= start[:19]
        ]  # fmt: skip
        page, rest = rows[:size], rows[size:]
        meta: dict[str, Any] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if rest:
            meta["next_token"] = f"t{page[-1]['id']}"
        return {**self._with_includes(page, query), "meta": meta}

    def _dm_events(self, path: str, query: dict[str, str], who: str) -> Any:
        other = path.split("/")[4] if "/with/" in path else ""
        rows = [
            message for message in self.messages
            if {who, other or who} <= set(message["dm_conversation_id"].split("-"))
        ]  # fmt: skip
        return self._page(rows, query, "pagination_token", 1)

    def _with_includes(self, rows: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        includes: dict[str, Any] = {}
        if "expansions" in query:
            people = {row.get("author_id") or row.get("sender_id") for row in rows}
            keys = [key for row in rows for key in row.get("attachments", {}).get("media_keys", [])]
            includes["users"] = [self.users[p] for p in sorted(filter(None, people))]
            includes["media"] = [self.media[key] for key in keys if key in self.media]
        found: dict[str, Any] = {"data": rows} if rows else {}
        return {**found, **({"includes": includes} if includes else {})}

    # Changing

    def _change(self, request: Request, path: str, who: str) -> Any:
        if path == "/2/tweets":
            return {"data": self._publish(request.json, who)}
        if path == "/2/media/upload":
            return {"data": self._upload(request)}
        if path == "/2/media/metadata":
            described = request.json["metadata"]["alt_text"]["text"]
            self.media[f"3_{request.json['id']}"]["alt_text"] = described
            return {"data": {"id": request.json["id"]}}
        if found := re.fullmatch(r"/2/dm_conversations/with/(\d+)/messages", path):
            number = self.message(who, found[1], request.json["text"])
            people = self.messages[-1]["dm_conversation_id"]
            return {"data": {"dm_event_id": number, "dm_conversation_id": people}}
        return {"data": self._act(request, path, who)}

    def _act(self, request: Request, path: str, who: str) -> Any:
        if found := re.fullmatch(r"/2/tweets/(\d+)/hidden", path):
            hide = request.json["hidden"]
            (self.hidden.add if hide else self.hidden.discard)(found[1])
            return {"hidden": hide}
        if found := re.fullmatch(r"/2/users/(\d+)/likes(?:/(\d+))?", path):
            liked = request.method == "POST"
            number = request.json["tweet_id"] if liked else found[2]
            (self.likes.add if liked else self.likes.discard)((who, number))
            return {"liked": liked}
        if (found := re.fullmatch(r"/2/tweets/(\d+)", path)) and request.method == "DELETE":
            if self.posts.pop(found[1], None) is None:
                raise Refused(404, "Could not find tweet.")
            return {"deleted": True}
        raise Refused(404, f"Nothing at {path}")

    def _publish(self, asked: Any, who: str) -> Any:
        text, answered = asked.get("text", ""), asked.get("reply", {}).get("in_reply_to_tweet_id")
        if weighted_length(text) > MAX_LENGTH:
            raise Refused(403, "Your Tweet needs to be a bit shorter.")
        quoted = asked.get("quote_tweet_id")
        parent = self.posts.get(answered or "")
        for number in filter(None, (answered, quoted)):
            self._check_addressed(number, who)
        if parent and parent["author_id"] != who:
            text = f"@{self.users[parent['author_id']]['username']} {text}"
        same = (escape(self._unshortened(text), quote=False), answered or "")
        for post in self.posts.values():
            links = self._unshortened(post["text"])
            target = [r["id"] for r in post.get("referenced_tweets", []) if r["type"] != "quoted"]
            if (
                self.refuses_duplicates
                and post["author_id"] == who
                and not quoted
                and (links, "".join(target)) == same
            ):
                raise Refused(403, "You are not allowed to create a Tweet with duplicate content.")
        keys = [f"3_{number}" for number in asked.get("media", {}).get("media_ids", [])]
        number = self.post(
            who, text, reply_to=answered or "", quote=quoted or "", media=keys or None
        )
        return {"id": number, "text": self.posts[number]["text"]}

    def _check_addressed(self, number: str, who: str) -> None:
        """Refuse to reply to a post, or to quote it, if its author has not addressed us."""
        post = self.posts.get(number)
        if post is None:
            raise Refused(403, "You attempted to reply to a Tweet that is deleted or not visible.")
        named = [mention["id"] for mention in post["entities"]["mentions"]]
        quotes = any(r["type"] == "quoted" for r in post.get("referenced_tweets", []))
        if self.self_serve and post["author_id"] != who and not (who in named or quotes):
            raise Refused(403, "Reply is not allowed: you have not been mentioned or quoted.")

    def _unshortened(self, text: str) -> str:
        return re.sub(r"https://t\.co/\d+", lambda found: self.links.get(found[0], ""), text)

    def _upload(self, request: Request) -> Any:
        kind = request.headers.get("Content-Type") or ""
        form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
        parts: dict[Any, Any] = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.walk()
            if not part.is_multipart()
        }
        number = self.snowflake()
        url = f"{self.url}/media/{number}.png"
        self.media[f"3_{number}"] = {"media_key": f"3_{number}", "type": "photo", "url": url,
                                     "content": parts["media"].decode("latin-1")}  # fmt: skip
        return {"id": number, "media_key": f"3_{number}"}

    # OAuth 2.0

    def _authorize(self, query: dict[str, str]) -> str:
        code = f"code-{next(self._numbers)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code})}"

    def _exchange(self, request: Request) -> Any:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        client = form.get("client_id", "")
        login = request.headers.get("Authorization") or ""
        if login.startswith("Basic "):
            client, _, secret = base64.b64decode(login[6:]).decode().partition(":")
            if self.apps.get(client) != secret:
                raise Refused(401, "Wrong client secret.")
        if form["grant_type"] == "refresh_token":
            if (user := self.refresh.pop(form["refresh_token"], None)) is None:
                raise Refused(400, "Value passed for the token was invalid.")
            return self._grant(user)
        asked = self.codes.pop(form["code"], {})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        right = asked.get("code_challenge") == challenge and asked.get("client_id") == client
        if not right or asked.get("redirect_uri") != form["redirect_uri"]:
            raise Refused(400, "Value passed for the authorization code was invalid.")
        return self._grant(next(iter(self.users)))

    def _grant(self, user: str) -> Any:
        number = next(self._numbers)
        token, refresh = f"tok-secret-{number}", f"ref-secret-{number}"
        self.tokens[token], self.refresh[refresh] = user, user
        return {"token_type": "bearer", "access_token": token, "refresh_token": refresh,
                "expires_in": 7200, "scope": self.scope}  # fmt: skip
