from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel
from scrm.channels.network_facts import X_PRICES, X
from scrm.channels.x.connect import CONNECTOR
from scrm.channels.x.costs import (
    item_cost,
    lookup_usage,
    moderation_usage,
    removal_usage,
    send_usage,
)
from scrm.channels.x.events import XEvents
from scrm.channels.x.link import key_of
from scrm.channels.x.listen import XListener
from scrm.channels.x.rules import XModerator, XThreadReader, may_reply
from scrm.channels.x.speak import MOST_BYTES, MOST_PICTURES, XEditor, XSpeaker
from scrm.channels.x.translate import translate

CHANNEL = Channel(
    kind="x",
    hears=_("mentions, replies, quotes, messages, search for topics"),
    says=_("replies, quotes, posts, threads, messages, images"),
    label=X.label,
    icon=X.icon,
    listener=XListener(),
    speaker=XSpeaker(),
    editor=XEditor(),
    connector=CONNECTOR,
    text=X.text,
    reply_rule=may_reply,
    moderator=XModerator(),
    threads=XThreadReader(),
    translate=translate,
    key_of=key_of,
    prices=X_PRICES,
    item_price="post read",
    author_price="user read",
    item_cost=item_cost,
    send_usage=send_usage,
    lookup_usage=lookup_usage,
    removal_usage=removal_usage,
    moderation_usage=moderation_usage,
    events=XEvents(),
    quotes=True,
    titles=X.titles,
    carries=MOST_PICTURES * MOST_BYTES,
)
