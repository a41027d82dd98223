"""A complete mail system on loopback: Dovecot and Postfix in their own directory.

    with MailSystem() as mail:
        mail.deliver("jo@customers.test", "care@skyward.test", "Subject: …")
        mail.box("jo@customers.test").letters()

The programs come from the Linux distribution, but no configuration of this machine is read. No mail
can leave the machine, because Postfix refuses all domains except customers.test and skyward.test.
At the end, exactly the processes that were started here are ended.
"""

from __future__ import annotations

import imaplib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "a secret of the mailbox"
OURS, THEIRS = "skyward.test", "customers.test"
USERS = (f"care@{OURS}", f"sales@{OURS}", f"jo@{THEIRS}", f"kim@{THEIRS}")
MASTER = Path("/usr/lib/postfix/sbin/master")
NOBODY = 65534


def missing() -> str:
    """Return the reason why no mail system can run here, or "" if it can run."""
    if os.geteuid() != 0:
        return "Dovecot and Postfix are started as root"
    lacking = [name for name in ("dovecot", "postfix") if not shutil.which(name)]
    return f"{', '.join(lacking)} not installed: make test-real does that" if lacking else ""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class MailSystem:
    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="scrm-mail-", dir="/tmp"))
        self.place.chmod(0o755)
        names = ("imap", "imaps", "lmtp", "auth", "smtp", "smtps")
        self.ports = {name: free_port() for name in names}
        self.children: list[subprocess.Popen[bytes]] = []
        self.refused: dict[str, str] | None = None

    def __enter__(self) -> MailSystem:
        try:
            certify(self.place / "tls")
            self._dovecot()
            self._postfix()
            for name in self.ports:
                self._answers(self.ports[name])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            for log in sorted(self.place.glob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-40:], sep="\n")
        self.stop()

    def stop(self) -> None:
        for child in reversed(self.children):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children.clear()
        shutil.rmtree(self.place, ignore_errors=True)

    def _start(self, *command: str) -> None:
        with (self.place / "out.log").open("ab") as out:
            self.children.append(
                subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
            )

    def _answers(self, port: int) -> None:
        until = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert time.monotonic() < until, f"nothing answers at {port}"
                time.sleep(0.05)

    def _dovecot(self) -> None:
        place, ports = self.place, self.ports
        (place / "mail").mkdir()
        os.chown(place / "mail", NOBODY, NOBODY)
        users = (
            f"{user}:{{PLAIN}}{PASSWORD}:{NOBODY}:{NOBODY}::{place}/mail/{user}" for user in USERS
        )
        (place / "users").write_text("\n".join(users) + "\n")
        (place / "users").chmod(0o644)
        (place / "dovecot.conf").write_text(DOVECOT.format(place=place, nobody=NOBODY, **ports))
        self._start("dovecot", "-F", "-c", str(place / "dovecot.conf"))

    def _postfix(self) -> None:
        place = self.place
        config = place / "postfix"
        for name in ("postfix", "queue", "data"):
            (place / name).mkdir()
        shutil.chown(place / "data", "postfix", "postfix")
        (config / "main.cf").write_text(
            MAIN.format(place=place, ours=OURS, theirs=THEIRS, **self.ports)
        )
        (config / "master.cf").write_text(MASTER_CF.format(**self.ports))
        self.refuse({})
        self._postfix_do("check")
        self._start(str(MASTER), "-d", "-c", str(config))

    def _postfix_do(self, verb: str) -> None:
        command = ["postfix", "-c", str(self.place / "postfix"), verb]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def refuse(self, answers: dict[str, str]) -> None:
        """Make Postfix refuse mail for these addresses with the given SMTP replies."""
        if answers == self.refused:
            return
        self.refused = answers
        lines = (f"{address} {answer}\n" for address, answer in answers.items())
        (self.place / "postfix" / "refused").write_text("".join(lines))
        if self.children[1:]:
            self._postfix_do("reload")
            time.sleep(0.5)

    def empty(self) -> None:
        """Empty all mailboxes, and let Postfix accept mail for all its addresses again."""
        self.refuse({})
        for user in USERS:
            with Box(self, user)._open(readonly=False) as imap:
                imap.uid("STORE", "1:*", "+FLAGS.SILENT", "(\\Deleted)")
                imap.expunge()

    # What people do

    def deliver(self, sender: str, to: str, letter: EmailMessage | bytes | str) -> None:
        """Put a mail unchanged into a mailbox, by LMTP."""
        content = (
            letter.as_bytes(policy=policy.SMTP) if isinstance(letter, EmailMessage) else letter
        )
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as lmtp:
            lmtp.sendmail(sender, [to], content)

    def send(self, sender: str, to: str, letter: EmailMessage) -> None:
        """Send a mail through Postfix, as the owner of the mailbox `sender` does."""
        with smtplib.SMTP("127.0.0.1", self.ports["smtp"]) as smtp:
            smtp.login(sender, PASSWORD)
            smtp.sendmail(sender, [to], letter.as_bytes(policy=policy.SMTP))

    def box(self, user: str) -> Box:
        return Box(self, user)

    def config(self, **facts: Any) -> dict[str, Any]:
        """Return the settings of the account care@skyward.test, for unencrypted connections.

        The keyword arguments replace single settings.
        """
        return {
            "imap_host": "127.0.0.1", "imap_port": self.ports["imap"], "imap_security": "none",
            "smtp_host": "127.0.0.1", "smtp_port": self.ports["smtp"], "smtp_security": "none",
            "user": f"care@{OURS}", "name": "Skyward Care", "signature": "Skyward Care\nWe care.",
        } | facts  # fmt: skip


class Box:
    """A mailbox, as its owner sees it by IMAP."""

    def __init__(self, system: MailSystem, user: str) -> None:
        self.system, self.user = system, user
        self.path = system.place / "mail" / user

    def letters(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw()]  # type: ignore[misc]

    def raw(self) -> list[bytes]:
        with self._open() as imap:
            _, found = imap.uid("SEARCH", "ALL")
            return [
                _bytes(imap.uid("FETCH", uid.decode(), "(BODY.PEEK[])")) for uid in found[0].split()
            ]

    def flags(self) -> list[bytes]:
        with self._open() as imap:
            _, found = imap.uid("FETCH", "1:*", "(FLAGS)")
            return [line for line in found if line]

    def wait(self, count: int, *, within: float = 15) -> list[EmailMessage]:
        until = time.monotonic() + within
        while len(found := self.letters()) < count:
            assert time.monotonic() < until, f"{self.user} has {len(found)} letters, not {count}"
            time.sleep(0.1)
        return found

    def append(self, folder: str, raw: bytes) -> None:
        with self._open() as imap:
            imap.append(folder, "", "", raw)

    def move(self, number: int, folder: str) -> None:
        """Move a mail to a folder, which is created. number: its place in the inbox, from 1."""
        with self._open(readonly=False) as imap:
            imap.create(folder)
            imap.copy(str(number), folder)
            imap.store(str(number), "+FLAGS", "\\Deleted")
            imap.expunge()

    def empty(self) -> None:
        """Delete all mails of the inbox."""
        with self._open(readonly=False) as imap:
            imap.store("1:*", "+FLAGS", "\\Deleted")
            imap.expunge()

    def begin_anew(self) -> None:
        """Give the mails of the mailbox new UIDs, so that UIDVALIDITY changes.

        The mails themselves are kept; only the index files of Dovecot are deleted.
        """
        for name in (
            "dovecot-uidlist",
            "dovecot.index",
            "dovecot.index.log",
            "dovecot.index.cache",
        ):
            (self.path / "Maildir" / name).unlink(missing_ok=True)
        time.sleep(1.1)

    def _open(self, *, readonly: bool = True) -> imaplib.IMAP4:
        imap = imaplib.IMAP4("127.0.0.1", self.system.ports["imap"])
        imap.login(self.user, PASSWORD)
        imap.select("INBOX", readonly=readonly)
        return imap


def _bytes(answer: Any) -> bytes:
    return next(part[1] for part in answer[1] if isinstance(part, tuple))


def letter(sender: str, to: str, subject: str, text: str, **headers: str) -> EmailMessage:
    """Return an ordinary mail.

    headers: further headers; an underscore in a name stands for a hyphen.
    """
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = datetime.now(UTC)
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    if "Message-ID" not in message:
        message["Message-ID"] = f"<{os.urandom(8).hex()}@{THEIRS}>"
    message.set_content(text)
    return message


def certify(place: Path, *, host: str = "localhost", days: int = 30) -> tuple[Path, Path]:
    """Create a self-signed certificate that is valid for `days` days.

    Returns the paths of the certificate and of its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = place.with_suffix(".crt"), place.with_suffix(".key")
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def eventually(check: Callable[[], Any], *, within: float = 15) -> Any:
    until = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < until, f"still {answer!r}"
        time.sleep(0.1)
    return answer


DOVECOT = """
base_dir = {place}/run
state_dir = {place}/state
log_path = {place}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{place}/tls.crt
ssl_key = <{place}/tls.key
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {place}/users
}}
userdb {{
  driver = passwd-file
  args = {place}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {auth}
  }}
}}
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/postfix.log
maillog_file_prefixes = {place}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{ours}
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {ours}, {theirs}
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = error:nothing leaves this machine
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {place}/tls.crt
smtpd_tls_key_file = {place}/tls.key
smtpd_recipient_restrictions = check_recipient_access texthash:{place}/postfix/refused,
  permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_rate_limit = 0
message_size_limit = 40000000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
minimal_backoff_time = 5s
"""

MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
