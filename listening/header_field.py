"""The form field for the HTTP headers of a source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MAX_HEADERS = 10
_HIDDEN = "••••"
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_VALUE = re.compile(r"[\x20-\x7e]{1,2000}")
_OURS = {
    "accept-encoding", "connection", "content-length", "expect", "host", "if-modified-since",
    "if-none-match", "keep-alive", "range", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
"""Headers that scrm sets itself, or that would change how a connection is read."""


class HeadersField(forms.CharField):
    """Lines such as “X-Api-Key: secret”; cleaned to a dict. Stored values are shown as dots."""

    def __init__(self, *, stored: Mapping[str, str], **kwargs: Any) -> None:
        self.stored = stored
        super().__init__(
            label=_("Request headers"),
            required=False,
            max_length=10_000,
            initial="\n".join(f"{name}: {_HIDDEN}" for name in stored),
            widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
            help_text=_(
                "One per line, such as “Authorization: Bearer …”. Values are stored encrypted and "
                "never shown again; a line with dots keeps the stored value."
            ),
            **kwargs,
        )

    def clean(self, value: Any) -> dict[str, str]:
        lines = [line.strip() for line in super().clean(value).splitlines() if line.strip()]
        if len(lines) > MAX_HEADERS:
            raise ValidationError(_("At most %d headers are possible.") % MAX_HEADERS)
        return dict(self._header(line) for line in lines)

    def _header(self, line: str) -> tuple[str, str]:
        name, _colon, value = (part.strip() for part in line.partition(":"))
        if value == _HIDDEN and name in self.stored:
            return name, self.stored[name]
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValidationError(_("“%s” is not a header such as “Name: value”.") % line[:80])
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise ValidationError(_("scrm sets the header “%s” itself.") % name)
        return name, value
