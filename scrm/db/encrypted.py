"""A JSON field that is encrypted, and short signatures of texts. The keys can be replaced."""

from __future__ import annotations

import hmac
import json
from functools import lru_cache
from hmac import compare_digest
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(value: Any) -> str:
    """Encrypt a JSON value with the newest key, and return the Fernet token."""
    return _ring(tuple(settings.SECRETS_KEYS)).encrypt(json.dumps(value).encode()).decode()


def unseal(token: str) -> Any:
    """Decrypt a Fernet token, and return the JSON value. Raises ValueError if no key fits."""
    try:
        return json.loads(_ring(tuple(settings.SECRETS_KEYS)).decrypt(token.encode()))
    except InvalidToken as error:
        raise ValueError("No key in SCRM_SECRETS_KEYS opens this secret.") from error


def stamp(text: str) -> str:
    """Return a short signature of `text`, made with the newest key."""
    return _mark(settings.SECRETS_KEYS[0], text)


def is_stamp(text: str, mark: str) -> bool:
    """Return whether `mark` is a signature of `text` that was made with one of our keys."""
    # compare_digest, because the time that an ordinary comparison takes would reveal the mark.
    return any(compare_digest(_mark(key, text), mark) for key in settings.SECRETS_KEYS)


def _mark(key: str, text: str) -> str:
    return hmac.new(key.encode(), b"stamp " + text.encode(), "sha256").hexdigest()[:16]


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A field that stores a dict as an encrypted Fernet token."""

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else unseal(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else seal(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
