from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from routing.clock import DAY_MINUTES, Interval

register = template.Library()
_HEIGHT = 26


@register.simple_tag
def week_bar(intervals: tuple[Interval, ...]) -> SafeString:
    """Draw the hours of a day; `static/js/hours.js` draws them again while they are dragged."""
    parts = [
        (start, (end if end > start else DAY_MINUTES) - start, _HEIGHT) for start, end in intervals
    ]
    blocks = format_html_join(
        "", '<rect class="open" x="{}" width="{}" y="0" height="{}"></rect>', parts
    )
    return format_html(
        '<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>",
        DAY_MINUTES,
        _HEIGHT,
        blocks,
    )
