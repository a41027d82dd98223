"""Make a function fail for one text, as an unknown error in it would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def failing(function: Callable[..., Any], text: str, error: type[Exception]) -> Callable[..., Any]:
    """Return the function; it raises `error` if its first argument contains `text`."""

    def checked(value: Any, *args: Any, **options: Any) -> Any:
        if text in str(value):
            raise error(text)
        return function(value, *args, **options)

    return checked
