"""The limits of uploads. Forms, pages, messages and checks use these constants."""

from __future__ import annotations

_KILOBYTE, _MEGABYTE = 1024, 1024 * 1024

MAX_FILE_BYTES = 25 * _MEGABYTE
"""One uploaded file, and all files of one mail together."""
MAX_FILES = 10
"""Files that are sent with one text."""
MAX_SCANS = 20
"""Scans of one letter."""
MAX_CSV_BYTES, MAX_CSV_ROWS = 10 * _MEGABYTE, 20_000
"""One file of survey answers."""


def size_words(size: int) -> str:
    """Format a limit in bytes as users read it, for example “25 MB”."""
    return f"{size // _KILOBYTE} KB" if size < _MEGABYTE else f"{size // _MEGABYTE} MB"
