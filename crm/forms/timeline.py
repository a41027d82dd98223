"""The form with the filter of a timeline. The query string contains the chosen values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.interaction_kinds import kind_label
from crm.models import Interaction, User
from crm.models.interaction import InteractionQuerySet
from crm.timeline import TimelineOptions
from scrm.channels import registry
from scrm.text.clean import storable
from scrm.web.form_fields import set_choices


class TimelineForm(forms.Form):
    """The filter of a timeline.

    options: the channels and kinds that the user can choose.
    """

    EARLIEST, LATEST = date(1900, 1, 1), date(2999, 12, 31)
    SIDES = (
        ("", _("from anyone")),
        ("them", _("from the contact")),
        ("us", _("from us")),
        ("many", _("posts")),
    )
    TEXTS = (("", _("any text")), ("with", _("with text")), ("without", _("no text")))
    DAY = (MinValueValidator(EARLIEST), MaxValueValidator(LATEST))
    DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    by = forms.ChoiceField(label=_("Direction"), choices=SIDES, required=False)
    channel = forms.ChoiceField(label=_("Channel"), required=False)
    kind = forms.ChoiceField(label=_("Message type"), required=False)
    text = forms.ChoiceField(label=_("Text"), choices=TEXTS, required=False)
    since = forms.DateField(label=_("since"), required=False, widget=DATE, validators=DAY)
    until = forms.DateField(label=_("until"), required=False, widget=DATE, validators=DAY)

    def __init__(self, query: Any, *, options: TimelineOptions) -> None:
        super().__init__(query, label_suffix="")
        # Add the kind of the query string, so that a link to a kind without hits stays valid.
        kinds = sorted((options.kinds | {storable(query.get("kind", ""))[:30]}) - {""})
        channels = [(channel, registry.label(channel)) for channel in sorted(options.channels)]
        set_choices(self, "channel", [("", _("all channels")), *channels])
        set_choices(
            self, "kind", [("", _("all types")), *((kind, kind_label(kind)) for kind in kinds)]
        )
        self.is_valid()  # fills cleaned_data, without the fields that are invalid

    @property
    def narrows(self) -> bool:
        return any(self.cleaned_data.values())

    def among(self, user: User) -> InteractionQuerySet:
        """Return the interactions that the filter selects.

        If the user filters by channel, kind or text, interactions whose text the user may not read
        are left out. Otherwise the result would show facts about these interactions that the page
        hides.
        """
        chosen, rows = self.cleaned_data, Interaction.objects.all()
        for name, filtered in _FILTERS.items():
            if value := chosen.get(name):
                rows = filtered(rows, value)
        if any(chosen.get(name) for name in ("channel", "kind", "text")):
            rows = rows.readable_by(user)
        return rows


def _side(rows: InteractionQuerySet, side: str) -> InteractionQuerySet:
    if side == "them":
        return rows.filter(direction=Interaction.Direction.IN)
    return rows.filter(direction=Interaction.Direction.OUT, profile__isnull=side == "many")


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


_FILTERS: dict[str, Callable[[InteractionQuerySet, Any], InteractionQuerySet]] = {
    "by": _side,
    "channel": lambda rows, kind: rows.filter(channel=kind),
    "kind": lambda rows, kind: rows.filter(kind=kind),
    "text": lambda rows, text: rows.exclude(text="") if text == "with" else rows.filter(text=""),
    "since": lambda rows, day: rows.filter(sort_at__gte=_midnight(day)),
    "until": lambda rows, day: rows.filter(sort_at__lt=_midnight(day + timedelta(days=1))),
}
