from scrm.channels.channel import Channel
from scrm.channels.wordpress.connect import CONNECTOR
from scrm.channels.wordpress.hear import WordPressListener
from scrm.channels.wordpress.speak import WordPressEditor, WordPressSpeaker

CHANNEL = Channel(
    kind="wordpress",
    label="WordPress",
    listener=WordPressListener(),
    speaker=WordPressSpeaker(),
    editor=WordPressEditor(),
    connector=CONNECTOR,
    visibilities=("public",),
    own_ground=True,
)
