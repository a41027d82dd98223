"""Encrypted fields: the database contains secrets only in encrypted form.

Several encryption keys can be configured at the same time, so that a key can be replaced.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from crm.models import Account
from scrm.db.encrypted import EncryptedJSONField, seal, unseal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_is_sealed_comes_back_as_it_was(value: Any) -> None:
    assert unseal(seal(value)) == value


def test_a_seal_shows_nothing_and_is_never_the_same_twice() -> None:
    one, two = seal({"token": "canary"}), seal({"token": "canary"})
    assert "canary" not in one
    assert one != two


def test_a_new_key_opens_what_the_old_one_sealed(settings: Any) -> None:
    settings.SECRETS_KEYS = [OLD]
    before = seal("canary")
    settings.SECRETS_KEYS = [NEW, OLD]
    assert unseal(before) == "canary"
    after = seal("canary")
    settings.SECRETS_KEYS = [NEW]
    assert unseal(after) == "canary"


def test_without_the_right_key_it_says_so(settings: Any) -> None:
    settings.SECRETS_KEYS = [OLD]
    sealed = seal("canary")
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(ValueError, match="No key in SCRM_SECRETS_KEYS opens this secret"):
        unseal(sealed)


def test_what_was_tampered_with_does_not_open() -> None:
    sealed = seal("canary")
    with pytest.raises(ValueError, match="No key"):
        unseal(sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:])


@pytest.mark.django_db
def test_the_database_never_sees_it(microblog: Account) -> None:
    """Guarantee G14 (docs/guarantees.md): the secrets of an account are encrypted in the database.

    Fails if the field is a plain JSON field.
    """
    microblog.secrets = {"token": "canary-4711"}
    microblog.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM crm_account")
        assert "canary" not in cursor.fetchone()[0]
    microblog.refresh_from_db()
    assert microblog.secrets == {"token": "canary-4711"}
    assert microblog.credentials.secrets == {"token": "canary-4711"}


def test_nothing_stays_nothing() -> None:
    field = EncryptedJSONField(null=True)
    assert field.get_prep_value(None) is None
    assert field.from_db_value(None) is None
