"""What an admin types into a preset, and the address of the feed that it leads to."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.feed.presets import PRESETS, PresetError
from scrm.net.addresses import Target
from scrm.net.http import HttpError

TOKEN = "0123456789abcdef" * 2
EMPTY = {
    key: {field.name: field.choices[0][0] if field.choices else "" for field in preset.fields}
    for key, preset in PRESETS.items()
}


def address(key: str, **typed: str) -> str:
    return PRESETS[key].address(EMPTY[key] | typed)


def address_or_field(key: str, typed: dict[str, str]) -> str:
    """Return the address of the feed, or the name of the field that has an error."""
    try:
        return address(key, **typed)
    except PresetError as error:
        return error.field


MANY = "&".join(f"p{number}=1" for number in range(60))
REDDIT_FEED = f"https://www.reddit.com/r/travel/new/.rss?feed={TOKEN}&user=jo_9"
UC = "UC-ptWR16ITQyYOglXyQmpzw"
VIDEOS = "https://www.youtube.com/feeds/videos.xml"


@pytest.mark.parametrize(
    ("key", "typed", "expected"),
    [
        ("reddit", {"subreddit": "travel", "user": "jo_9", "token": TOKEN}, REDDIT_FEED),
        ("reddit", {"subreddit": "r/travel", "user": "u/jo_9", "token": TOKEN}, REDDIT_FEED),
        ("reddit", {"subreddit": "/r/travel/", "user": "/u/jo_9", "token": TOKEN}, REDDIT_FEED),
        (
            "reddit",
            {
                "subreddit": "https://old.reddit.com/r/travel/comments/1abc/lost/",
                "token": f"https://www.reddit.com/.rss?feed={TOKEN}&user=jo_9",
            },
            REDDIT_FEED,
        ),
        (
            "reddit",
            {"subreddit": "travel+flights", "what": "comments", "user": "jo_9", "token": TOKEN},
            f"https://www.reddit.com/r/travel+flights/comments/.rss?feed={TOKEN}&user=jo_9",
        ),
        ("youtube", {"channel": UC}, f"{VIDEOS}?channel_id={UC}"),
        ("youtube", {"channel": f"https://m.youtube.com/channel/{UC}/videos"},
         f"{VIDEOS}?channel_id={UC}"),
        ("youtube", {"channel": "@skyward"}, "https://www.youtube.com/@skyward"),
        ("youtube", {"channel": "https://youtube.com/@skyward/videos"},
         "https://www.youtube.com/@skyward"),
        ("youtube", {"channel": "https://www.youtube.com/user/Skyward"},
         "https://www.youtube.com/user/Skyward"),
        ("youtube", {"channel": "https://www.youtube.com/playlist?list=PLdo&x=1"},
         f"{VIDEOS}?playlist_id=PLdo"),
        ("youtube", {"channel": f"https://www.youtube.com/playlist?{MANY}&list=PLdo"},
         f"{VIDEOS}?playlist_id=PLdo"),
        ("reddit", {"subreddit": "travel",
                    "token": f"https://www.reddit.com/.rss?{MANY}&feed={TOKEN}&user=jo_9"},
         REDDIT_FEED),
        ("hacker-news", {"query": "skyward air"}, "https://hnrss.org/newest?q=skyward%20air"),
        ("hacker-news", {"query": "a&b=c#d?/", "what": "comments"},
         "https://hnrss.org/newcomments?q=a%26b%3Dc%23d%3F%2F"),
        ("discourse", {"forum": "forum.example"}, "https://forum.example/posts.rss"),
        ("discourse", {"forum": "http://forum.example:8080/"},
         "http://forum.example:8080/posts.rss"),
        ("discourse", {"forum": "https://a.example/forum"}, "https://a.example/forum/posts.rss"),
        ("discourse", {"forum": "https://a.example/forum/latest"},
         "https://a.example/forum/latest.rss"),
        ("discourse", {"forum": "https://a.example/posts.rss"}, "https://a.example/posts.rss"),
        ("discourse", {"forum": "https://a.example/t/lost-bag/42"},
         "https://a.example/t/lost-bag/42.rss"),
        ("discourse", {"forum": "https://a.example/f/c/support/5.rss"},
         "https://a.example/f/c/support/5.rss"),
        ("discourse", {"forum": "https://a.example/c/support/5", "tag": "#späti/x"},
         "https://a.example/tag/sp%C3%A4ti%2Fx.rss"),
        ("stack-exchange", {"site": "stackoverflow", "tag": "django"},
         "https://stackoverflow.com/feeds/tag?tagnames=django&sort=newest"),
        ("stack-exchange", {"site": "travel.stackexchange.com", "tag": "c++, c#"},
         "https://travel.stackexchange.com/feeds/tag?tagnames=c%2B%2B%20or%20c%23&sort=newest"),
        ("stack-exchange", {"site": "Travel", "tag": "air"},
         "https://travel.stackexchange.com/feeds/tag?tagnames=air&sort=newest"),
        ("stack-exchange", {"site": "https://stackoverflow.com/questions/tagged/c%2b%2b+qt"},
         "https://stackoverflow.com/feeds/tag?tagnames=c%2B%2B%20or%20qt&sort=newest"),
        ("github-discussions", {"repository": "django/django"},
         "https://github.com/django/django/discussions.atom"),
        ("github-discussions", {"repository": "https://github.com/a-b/c.d.git?tab=x#y"},
         "https://github.com/a-b/c.d/discussions.atom"),
        ("github-discussions", {"repository": "https://github.com/a/b/discussions/5"},
         "https://github.com/a/b/discussions.atom"),
        ("alerts", {"feed": "https://www.google.com/alerts/feeds/12/34"},
         "https://www.google.com/alerts/feeds/12/34"),
    ],
)  # fmt: skip
def test_what_is_typed_or_pasted_becomes_the_address_of_the_feed(
    key: str, typed: dict[str, str], expected: str
) -> None:
    assert address(key, **typed) == expected


@pytest.mark.parametrize(
    ("key", "typed", "field"),
    [
        ("reddit", {"subreddit": "tra vel", "user": "jo_9", "token": TOKEN}, "subreddit"),
        ("reddit", {"subreddit": "u/jo_9", "user": "jo_9", "token": TOKEN}, "subreddit"),
        ("reddit", {"subreddit": "https://evil.example/r/travel", "token": TOKEN}, "subreddit"),
        ("reddit", {"subreddit": "https://notreddit.com/r/travel", "token": TOKEN}, "subreddit"),
        ("reddit", {"subreddit": "travel", "user": "jo_9", "token": "a&b=c"}, "token"),
        ("reddit", {"subreddit": "travel", "token": "https://www.reddit.com/.rss"}, "token"),
        ("reddit", {"subreddit": "travel", "user": "", "token": TOKEN}, "user"),
        ("youtube", {"channel": "Skyward Air"}, "channel"),
        ("youtube", {"channel": "UC123"}, "channel"),
        ("youtube", {"channel": "https://youtube.com.evil.example/@x"}, "channel"),
        ("youtube", {"channel": "https://www.youtube.com/watch?v=1"}, "channel"),
        ("discourse", {"forum": "https://[::1"}, "forum"),
        ("discourse", {"forum": "https://"}, "forum"),
        ("discourse", {"forum": "https://a.example:99999/"}, "forum"),
        ("stack-exchange", {"site": "stackoverflow"}, "tag"),
        ("stack-exchange", {"site": "stackoverflow", "tag": "a/b"}, "tag"),
        ("stack-exchange", {"site": "evil.example/x", "tag": "a"}, "site"),
        (
            "stack-exchange",
            {
                "site": "https://stackoverflow.com/questions/tagged",
            },
            "tag",
        ),
        ("github-discussions", {"repository": "django"}, "repository"),
        ("github-discussions", {"repository": "a/b/c"}, "repository"),
        ("github-discussions", {"repository": "a b/c"}, "repository"),
        ("github-discussions", {"repository": "https://gitlab.com/a/b"}, "repository"),
        ("alerts", {"feed": "skyward"}, "feed"),
        ("alerts", {"feed": "https://www.google.com/alerts?hl=en"}, "feed"),
    ],
)
def test_bad_input_is_an_error_at_its_field(key: str, typed: dict[str, str], field: str) -> None:
    with pytest.raises(PresetError) as error:
        address(key, **typed)
    assert error.value.field == field
    assert error.value.message


_ODD = st.one_of(
    st.text(max_size=60),
    st.text("/:@?#&=%+.[]\\ \n", max_size=30),
    st.from_regex(r"https?://[\w.:@\[\]%]{0,20}/[\w/?#&=%+@. ]{0,30}", fullmatch=True),
)


@pytest.mark.parametrize("key", PRESETS)
@given(data=st.data())
def test_anything_typed_leads_to_one_address_of_that_network_or_to_an_error_at_a_field(
    key: str, data: st.DataObject
) -> None:
    """Fails if a character is not escaped: it would change the host or add a parameter."""
    fields = [field for field in PRESETS[key].fields if not field.choices]
    typed = {field.name: data.draw(_ODD, label=field.name).strip() for field in fields}
    found = address_or_field(key, typed)
    if found in EMPTY[key]:
        return
    parts = urlsplit(found)
    hosts = {
        "reddit": "www.reddit.com", "youtube": "www.youtube.com", "hacker-news": "hnrss.org",
        "github-discussions": "github.com",
    }  # fmt: skip
    assert parts.hostname == hosts.get(key, parts.hostname)
    if key == "hacker-news":
        assert parse_qs(parts.query, keep_blank_values=True) == {"q": [typed["query"]]}
        assert Target.of(found).url == found
    if key in ("stack-exchange", "github-discussions", "reddit"):
        assert Target.of(found).url == found
    if key in ("discourse", "alerts"):
        # The host is typed, so it can be refused; nothing else may happen.
        with suppress(HttpError):
            Target.of(found)
