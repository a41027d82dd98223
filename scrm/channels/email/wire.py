"""IMAP and SMTP connections with a time limit.

`scrm.net.http` opens the connections and checks the addresses of the servers.
"""

from __future__ import annotations

import imaplib
import io
import smtplib
import socket
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from imap_tools import BaseMailBox
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.email.people import domain_of
from scrm.net import http
from scrm.text.decode import decode

Security = Literal["tls", "starttls", "none"]
Side = Literal["imap", "smtp"]
Field = Literal["host", "security", "user", "password", "folder", ""]
MAX_BYTES = 128 * http.MEGABYTE
"""The bytes that one fetch may read, including headers and answers."""
_MAX_LINE = 1_000_000


class MailError(ChannelError):
    """An error of a mail server.

    at: the setting that the error concerns, for example "host" or "password"; "" if it is unknown.
    """

    def __init__(self, message: str, at: Field = "", *, permanent: bool = False) -> None:
        super().__init__(message, permanent=permanent)
        self.at: Field = at


class LineTooLong(imaplib.IMAP4.error):
    """Raised if a server sends an endless line. The connection cannot be used any more."""


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    security: Security
    user: str
    password: str
    domain: str
    """Our own domain, for the greeting."""


def server(credentials: Credentials, side: Side) -> Server:
    config = credentials.config
    return Server(
        host=str(config.get(f"{side}_host", "")),
        port=int(config.get(f"{side}_port", 0)),
        security=config.get(f"{side}_security", "tls"),
        user=str(config.get("user", "")),
        password=str(credentials.secrets.get("password", "")),
        domain=domain_of(credentials.address),
    )


def _connect(server: Server, until: float) -> socket.socket:
    """Open a connection. With the security setting TLS, all traffic is encrypted from the start."""
    try:
        sock = http.connect(server.host, server.port, timeout=max(until - time.monotonic(), 0.01))
        # Check this after the connection is open, when the address of the server is known.
        if server.security == "none" and not ip_address(sock.getpeername()[0]).is_loopback:
            sock.close()
            message = f"Encryption is required, because {server.host} is not on this machine."
            raise MailError(message, "security", permanent=True)
        return http.secure(sock, server.host) if server.security == "tls" else sock
    except http.HttpError as error:
        at: Field = "security" if error.kind == "tls" else "host"
        raise MailError(error.message, at) from error


class _Imap(imaplib.IMAP4):
    """IMAP over a connection to a checked address, with limits of time and of bytes read."""

    def __init__(self, server: Server, until: float) -> None:
        self.server, self.until = server, until
        super().__init__(server.host, server.port)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        self.host, self.port = host, port
        self.sock = _connect(self.server, self.until)
        self._listen()

    def _listen(self) -> None:
        self._answers: io.BufferedReader = http.stream(
            self.sock, self.server.host, until=self.until, max_bytes=MAX_BYTES
        )

    def read(self, size: int) -> bytes:
        return self._answers.read(size)

    def readline(self) -> bytes:
        line = self._answers.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise LineTooLong(f"{self.server.host} sent a line of more than {_MAX_LINE} bytes.")
        return line

    def shutdown(self) -> None:
        self.sock.close()

    def encrypt(self) -> None:
        """Start TLS. Earlier answers are forgotten, because an attacker could have sent them."""
        status, _ = self._simple_command("STARTTLS")  # type: ignore[attr-defined]
        if status != "OK":
            raise MailError(f"{self.server.host} does not offer STARTTLS on this port.", "security")
        self.sock = http.secure(self.sock, self.server.host)
        # A new buffer, because plaintext that an attacker sent earlier must not count as encrypted.
        self._listen()
        self._get_capabilities()  # type: ignore[attr-defined]


class Mailbox(BaseMailBox):
    def __init__(self, server: Server, until: float) -> None:
        self.server, self.until = server, until
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        client = _Imap(self.server, self.until)
        if self.server.security == "starttls":
            client.encrypt()
        return client

    def enter(self) -> None:
        user, password = self.server.user, self.server.password
        if "LOGINDISABLED" in self.client.capabilities:
            message = f"{self.server.host} does not accept a password without encryption."
            raise MailError(message, "security", permanent=True)
        login = self.login if (user + password).isascii() else self.login_utf8
        login(user, password, initial_folder=None)


@contextmanager
def mailbox(credentials: Credentials, *, until: float, folder: str = "") -> Iterator[Mailbox]:
    """Log in to a mailbox. If `folder` is not "", open this folder read-only."""
    where = server(credentials, "imap")
    with _imap_errors(where):
        box = Mailbox(where, until)
        try:
            box.enter()
            if folder:
                # Read-only, because opening a folder otherwise changes the state of its mails.
                box.folder.set(folder, readonly=True)
            yield box
        finally:
            _leave(box)


def validity_of(box: Mailbox, folder: str) -> int:
    """Return the UIDVALIDITY of the folder that was opened last."""
    _, answer = box.client.response("UIDVALIDITY")
    if answer and isinstance(answer[0], bytes) and answer[0].isdigit():
        return int(answer[0])
    return int(box.folder.status(folder, ["UIDVALIDITY"])["UIDVALIDITY"])


def _leave(box: Mailbox) -> None:
    try:
        box.logout()
    except (ImapToolsError, imaplib.IMAP4.error, http.HttpError, OSError):
        box.client.shutdown()


def can_open(flags: Iterable[str]) -> bool:
    """Return whether a folder can be opened, by its LIST attributes (RFC 3501, RFC 5258)."""
    return not {flag.lower() for flag in flags} & {"\\noselect", "\\nonexistent"}


@contextmanager
def _imap_errors(where: Server) -> Iterator[None]:
    """Turn every IMAP or network error into a MailError with a message."""
    try:
        yield
    except MailboxLoginError as error:
        raise _refused(where, _server_message(error)) from error
    except MailboxFolderSelectError as error:
        message = f"{where.host} does not have this folder: {_server_message(error)}"
        raise MailError(message, "folder", permanent=True) from error
    except http.HttpError as error:
        raise MailError(error.message, "security" if error.kind == "tls" else "host") from error
    except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
        reason = f"{where.host} closed the connection: {str(error)[:300]}"
        raise MailError(reason, "host") from error


def _refused(where: Server, reason: str) -> MailError:
    """Return the error of a failed login.

    The error is permanent, unless the server says that it rejects logins only for a while.
    """
    if "UNAVAILABLE" in reason.upper() or "LIMIT" in reason.upper():
        return MailError(f"{where.host} rejects logins at the moment: {reason}", "host")
    message = f"{where.host} does not accept this user name and password: {reason}"
    return MailError(message, "password", permanent=True)


def _server_message(error: ImapToolsError) -> str:
    """Return the message that the server sent."""
    words = getattr(error, "command_result", ("", [b""]))[1]
    lines = [decode(line).text for line in words if isinstance(line, bytes)]
    return " ".join(lines)[:300] or "no reason given."


class Smtp(smtplib.SMTP):
    """SMTP over a connection to a checked address, with a time limit."""

    def __init__(self, server: Server, until: float) -> None:
        self.server, self.until = server, until
        super().__init__(local_hostname=server.domain)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        return _connect(self.server, self.until)

    def getreply(self) -> tuple[int, bytes]:
        # Set our stream before smtplib opens its own, which has no time limit and no byte limit.
        if self.file is None and self.sock:
            self.file = http.stream(
                self.sock, self.server.host, until=self.until, max_bytes=http.MEGABYTE
            )
        if self.sock:  # the new limit is for the next command
            self.sock.settimeout(max(self.until - time.monotonic(), 0.01))
        return super().getreply()

    def enter(self) -> None:
        """Connect to the server, start encryption and log in. Raises MailError."""
        where = self.server
        code, words = self.connect(where.host, where.port)
        if code != 220:
            reason = f"{where.host} refuses the connection for now: {answer_text(code, words)}"
            raise MailError(reason, "host")
        self.ehlo_or_helo_if_needed()
        if where.security == "starttls":
            self._encrypt()
        if self.has_extn("auth"):
            self._log_in()
        elif where.security != "none":
            raise MailError(f"{where.host} offers no way to log in.", "security", permanent=True)

    def _encrypt(self) -> None:
        code, words = self.docmd("STARTTLS")
        if code != 220 or self.sock is None:
            message = f"{self.server.host} does not offer STARTTLS: {answer_text(code, words)}"
            raise MailError(message, "security")
        self.sock = http.secure(self.sock, self.server.host)
        # Forget the answers from before TLS, because an attacker could have sent them.
        self.file = self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False
        self.ehlo_or_helo_if_needed()

    def _log_in(self) -> None:
        """Log in by the method PLAIN, or let smtplib choose the method if PLAIN is not offered.

        If PLAIN fails, no other method is tried, because servers count failed attempts and delay
        further ones.
        """
        user, password = self.server.user, self.server.password
        if "PLAIN" not in self.esmtp_features["auth"].upper().split():
            self.login(user, password)
            return
        plain = b64encode(f"\0{user}\0{password}".encode()).decode()
        code, words = self.docmd("AUTH", f"PLAIN {plain}")
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, words)


@contextmanager
def outbox(credentials: Credentials, *, until: float) -> Iterator[Smtp]:
    """Connect to the SMTP server and log in. The connection is closed at the end."""
    where = server(credentials, "smtp")
    smtp = Smtp(where, until)
    try:
        with _smtp_errors(where):
            smtp.enter()
        yield smtp
    finally:
        try:
            smtp.quit()
        except (smtplib.SMTPException, http.HttpError, OSError):
            smtp.close()


@contextmanager
def _smtp_errors(where: Server) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        reason = answer_text(error.smtp_code, error.smtp_error)
        if error.smtp_code < 500:
            raise MailError(
                f"{where.host} rejects logins at the moment: {reason}", "host"
            ) from error
        message = f"{where.host} does not accept this user name and password: {reason}"
        raise MailError(message, "password", permanent=True) from error
    except http.HttpError as error:
        raise MailError(error.message, "security" if error.kind == "tls" else "host") from error
    except (smtplib.SMTPException, OSError) as error:
        reason = f"{where.host} closed the connection: {str(error)[:300]}"
        raise MailError(reason, "host") from error


def answer_text(code: int, words: bytes | str) -> str:
    """Return a server's answer on one line."""
    text = decode(words).text if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"[:400]


def check(credentials: Credentials, *, seconds: float = 15.0) -> dict[Side, MailError]:
    """Log in to the IMAP and the SMTP server; return an error for each server that fails."""
    errors: dict[Side, MailError] = {}
    try:
        with mailbox(credentials, until=time.monotonic() + seconds, folder="INBOX"):
            pass
    except MailError as error:
        errors["imap"] = error
    try:
        with outbox(credentials, until=time.monotonic() + seconds):
            pass
    except MailError as error:
        errors["smtp"] = error
    return errors
