"""The e-mail channel. It reads one of our mailboxes by IMAP and sends mails by SMTP."""

from django.utils.translation import gettext_lazy as _

from scrm.channels.channel import Channel
from scrm.channels.email.connect import CONNECTOR
from scrm.channels.email.file_fetch import fetch_file
from scrm.channels.email.listen import MailListener
from scrm.channels.email.speak import MailSpeaker
from scrm.channels.network_facts import EMAIL
from scrm.web.upload_limits import MAX_FILE_BYTES

CHANNEL = Channel(
    kind="email",
    hears=_("every mail to the address"),
    says=_("mail to one person, with copies"),
    label=EMAIL.label,
    icon=EMAIL.icon,
    listener=MailListener(),
    speaker=MailSpeaker(),
    connector=CONNECTOR,
    visibilities=EMAIL.visibilities,
    joins_within=EMAIL.joins_within,
    reopens_within=EMAIL.reopens_within,
    copies=True,
    carries=MAX_FILE_BYTES,
    fetch_file=fetch_file,
)
