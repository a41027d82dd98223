from listening.models.mention import Enclosure, Match, Mention, Sighting
from listening.models.quarantined import Quarantined
from listening.models.seen import Seen
from listening.models.source import Fetch, Source
from listening.models.topic import Topic, TopicRevision, TopicStamp

__all__ = [
    "Enclosure",
    "Fetch",
    "Match",
    "Mention",
    "Quarantined",
    "Seen",
    "Sighting",
    "Source",
    "Topic",
    "TopicRevision",
    "TopicStamp",
]
