from __future__ import annotations

from typing import Any, NamedTuple

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from routing.case_verb import CaseVerb, Text
from routing.forms import BulkForm, CaseVerbForm, InboxForm
from routing.inbox.people import value_of
from routing.inbox.rows import reach_words

register = template.Library()
register.filter("reach", reach_words)
register.filter("person_value", value_of)


@register.filter
def at(facts: dict[Any, Any], key: Any) -> Any:
    """Return `facts.get(key)`. Django templates cannot look up a key that is in a variable."""
    return facts.get(key)


@register.simple_tag(takes_context=True)
def case_rows(context: dict[str, Any]) -> SafeString:
    """Render the rows of a list of cases.

    A page has fifty rows. Jinja renders them, because it is faster than Django's templates.
    """
    shown = {
        "rows": context["rows"],
        "query": context.get("query", ""),
        # Call reverse() once here instead of once for each row.
        "cases": reverse("routing:case", args=[0]).removesuffix("0/"),
        "current": context.get("current"),
        "departments": context.get("departments", False),
        "oob": context.get("oob", False),
    }
    html = render_to_string("routing/rows.jinja", shown, using="jinja")
    return mark_safe(html)  # noqa: S308 - Jinja escaped it


@register.simple_tag
def filter_fields(form: InboxForm) -> SafeString:
    """Render the filter fields of the inbox.

    The fields have hundreds of options. Jinja renders them, because it is faster than Django's
    templates.
    """
    html = render_to_string("routing/filters.jinja", {"fields": form.shown()}, using="jinja")
    return mark_safe(html)  # noqa: S308 - Jinja escaped it


class ShownVerb(NamedTuple):
    """An action on the case page, with the text of its button and its form.

    If the user submitted the form with an error, the form contains the user's input.
    """

    verb: CaseVerb
    button: Text
    form: CaseVerbForm


@register.simple_tag(takes_context=True)
def verbs_at(context: dict[str, Any], place: str) -> list[ShownVerb]:
    """Return the actions that the case page offers at `place`."""
    case, user, bound = context["case"], context["user"], context.get("bound", {})
    return [
        ShownVerb(verb, verb.button_on(case), bound.get(verb.name) or verb.form_for(case, user))
        for verb in context["case_verbs"].values()
        if verb.place == place and verb.applies(case, user)
    ]


@register.simple_tag(takes_context=True)
def verb_named(context: dict[str, Any], name: str) -> ShownVerb:
    """Return one action, for a template that has its own place for it."""
    verb, case = context["case_verbs"][name], context["case"]
    form = context.get("bound", {}).get(name) or verb.form_for(case, context["user"])
    return ShownVerb(verb, verb.button_on(case), form)


@register.simple_tag(takes_context=True)
def bulk_verbs(context: dict[str, Any]) -> list[tuple[CaseVerb, BulkForm]]:
    """Return the actions of the bulk bar, each with its form.

    The key of an action with fields leads to its first field.
    """
    user, colleagues = context["user"], context["listing"].form.colleagues
    shown = []
    for verb in context["case_verbs"].values():
        if not verb.bulk:
            continue
        form = verb.bulk.form(by=user, colleagues=colleagues)
        for field in list(form.fields.values())[:1]:
            field.widget.attrs["data-bulk-key"] = verb.key
        shown.append((verb, form))
    return shown
