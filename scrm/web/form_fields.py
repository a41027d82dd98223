"""Set the options of a form field at run time, and read the errors of a form.

Django's type hints treat all `form.fields` as plain fields, so these functions check the kind of a
field at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet

Choices = Iterable[Any] | Callable[[], Iterable[Any]]


def set_queryset(form: forms.BaseForm, name: str, rows: QuerySet[Any]) -> None:
    """Set the rows that a field offers. Raises TypeError if the field does not choose a row."""
    _field(form, name, forms.ModelChoiceField).queryset = rows


def set_empty_label(form: forms.BaseForm, name: str, label: Any) -> None:
    """Set the label of the empty option; None removes the option."""
    _field(form, name, forms.ModelChoiceField).empty_label = label


def set_choices(form: forms.BaseForm, name: str, choices: Choices) -> None:
    """Set the choices of a field: pairs of value and label, or a function that returns them."""
    _field(form, name, forms.ChoiceField).choices = choices


def first_error(form: forms.BaseForm) -> str:
    """Return the first error of an invalid form, to be shown outside of the form's fields."""
    return str(next(iter(form.errors.values()))[0])


def _field(form: forms.BaseForm, name: str, kind: type[Any]) -> Any:
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return field
