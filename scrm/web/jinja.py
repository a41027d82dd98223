"""The Jinja2 environment, for parts of pages that are rendered too often for Django's templates.

Jinja2 renders faster than Django's templates.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext, ngettext
from jinja2 import Environment

from scrm.templatetags.icons import icon


def environment(**options: Any) -> Environment:
    made = Environment(**options)  # noqa: S701 - Django's backend switches autoescape on
    made.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"icon": icon, "url": lambda name, *args: reverse(name, args=args)}
    return made
