from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from routing.clock import DAY_MINUTES, Interval

register = template.Library()
_HEIGHT = 26


@register.simple_tag
def week_bar(intervals: tuple[Interval, ...], rest: int = 0) -> SafeString:
    """Draw the hours of a day; `static/js/hours.js` draws them again while they are dragged.

    rest: the minute at which a shift of the day before ends; 0 if there is none.
    """
    parts = [
        (start, (end if end > start else DAY_MINUTES) - start, _HEIGHT) for start, end in intervals
    ]
    blocks = format_html_join(
        "", '<rect class="open" x="{}" width="{}" y="0" height="{}"></rect>', parts
    )
    if rest:
        night = '<rect class="rest" x="0" width="{}" y="0" height="{}"></rect>{}'
        blocks = format_html(night, rest, _HEIGHT, blocks)
    return format_html(
        '<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>",
        DAY_MINUTES,
        _HEIGHT,
        blocks,
    )
