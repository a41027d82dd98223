from scrm.channels.channel import Channel
from scrm.channels.mastodon.account import MAX_LENGTH
from scrm.channels.mastodon.connect import CONNECTOR
from scrm.channels.mastodon.edit import MastodonEditor
from scrm.channels.mastodon.listen import MastodonListener
from scrm.channels.mastodon.moderate import MastodonModerator, MastodonThreads, reply_rule
from scrm.channels.mastodon.speak import MastodonSpeaker
from scrm.channels.text_rules import TextRules

CHANNEL = Channel(
    kind="mastodon",
    label="Mastodon",
    listener=MastodonListener(),
    speaker=MastodonSpeaker(),
    editor=MastodonEditor(),
    connector=CONNECTOR,
    text=TextRules(MAX_LENGTH, "graphemes", link_length=23, short_mentions=True, threads=True),
    reply_rule=reply_rule,
    moderator=MastodonModerator(),
    threads=MastodonThreads(),
    titles=False,
    carries=16 * 1024 * 1024,
)
