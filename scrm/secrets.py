"""Secrets at rest: a JSON field encrypted under a ring of keys that can be rotated."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(value: Any) -> str:
    """JSON-able `value` → token, under the newest key."""
    return _ring(tuple(settings.SECRETS_KEYS)).encrypt(json.dumps(value).encode()).decode()


def unseal(token: str) -> Any:
    """Token → value. Raises ValueError if no key of the ring fits."""
    try:
        return json.loads(_ring(tuple(settings.SECRETS_KEYS)).decrypt(token.encode()))
    except InvalidToken as error:
        raise ValueError("No key in SCRM_SECRETS_KEYS opens this secret.") from error


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A dict on the instance, a Fernet token in the database."""

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else unseal(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else seal(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
