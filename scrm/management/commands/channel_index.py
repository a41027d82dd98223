"""Print the index of the channels as Markdown, for docs/channels/README.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from scrm.channels.overview import overviews

HEAD = """# Channels

This list is made from the registry of the channels with
`python manage.py channel_index > docs/channels/README.md`.

Staff log calls and letters themselves: [Telephone](phone.md), [Letters](letter.md).

| channel | receives | sends | costs |
|---|---|---|---|
"""


def index() -> str:
    """Return the index as Markdown."""
    rows = (
        f"| [{row.label}]({row.kind}.md) | {row.hears} | {row.says} | {row.costs} |\n"
        for row in overviews()
    )
    return HEAD + "".join(rows)


class Command(BaseCommand):
    help = "Print the index of the channels as Markdown."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(index(), ending="")
