from listening.models.mention import Enclosure, Match, Mention, Sighting
from listening.models.seen import Seen
from listening.models.set_apart import SetApart
from listening.models.source import Poll, Source
from listening.models.topic import Topic, TopicRevision, TopicStamp

__all__ = [
    "Enclosure",
    "Match",
    "Mention",
    "Poll",
    "Seen",
    "SetApart",
    "Sighting",
    "Source",
    "Topic",
    "TopicRevision",
    "TopicStamp",
]
