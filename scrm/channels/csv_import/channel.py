"""The channel for mentions that are imported from the CSV export of another listening tool."""

from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel

KIND = "csv"
CHANNEL = Channel(
    kind=KIND,
    label="CSV import",
    icon="upload",
    hears=_("mentions in the export of another listening tool"),
)
