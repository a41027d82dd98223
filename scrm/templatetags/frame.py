from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag(takes_context=True)
def nav_items(context: dict[str, Any], items: Iterable[Any]) -> SafeString:
    """Render the navigation items of a page.

    This uses Jinja2, because it is faster and a page has about thirty items.
    """
    at = context.get("at") or context["request"].get_full_path()
    html = render_to_string("nav_items.jinja", {"items": items, "at": at}, using="jinja")
    return mark_safe(html)  # noqa: S308 - Jinja escaped it
