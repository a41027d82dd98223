from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel
from scrm.channels.mastodon.added import added_length
from scrm.channels.mastodon.connect import CONNECTOR
from scrm.channels.mastodon.edit import MastodonEditor
from scrm.channels.mastodon.link import key_of
from scrm.channels.mastodon.listen import MastodonListener
from scrm.channels.mastodon.moderate import MastodonModerator, MastodonThreads, reply_rule
from scrm.channels.mastodon.search import translate
from scrm.channels.mastodon.speak import MastodonSpeaker
from scrm.channels.network_facts import MASTODON

CHANNEL = Channel(
    kind="mastodon",
    label=MASTODON.label,
    icon=MASTODON.icon,
    hears=_("mentions, hashtags, lists, timelines, search for topics"),
    says=_("replies, quotes, posts, threads, direct messages, images"),
    listener=MastodonListener(),
    speaker=MastodonSpeaker(),
    editor=MastodonEditor(),
    connector=CONNECTOR,
    text=MASTODON.text,
    added_length=added_length,
    reply_rule=reply_rule,
    moderator=MastodonModerator(),
    threads=MastodonThreads(),
    translate=translate,
    key_of=key_of,
    quotes=True,
    titles=MASTODON.titles,
    carries=16 * 1024 * 1024,
)
