"""Convert frozen dataclasses to JSON and bytes, and back.

The types of all fields are checked on the way back, so a parser process can only answer with values
of the types that the caller expects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any, blobs: list[bytes]) -> Any:
    """Return a value that JSON can represent. Bytes are added to `blobs`, and referred to by index.

    value: a dataclass, mapping, tuple, list, datetime, bytes, or a value of JSON.
    """
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name), blobs) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(inner, blobs) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(inner, blobs) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        blobs.append(value)
        return len(blobs) - 1
    return value


def from_plain(kind: type[T], plain: Any, blobs: Sequence[bytes]) -> T:
    """Return the value of the type `kind` that `to_plain` converted.

    Raises ValueError or TypeError if the type of any part is another one.
    """
    found: T = _value(kind, plain, blobs)
    return found


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, plain: Any, blobs: Sequence[bytes]) -> Any:
    origin = get_origin(kind)
    if origin is UnionType:
        return _optional(get_args(kind), plain, blobs)
    if origin is tuple:
        inner = get_args(kind)[0]
        return tuple(_value(inner, item, blobs) for item in _checked(plain, list))
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(kind)[1]
        return {key: _value(inner, item, blobs) for key, item in _checked(plain, dict).items()}
    if isinstance(kind, type) and is_dataclass(kind):
        given = _checked(plain, dict)
        types = _types(kind)
        return kind(**{name: _value(types[name], given[name], blobs) for name in types})
    if kind is datetime:
        return datetime.fromisoformat(_checked(plain, str))
    if kind is bytes:
        return blobs[_checked(plain, int)]
    return _checked(plain, kind)


def _optional(kinds: tuple[Any, ...], plain: Any, blobs: Sequence[bytes]) -> Any:
    """Return a value whose type is the first of `kinds`, or None."""
    kind, nothing = kinds
    assert nothing is NoneType
    return None if plain is None else _value(kind, plain, blobs)


def _checked(value: Any, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value
