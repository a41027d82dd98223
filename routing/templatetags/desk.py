from __future__ import annotations

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from routing.forms import InboxForm
from routing.inbox.rows import reach_words

register = template.Library()
register.filter("reach", reach_words)


@register.filter
def at(facts: dict[Any, Any], key: Any) -> Any:
    """Return `facts[key]`, or None: templates cannot look up a key that is a variable."""
    return facts.get(key)


@register.simple_tag(takes_context=True)
def case_rows(context: dict[str, Any]) -> SafeString:
    """Render the rows of a case list with Jinja, which is faster: a page shows fifty of them."""
    shown = {
        "rows": context["rows"],
        "query": context.get("query", ""),
        "cases": reverse("routing:case", args=[0]).removesuffix("0/"),  # reversed once, not per row
        "current": context.get("current"),
        "departments": context.get("departments", False),
        "oob": context.get("oob", False),
    }
    html = render_to_string("routing/rows.jinja", shown, using="jinja")
    return mark_safe(html)  # noqa: S308 - Jinja escaped it


@register.simple_tag
def filter_fields(form: InboxForm) -> SafeString:
    """Render the filter fields with Jinja, which is faster: they hold some hundred options."""
    html = render_to_string("routing/filters.jinja", {"fields": form.shown()}, using="jinja")
    return mark_safe(html)  # noqa: S308 - Jinja escaped it
