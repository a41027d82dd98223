from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from scrm.channels import registry
from scrm.templatetags.icons import icon

register = template.Library()


@register.filter
def network_label(network: str) -> str:
    """Return the name of a network on screen, for example “Mastodon · social.example”."""
    kind, _, place = network.partition(":")
    return " · ".join(filter(None, (registry.label(kind), place)))


@register.simple_tag
def network_icon(kind: str) -> SafeString:
    """Render the icon of a channel; nothing if it has none."""
    name = registry.icon(kind)
    return icon(name) if name else SafeString()
