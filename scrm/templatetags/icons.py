from __future__ import annotations

from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Render an icon of static/icons.svg.

    The icon is hidden from screen readers, so add a visible label.
    """
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


_VISIBILITY_ICONS = {"private": "lock", "public": "globe"}


@register.simple_tag
def visibility_icon(visibility: str) -> SafeString:
    """Render the icon that says who can see a text."""
    return icon(_VISIBILITY_ICONS[visibility])
