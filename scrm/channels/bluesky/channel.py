"""The Bluesky channel."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from scrm.channels.bluesky.connect import CONNECTOR
from scrm.channels.bluesky.link import key_of
from scrm.channels.bluesky.listen import BlueskyListener
from scrm.channels.bluesky.moderate import BlueskyModerator
from scrm.channels.bluesky.search import translate
from scrm.channels.bluesky.speak import (
    MAX_PICTURE_BYTES,
    MAX_PICTURES,
    BlueskyEditor,
    BlueskySpeaker,
)
from scrm.channels.bluesky.threads import BlueskyThreads
from scrm.channels.channel import Channel
from scrm.channels.network_facts import BLUESKY

CHANNEL = Channel(
    kind="bluesky",
    hears=_("mentions, replies, quotes, messages, search for topics"),
    says=_("replies, quotes, posts, threads, messages, images"),
    label=BLUESKY.label,
    icon=BLUESKY.icon,
    listener=BlueskyListener(),
    speaker=BlueskySpeaker(),
    editor=BlueskyEditor(),
    connector=CONNECTOR,
    text=BLUESKY.text,
    moderator=BlueskyModerator(),
    threads=BlueskyThreads(),
    translate=translate,
    key_of=key_of,
    quotes=True,
    titles=BLUESKY.titles,
    carries=MAX_PICTURES * MAX_PICTURE_BYTES,
)
