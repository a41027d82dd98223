"""Migrations on the main branch are never changed.

The file `tests/migrations.sha256` (the manifest) lists their hashes.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MANIFEST = "tests/migrations.sha256"


def listed() -> dict[str, str]:
    """Return the hash of each migration, by its path, as the manifest lists it."""
    lines = (ROOT / MANIFEST).read_text().splitlines()
    return {path: digest for digest, path in (line.split("  ") for line in lines)}


def test_every_migration_is_as_the_manifest_lists_it() -> None:
    """Every migration is listed with its current hash.

    Fails if a migration is changed, or if a new migration is not listed. After adding a migration,
    run: sha256sum <file> >> tests/migrations.sha256
    """
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for app in ("crm", "listening", "routing", "responses", "scrm")
        for path in (ROOT / app).rglob("migrations/0*.py")
    }
    assert found
    assert found == listed()


def test_no_line_of_the_manifest_was_ever_changed() -> None:
    """No commit has removed or changed a line of the manifest.

    Fails if one commit changes both a migration and its hash.
    """
    history = subprocess.run(
        ["git", "log", "-p", "--format=", "--", MANIFEST],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if history.returncode != 0 or f"+++ b/{MANIFEST}" not in history.stdout:
        pytest.skip("no history here")
    assert re.findall(r"^-[0-9a-f]{64}  .*", history.stdout, re.MULTILINE) == []
