"""The logins that were created at the first start, stored in a file for the operator.

The file is in the directory of the workspace's data. A login is shown only while the user still has
the generated password.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from crm.models import User

_SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vo", "zi")


@dataclass(frozen=True, slots=True)
class Login:
    role: str
    email: str
    password: str


def new_password() -> str:
    """Return a random password of three words with four syllables each, such as "kubasame-…".

    It has 45 bits of entropy and is easy to type.
    """
    words = ("".join(secrets.choice(_SYLLABLES) for _ in range(4)) for _ in range(3))
    return "-".join(words)


def keep(logins: Iterable[Login]) -> None:
    """Write the logins, each with its password hash, to a file that only its owner can read."""
    hashes = dict(User.objects.values_list("email", "password"))
    kept = [asdict(login) | {"hash": hashes.get(login.email, "")} for login in logins]
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    # Created with these permissions, because others could read the file before a later chmod.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(kept, file, indent=1)


def kept() -> list[Login]:
    """Return the stored logins of active users who have not changed their password."""
    try:
        rows = json.loads(_path().read_text())
    except FileNotFoundError:
        return []
    now = dict(User.objects.active().values_list("email", "password"))
    hashes = [(row.pop("hash"), Login(**row)) for row in rows]
    return [login for hash, login in hashes if hash and now.get(login.email) == hash]


def forget() -> None:
    """Delete the file with the logins."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Path(settings.MEDIA_ROOT).parent / "logins.json"
