"""Step 1 of adding a source: the form of a preset for a well-known network."""

from __future__ import annotations

from typing import Any

from django import forms

from scrm.channels.feed.presets import PRESETS, Field, Preset, PresetError


class PresetForm(forms.Form):
    """What a preset asks for. `target` is the address of the feed, once the form is valid."""

    kind = "feed"

    def __init__(self, preset: Preset, data: Any = None) -> None:
        super().__init__(data)
        self.network = preset
        self.target = ""
        self.fields["preset"] = forms.ChoiceField(
            choices=[(key, key) for key in PRESETS], initial=preset.key, widget=forms.HiddenInput
        )
        for field in preset.fields:
            self.fields[field.name] = _form_field(field)

    @property
    def address_field(self) -> str:
        """The name of the field that shows why nothing can be fetched at the address."""
        return self.network.fields[0].name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            try:
                self.target = self.network.address(data)
            except PresetError as error:
                self.add_error(error.field, error.message)
        return data


def _form_field(field: Field) -> forms.Field:
    if field.choices:
        return forms.ChoiceField(label=str(field.label), choices=field.choices)
    # The value is kept if another field is refused: it is what this admin has just typed.
    hidden = forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"})
    return forms.CharField(
        label=str(field.label),
        help_text=str(field.help),
        required=field.required,
        max_length=1000,
        widget=hidden if field.is_secret else forms.TextInput,
    )
