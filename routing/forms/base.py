from __future__ import annotations

from typing import Any

from django import forms


class PlainForm(forms.Form):
    """Form without colons after labels, and with ids that are unique if forms share a page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        kwargs.setdefault("auto_id", f"{type(self).__name__.lower()}_%s")
        super().__init__(*args, **kwargs)
