from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel
from scrm.channels.network_facts import WORDPRESS
from scrm.channels.wordpress.connect import CONNECTOR
from scrm.channels.wordpress.hear import WordPressListener
from scrm.channels.wordpress.moderate import WordPressModerator
from scrm.channels.wordpress.speak import WordPressEditor, WordPressSpeaker

CHANNEL = Channel(
    kind="wordpress",
    hears=_("comments on your blog"),
    says=_("posts, corrections, replies to comments"),
    label=WORDPRESS.label,
    icon=WORDPRESS.icon,
    listener=WordPressListener(),
    speaker=WordPressSpeaker(),
    editor=WordPressEditor(),
    connector=CONNECTOR,
    moderator=WordPressModerator(),
    visibilities=WORDPRESS.visibilities,
    own_ground=True,
)
