from listening.models.item_alias import ItemAlias
from listening.models.mention import Enclosure, Match, Mention, Sighting
from listening.models.mention_change import MentionChange
from listening.models.quarantined import Quarantined
from listening.models.seen import Seen
from listening.models.source import Fetch, Source
from listening.models.topic import Topic, TopicRevision, TopicStamp
from listening.models.webhook import WebhookDelivery, WebhookSecret

__all__ = [
    "Enclosure",
    "Fetch",
    "ItemAlias",
    "Match",
    "Mention",
    "MentionChange",
    "Quarantined",
    "Seen",
    "Sighting",
    "Source",
    "Topic",
    "TopicRevision",
    "TopicStamp",
    "WebhookDelivery",
    "WebhookSecret",
]
