"""Set the options of a form field at run time, and read the errors of a form.

Django's type hints declare all `form.fields` as plain fields. So these functions check at run time
that a field has the right class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet

Choices = Iterable[Any] | Callable[[], Iterable[Any]]


def set_queryset(form: forms.BaseForm, name: str, rows: QuerySet[Any]) -> None:
    """Set the rows that a field offers. Raises TypeError if the field is no ModelChoiceField."""
    _field(form, name, forms.ModelChoiceField).queryset = rows


def set_empty_label(form: forms.BaseForm, name: str, label: Any) -> None:
    """Set the label of the empty option; None removes the option."""
    _field(form, name, forms.ModelChoiceField).empty_label = label


def set_choices(form: forms.BaseForm, name: str, choices: Choices) -> None:
    """Set the choices of a field.

    choices: pairs of value and label, or a function that returns such pairs.
    """
    _field(form, name, forms.ChoiceField).choices = choices


def first_error(form: forms.BaseForm) -> str:
    """Return the first error of an invalid form, for a message outside of the form's fields."""
    return str(next(iter(form.errors.values()))[0])


def _field(form: forms.BaseForm, name: str, kind: type[Any]) -> Any:
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return field
