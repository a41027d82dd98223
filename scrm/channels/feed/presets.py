"""Presets for well-known networks: build the address of a feed from what an admin types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from scrm.net.addresses import ascii_host

Text = str | Promise
Typed = Mapping[str, str]

REDDIT = "https://www.reddit.com"
YOUTUBE = "https://www.youtube.com"
HACKER_NEWS = "https://hnrss.org"
GITHUB = "https://github.com"

_SCHEME = re.compile(r"(?i)https?://")
_SUBREDDIT = re.compile(r"[A-Za-z0-9_]{2,24}(?:\+[A-Za-z0-9_]{2,24}){0,50}")
_REDDIT_USER = re.compile(r"[A-Za-z0-9_-]{3,24}")
_REDDIT_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,200}")
_CHANNEL = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HANDLE = re.compile(r"@[^\s/?#@]{1,100}")
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TAG = re.compile(r"[\w.#+-]{1,50}")
_OWN_DOMAINS = {
    "askubuntu": "askubuntu.com",
    "mathoverflow": "mathoverflow.net",
    "serverfault": "serverfault.com",
    "stackapps": "stackapps.com",
    "stackoverflow": "stackoverflow.com",
    "superuser": "superuser.com",
}
_ON_STACK_EXCHANGE = re.compile(r"(?:[a-z0-9-]{1,40}\.){1,2}stackexchange\.com")


class PresetError(Exception):
    """No address can be built from the typed values: the name of the field, and the reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Field:
    """One value that an admin types, or chooses if there are `choices` (value and label)."""

    name: str
    label: Text
    help: Text = ""
    required: bool = True
    is_secret: bool = False
    choices: tuple[tuple[str, Text], ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """A network with feeds.

    sees: what the feeds of the network contain, and what anonymous readers do not see.
    address: returns the address of the feed, or of a page that links to it. Raises PresetError.
    """

    key: str
    label: Text
    sees: Text
    fields: tuple[Field, ...]
    address: Callable[[Typed], str]


def _refuse(field: str, message: str) -> NoReturn:
    raise PresetError(field, message)


def _pasted(field: str, typed: str) -> SplitResult | None:
    """Return the parts of a pasted address with a host, or None if it is no address."""
    if not _SCHEME.match(typed):
        return None
    try:
        return _checked(typed)
    except ValueError:
        _refuse(field, _t("This address is not valid."))


def _checked(address: str) -> SplitResult:
    """Return the parts of an address. Raises ValueError if its host or port is not valid."""
    parts = urlsplit(address)
    if not ascii_host(parts.hostname or "") or parts.port == 0:
        raise ValueError("The address has no host or no port.")
    return parts


def _is_at(parts: SplitResult, domain: str) -> bool:
    host = (parts.hostname or "").lower()
    return host == domain or host.endswith(f".{domain}")


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _reddit(typed: Typed) -> str:
    name, user, token = typed["subreddit"], typed["user"], typed["token"]
    if (page := _pasted("subreddit", name)) is not None:
        if not _is_at(page, "reddit.com"):
            _refuse("subreddit", _t("This is not an address on Reddit."))
        name = page.path
    name = "".join(_segments(name)[1:2]) if re.match(r"/?r/", name) else name
    if not _SUBREDDIT.fullmatch(name):
        _refuse("subreddit", _t("Enter the name of a subreddit, such as r/travel."))
    if (feed := _pasted("token", token)) is not None:
        parameters = parse_qs(feed.query)
        token = parameters.get("feed", [""])[0]
        user = user or parameters.get("user", [""])[0]
    if not _REDDIT_TOKEN.fullmatch(token):
        _refuse("token", _t("Paste an address from Preferences → RSS feeds on Reddit."))
    user = user.removeprefix("/").removeprefix("u/")
    if not _REDDIT_USER.fullmatch(user):
        _refuse("user", _t("Enter the name of the Reddit user to whom the token belongs."))
    listing = "comments" if typed["what"] == "comments" else "new"
    return f"{REDDIT}/r/{name}/{listing}/.rss?feed={token}&user={user}"


def _youtube(typed: Typed) -> str:
    what = typed["channel"]
    if (page := _pasted("channel", what)) is not None:
        if not _is_at(page, "youtube.com"):
            _refuse("channel", _t("This is not an address on YouTube."))
        if playlist := parse_qs(page.query).get("list"):
            return f"{YOUTUBE}/feeds/videos.xml?playlist_id={quote(playlist[0], safe='')}"
        segments = _segments(page.path)
        if segments[:1] in (["c"], ["user"]) and len(segments) > 1:
            # The page of an older channel names its feed.
            return f"{YOUTUBE}/{segments[0]}/{quote(segments[1], safe='%')}"
        what = (
            segments[1] if segments[:1] == ["channel"] and segments[1:] else "".join(segments[:1])
        )
    if _CHANNEL.fullmatch(what):
        return f"{YOUTUBE}/feeds/videos.xml?channel_id={what}"
    if _HANDLE.fullmatch(what):
        # The page of the channel names its feed.
        return f"{YOUTUBE}/{quote(what, safe='@%')}"
    message = _t("Enter the id of a channel (UC and 22 more characters), its @name or its address.")
    _refuse("channel", message)


def _hacker_news(typed: Typed) -> str:
    listing = "newcomments" if typed["what"] == "comments" else "newest"
    return f"{HACKER_NEWS}/{listing}?q={quote(typed['query'], safe='')}"


def _discourse(typed: Typed) -> str:
    forum, tag = typed["forum"], typed["tag"].removeprefix("#")
    page = _pasted("forum", forum if _SCHEME.match(forum) else f"https://{forum}")
    assert page is not None
    site = f"{page.scheme.lower()}://{page.netloc}"
    segments = _segments(page.path)
    kinds = [place for place, part in enumerate(segments) if part in ("t", "c", "tag")]
    start = "".join(f"/{part}" for part in segments[: kinds[0] if kinds else None])
    if tag:
        return f"{site}{start}/tag/{quote(tag, safe='')}.rss"
    if kinds:
        # The address of a topic, a category or a tag: each has a feed of its own.
        rest = "/".join(segments[kinds[0] :]).removesuffix(".rss")
        return f"{site}{start}/{rest}.rss"
    if start.endswith((".rss", "/latest", "/top")):
        return f"{site}{start.removesuffix('.rss')}.rss"
    return f"{site}{start}/posts.rss"


def _stack_exchange(typed: Typed) -> str:
    site, tags = typed["site"].lower(), typed["tag"].replace(",", " ").split()
    if (page := _pasted("site", typed["site"])) is not None:
        site = (page.hostname or "").removeprefix("www.")
        segments = _segments(page.path)
        if not tags and segments[:2] == ["questions", "tagged"]:
            words = _unquoted(segments[2]).split() if segments[2:] else []
            tags = [word for word in words if word != "or"]
    site = _OWN_DOMAINS.get(site, site)
    if site not in _OWN_DOMAINS.values() and not _ON_STACK_EXCHANGE.fullmatch(site):
        site = f"{site}.stackexchange.com"
        if not _ON_STACK_EXCHANGE.fullmatch(site):
            _refuse("site", _t("Enter the name of a site, such as stackoverflow or travel."))
    if not tags:
        _refuse("tag", _t("Enter a tag."))
    if not all(_TAG.fullmatch(tag) for tag in tags):
        _refuse("tag", _t("A tag contains only letters, digits, “.”, “#”, “+” and “-”."))
    asked = quote(" or ".join(tags), safe="")
    return f"https://{site}/feeds/tag?tagnames={asked}&sort=newest"


def _unquoted(segment: str) -> str:
    # In a path, "+" separates tags; "c++" is written with %2B.
    return parse_qs(f"tag={segment}").get("tag", [""])[0]


def _github(typed: Typed) -> str:
    name = typed["repository"]
    if (page := _pasted("repository", name)) is not None:
        if not _is_at(page, "github.com"):
            _refuse("repository", _t("This is not an address on GitHub."))
        name = page.path
    segments = _segments(name)
    if len(segments) < 2 or (page is None and len(segments) > 2):
        _refuse("repository", _t("Enter owner and repository, such as django/django."))
    owner, repository = segments[0], segments[1].removesuffix(".git")
    if not _OWNER.fullmatch(owner) or not _REPOSITORY.fullmatch(repository):
        _refuse("repository", _t("Enter owner and repository, such as django/django."))
    return f"{GITHUB}/{owner}/{repository}/discussions.atom"


def _alert(typed: Typed) -> str:
    page = _pasted("feed", typed["feed"])
    if page is None:
        _refuse("feed", _t("Paste the whole address of the feed, with https://."))
    if _is_at(page, "google.com") and "/alerts/feeds/" not in page.path:
        message = _t(
            "This is the page of the alerts, not a feed. Edit the alert, set “Deliver to” to "
            "“RSS feed”, and copy the address of the feed icon."
        )
        _refuse("feed", message)
    return typed["feed"]


_POSTS_OR_COMMENTS = (("posts", _("New posts")), ("comments", _("New comments")))
_ALL = (
    Preset(
        "reddit", "Reddit",
        _("Reddit blocks most anonymous readers, so the feed needs the token of a Reddit user. "
          "Find it on Reddit under Preferences → RSS feeds. The feed contains the latest 25 items "
          "of a subreddit. For a private subreddit, the user must be a member."),
        (
            Field("subreddit", _("Subreddit"), _("For example r/travel, or its address.")),
            Field("what", _("Listen to"), choices=_POSTS_OR_COMMENTS),
            Field("user", _("Reddit user"), _("Leave empty if you paste an address below."),
                  required=False),
            Field("token", _("Feed token"),
                  _("Paste the token, or any address from Preferences → RSS feeds. It is stored "
                    "encrypted."),
                  is_secret=True),
        ),
        _reddit,
    ),
    Preset(
        "youtube", "YouTube",
        _("The feed contains the latest 15 videos of a channel or a playlist, with title and "
          "description. YouTube has no feed of comments."),
        (Field("channel", _("Channel"), _("Its id, its @name, or the address of its page.")),),
        _youtube,
    ),
    Preset(
        "hacker-news", "Hacker News",
        _("The search of hnrss.org, a free service that does not belong to Hacker News. It finds "
          "words in titles and addresses of posts, or in comments."),
        (
            Field("query", _("Words to search for"), _("For example your name or your domain.")),
            Field("what", _("Listen to"), choices=_POSTS_OR_COMMENTS),
        ),
        _hacker_news,
    ),
    Preset(
        "discourse", "Discourse",
        _("The feed contains the latest posts of a forum or a topic, or the latest topics of a "
          "category or a tag, if they can be read without a login. A forum that requires a login "
          "has no public feed."),
        (
            Field("forum", _("Address"), _("The address of a forum, a category or a topic.")),
            Field("tag", _("Tag"), _("Leave empty for all posts."), required=False),
        ),
        _discourse,
    ),
    Preset(
        "stack-exchange", "Stack Exchange",
        _("The feed contains the latest 30 questions with any of the tags. Answers and comments "
          "are not in it."),
        (
            Field("site", _("Site"), _("For example stackoverflow, or the address of a tag page.")),
            Field("tag", _("Tags"), _("Separate several tags with spaces."),
                  required=False),
        ),
        _stack_exchange,
    ),
    Preset(
        "github-discussions", "GitHub Discussions",
        _("The feed contains the latest discussions of a public repository, without the answers "
          "to them."),
        (Field("repository", _("Repository"), _("Owner and name, or the address.")),),
        _github,
    ),
    Preset(
        "alerts", _("Alerts (Google and others)"),
        _("Search alerts that are delivered as a feed, for example Google Alerts. Everybody who "
          "knows the address can read it. The items link to the pages that were found."),
        (Field("feed", _("Address of the feed"), _("In Google Alerts: Deliver to → RSS feed.")),),
        _alert,
    ),
)  # fmt: skip
PRESETS = {preset.key: preset for preset in _ALL}
