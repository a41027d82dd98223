"""Client for the X API: tweepy over our own session.

tweepy builds the paths, parameters and bodies of the endpoints. `XClient.request` replaces tweepy's
own request, because that one fixes the host, has no time limit and logs the token.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import tweepy

from scrm.channels.base import ChannelError, Credentials, File
from scrm.channels.x.errors import parsed, refusal, server_time
from scrm.net import http

API = "https://api.x.com"
SECONDS = 30.0
APP_ONLY = "app-only"
"""The profile key of a login that belongs to an app and not to a user."""
KEYS = ("api_key", "api_key_secret", "access_token", "access_token_secret", "bearer_token")
"""The secrets that are sent to X in a header, which can contain only ASCII."""
POST_FIELDS = (
    "author_id,conversation_id,created_at,edit_history_tweet_ids,entities,in_reply_to_user_id,lang,"
    "note_tweet,referenced_tweets,attachments"
)
USER_FIELDS = "username,name,public_metrics,verified,protected,description,location,entities"
MEDIA_FIELDS = "type,url,alt_text"
POST_FACTS = {
    "tweet_fields": POST_FIELDS,
    "user_fields": USER_FIELDS,
    "media_fields": MEDIA_FIELDS,
    "expansions": "author_id,attachments.media_keys",
}
MESSAGE_FACTS = {
    "dm_event_fields": "id,text,event_type,created_at,sender_id,dm_conversation_id,attachments,"
    "entities",
    "event_types": "MessageCreate",
    "user_fields": USER_FIELDS,
    "media_fields": MEDIA_FIELDS,
    "expansions": "sender_id,attachments.media_keys",
}
_TALKATIVE = (
    "oauthlib.oauth1.rfc5849",
    "oauthlib.oauth1.rfc5849.signature",
    "requests_oauthlib.oauth1_auth",
    "requests_oauthlib.oauth1_session",
    "requests_oauthlib.oauth2_session",
    "tweepy.auth",
    "tweepy.client",
)
"""Loggers that write tokens or signatures at level DEBUG."""


def _is_serious(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


for _name in _TALKATIVE:
    logging.getLogger(_name).addFilter(_is_serious)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer of X. moment: its time by the clock of X."""

    body: dict[str, Any]
    moment: datetime
    access: str = ""

    def json(self) -> Answer:
        """Return the answer itself; tweepy calls this to get the result of a request."""
        return self

    @property
    def rows(self) -> list[Any]:
        """The listed objects, unchecked."""
        data = self.body.get("data")
        return data if isinstance(data, list) else []

    @property
    def row(self) -> dict[str, Any]:
        """The single object that was requested; empty if it is missing."""
        data = self.body.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def next_token(self) -> str:
        meta = self.body.get("meta")
        token = meta.get("next_token") if isinstance(meta, dict) else None
        return token if isinstance(token, str) else ""

    @property
    def errors(self) -> list[dict[str, Any]]:
        errors = self.body.get("errors")
        return [row for row in errors if isinstance(row, dict)] if isinstance(errors, list) else []

    def included(self, kind: str, key: str) -> dict[str, dict[str, Any]]:
        """Return the included objects of a kind, such as "users", by the field `key`."""
        includes = self.body.get("includes")
        rows = includes.get(kind) if isinstance(includes, dict) else None
        found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return {str(row[key]): row for row in found if isinstance(row.get(key), str | int)}

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        return self.included("users", "id")

    @property
    def media(self) -> dict[str, dict[str, Any]]:
        return self.included("media", "media_key")


class XClient(tweepy.Client):
    """A tweepy client for one login. Every method returns an `Answer` or raises ChannelError."""

    def __init__(self, secrets: Any, *, api: str = API, user_id: str = "") -> None:
        if not all(is_plain(secrets.get(name)) for name in KEYS):
            raise ChannelError(
                "The stored login of X contains a character that no key of X contains. Connect the "
                "account again.",
                permanent=True,
            )
        token = secrets.get("access_token", "")
        super().__init__(
            secrets.get("bearer_token") or token,
            secrets.get("api_key"), secrets.get("api_key_secret"),
            token, secrets.get("access_token_secret"),
            return_type=dict, wait_on_rate_limit=False,
        )  # fmt: skip
        self.session = http.guarded_session()
        self.api, self.user_id = encrypted_or_local(api), user_id

    def request(
        self,
        method: str,
        route: str,
        params: Any = None,
        json: Any = None,
        user_auth: bool = False,  # noqa: ARG002 - the login decides, not the endpoint
        *,
        form: Any = None,
        files: Any = None,
    ) -> Answer:
        """Send one request and return its answer. Raises ChannelError."""
        changes = method != "GET"
        response = self._exchange(method, route, params=params, json=json, data=form, files=files)
        now = server_time(response.headers, datetime.now(UTC))
        body = parsed(response.content)
        if not 200 <= response.status_code < 300:
            raise refusal(response.status_code, response.headers, body, changes=changes, now=now)
        if not isinstance(body, dict):
            raise ChannelError("The answer of X cannot be read.", uncertain=changes)
        return Answer(body, now, response.headers.get("x-access-level", ""))

    def _exchange(self, method: str, route: str, **content: Any) -> Any:
        """Send one request, with a time limit and without following redirects."""
        changes = method != "GET"
        headers, auth = self._login()
        try:
            return self.session.request(
                method, self.api + route,
                headers=headers, auth=auth, timeout=SECONDS, allow_redirects=False, **content,
            )  # fmt: skip
        except http.HttpError as error:
            # It is certain that X did not get the request only if no connection was opened.
            certainly_not_sent = error.kind in ("refused", "not found")
            raise ChannelError(
                error.message, uncertain=changes and not certainly_not_sent
            ) from error
        except OSError as error:  # all errors of requests are OSErrors
            message = f"{urlsplit(self.api).hostname} cannot be reached or does not answer."
            raise ChannelError(message, uncertain=changes) from error

    def upload(self, picture: File, *, private: bool = False) -> str:
        """Upload a picture with its description; return its id. Nothing is published by this."""
        kind = "gif" if picture.content_type == "image/gif" else "image"
        category = f"{'dm' if private else 'tweet'}_{kind}"
        sent = self.request(
            "POST", "/2/media/upload",
            form={"media_category": category, "media_type": picture.content_type},
            files={"media": (picture.name, picture.content, picture.content_type)},
        )  # fmt: skip
        number = sent.row.get("id") or sent.row.get("media_id_string")
        if not isinstance(number, str):
            raise ChannelError("X did not confirm the upload of a picture.")
        if picture.alt:
            described = {"alt_text": {"text": picture.alt[:1000]}}
            self.request("POST", "/2/media/metadata", json={"id": number, "metadata": described})
        return number

    def _login(self) -> tuple[dict[str, str], Any]:
        """Return the headers and the signature of a request."""
        if self.access_token_secret:
            signer = tweepy.OAuth1UserHandler(
                self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret
            )
            return {}, signer.apply_auth()
        return {"Authorization": f"Bearer {self.bearer_token}"}, None

    def _get_authenticating_user_id(self, *, oauth_1: bool = False) -> str:  # noqa: ARG002
        # tweepy would ask X for it, and keep the client with its token alive in a cache.
        return self.user_id


def client_of(credentials: Credentials | None, *, user: bool = True) -> XClient:
    """Return the client of an account. user: whether the login must belong to a user of X."""
    if credentials is None or not any(
        credentials.secrets.get(name) for name in ("access_token", "bearer_token")
    ):
        raise ChannelError("This X account is not connected. Connect it first.", permanent=True)
    if user and credentials.self_key == APP_ONLY:
        raise ChannelError(
            "This login belongs to an app and can only search. Connect an X account with keys or "
            "with a login to do this.",
            permanent=True,
        )
    api = str(credentials.config.get("api") or API)
    return XClient(credentials.secrets, api=api, user_id=credentials.self_key)


def is_plain(key: Any) -> bool:
    """Whether a key has only printable ASCII characters, so that it can be sent in a header."""
    return not key or (isinstance(key, str) and key.isascii() and key.isprintable())


def encrypted_or_local(api: str) -> str:
    """Return the address if a token may be sent there: it has https or is on this machine."""
    where = urlsplit(api)
    local = where.scheme == "http" and where.hostname in {"localhost", "127.0.0.1", "::1"}
    if (where.scheme == "https" and where.hostname) or local:
        return api.rstrip("/")
    raise ChannelError(
        f"“{api[:200]}” is no address to which scrm may send a token. Use an https address.",
        permanent=True,
    )
