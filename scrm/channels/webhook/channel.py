"""The channel for tools that send their items to us by signed HTTP requests."""

from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel
from scrm.channels.network_facts import WEBHOOK

CHANNEL = Channel(
    kind="webhook",
    label=WEBHOOK.label,
    icon=WEBHOOK.icon,
    hears=_("what survey tools, forms, call systems and other tools send"),
    is_pushed=True,
)
