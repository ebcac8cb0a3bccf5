"""Recipes as JSON and back: nested frozen dataclasses, read by their type annotations. Nothing is executed.

The JSON of a field that is declared as one dataclass is the plain object of its fields. Where several classes are
possible (a source, a model), the object has one more key, "kind": the class's name in `KINDS`. A class may list keys of
older versions in `FORMER_KEYS`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from kinema.core.errors import UsageError, unknown_name
from kinema.recipes.kinds import KINDS

Value = TypeVar("Value")
KIND = "kind"
_WORDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def to_json(value: object) -> Any:
    """JSON data (dicts, lists, numbers, texts) of a recipe or a part. Raises UsageError for a class not in `KINDS`."""
    return _encode(value, type(value))


def from_json(data: Any, made: type[Value], where: str = "recipe") -> Value:
    """The dataclass of JSON data. Raises UsageError, naming the key, where one is unknown, missing or of wrong type."""
    return cast("Value", _decode(data, made, where))


def parse(text: str, hint: Any, where: str) -> Any:
    """A value of the annotated type from typed text: JSON, a word, or numbers separated by commas.

    Raises UsageError where no reading fits.
    """
    readings: list[Any] = []
    if text.lower() in ("none", "null"):
        readings.append(None)
    for candidate in (text, text.lower(), f"[{text}]", json.dumps([part for part in text.split(",") if part])):
        with contextlib.suppress(ValueError):
            readings.append(json.loads(candidate))
    for reading in (*readings, text):
        with contextlib.suppress(UsageError):
            return _decode(reading, hint, where)
    # None fits: the error is that of the reading that was probably meant.
    return _decode(readings[0] if text.startswith(("{", "[")) and readings else text, hint, where)


def differences(first: Any, second: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Where two pieces of JSON data differ: path, value in the first, value in the second (None where absent)."""
    if isinstance(first, dict) and isinstance(second, dict):
        one, other = cast("dict[str, Any]", first), cast("dict[str, Any]", second)
        keys = [*one, *(key for key in other if key not in one)]
        pairs = [(key, one.get(key), other.get(key)) for key in keys]
    elif isinstance(first, list) and isinstance(second, list) and len(cast("list[Any]", first)) == len(second):
        both = zip(cast("list[Any]", first), cast("list[Any]", second), strict=True)
        pairs = [(str(place), one, other) for place, (one, other) in enumerate(both)]
    else:
        return [] if first == second else [(where, first, second)]
    return [found for key, one, other in pairs for found in differences(one, other, f"{where}.{key}".lstrip("."))]


@functools.cache
def field_types(made: type) -> dict[str, Any]:
    """The annotated type of every field of a dataclass, in order."""
    hints = typing.get_type_hints(made)
    return {field.name: hints[field.name] for field in dataclasses.fields(made) if field.init}


def _encode(value: Any, hint: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [_encode(item, _item_hint(hint, place)) for place, item in enumerate(cast("tuple[Any, ...]", value))]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise UsageError(
            expected="recipes made of dataclasses, tuples, numbers and texts",
            got=repr(value),
            cure="Make the field a frozen dataclass, a tuple, a number or a text.",
        )
    made = type(value)
    fields = {name: _encode(getattr(value, name), kind) for name, kind in field_types(made).items()}
    if made in KINDS.values():
        return {KIND: next(name for name, known in KINDS.items() if known is made), **fields}
    if made in _alternatives(hint):
        return fields
    raise UsageError(
        expected="a class that recipes may name",
        got=made.__qualname__,
        cure=f'Call kinema.recipes.kinds.register("{made.__qualname__.removesuffix(".Config")}", ...) with it.',
    )


def _decode(data: Any, hint: Any, where: str) -> Any:
    if len(_alternatives(hint)) > 1:
        return _decode_union(data, _alternatives(hint), where)
    if typing.get_origin(hint) is Literal:
        allowed = typing.get_args(hint)
        if data in allowed:
            return data
        raise _wrong(where, f"one of {', '.join(map(str, allowed))}", data)
    if hint is type(None):
        if data is None:
            return None
        raise _wrong(where, "none", data)
    if typing.get_origin(hint) is tuple:
        return _decode_tuple(data, hint, where)
    if hint in _WORDS:
        return _decode_plain(data, hint, where)
    return _decode_object(data, hint, where)


def _decode_plain(data: Any, hint: type, where: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, hint) and (hint is bool or not isinstance(data, bool)):
        return data
    raise _wrong(where, _WORDS[hint], data)


def _decode_union(data: Any, hints: tuple[Any, ...], where: str) -> Any:
    fitting = [hint for hint in hints if hint is not type(None) and _shape(hint) == _shape(data)]
    if data is not None and len(fitting) == 1:
        return _decode(data, fitting[0], where)  # so that its error is the one to read
    for hint in hints:
        with contextlib.suppress(UsageError):
            return _decode(data, hint, where)
    raise _wrong(where, " or ".join(_name(hint) for hint in hints), data)


def _decode_tuple(data: Any, hint: Any, where: str) -> tuple[Any, ...]:
    parts = typing.get_args(hint)
    if not isinstance(data, list):
        raise _wrong(where, _name(hint), data)
    items = cast("list[Any]", data)
    if parts[-1] is not Ellipsis and len(parts) != len(items):
        raise _wrong(where, f"a list of {len(parts)}", data)
    return tuple(_decode(item, _item_hint(hint, place), f"{where}.{place}") for place, item in enumerate(items))


def _decode_object(data: Any, hint: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _wrong(where, "an object", data)
    given = dict(cast("Mapping[str, Any]", data))
    made = _class_of(given, hint, where)
    known = field_types(made)
    for former, name in getattr(made, "FORMER_KEYS", {}).items():  # runs of older versions
        if former in given:
            given[name] = given.pop(former)
    for key in given:
        if key not in known:
            raise unknown_name(f"key of {where}", key, known)
    for field in dataclasses.fields(made):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.init and required and field.name not in given:
            raise UsageError(
                expected=f"the key '{field.name}' in {where}", got="none", cure=f'Add "{field.name}": VALUE.'
            )
    return made(**{key: _decode(value, known[key], f"{where}.{key}") for key, value in given.items()})


def _class_of(given: dict[str, Any], hint: type, where: str) -> type:
    """The class to make: the declared one, or the one that the key "kind" (which is taken out) names."""
    if dataclasses.is_dataclass(hint) and hint not in KINDS.values():
        return hint
    fitting = {name: made for name, made in KINDS.items() if _fits(made, hint)}
    if KIND not in given:
        raise UsageError(
            expected=f"the key '{KIND}' in {where}", got="none", cure=f'Add "{KIND}": one of {", ".join(fitting)}.'
        )
    name = str(given.pop(KIND))
    if name not in fitting:
        raise unknown_name(f"kind of {where}", name, fitting)
    return fitting[name]


def _fits(made: type, hint: type) -> bool:
    try:
        return issubclass(made, hint)
    except TypeError:  # issubclass refuses protocols with attributes
        members = [name for name in vars(hint) if not name.startswith("_")]
        return all(name in field_types(made) or hasattr(made, name) for name in members)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if union else (hint,)


def _item_hint(hint: Any, place: int) -> Any:
    # Of `Optim | tuple[Phase, ...]` the alternative that is a tuple.
    parts = next(typing.get_args(each) for each in _alternatives(hint) if typing.get_origin(each) is tuple)
    return parts[0] if parts[-1] is Ellipsis else parts[place]


def _shape(thing: Any) -> str:
    if typing.get_origin(thing) is tuple or isinstance(thing, list):
        return "list"
    if isinstance(thing, Mapping) or dataclasses.is_dataclass(thing):
        return "object"
    return "plain"


def _name(hint: Any) -> str:
    if typing.get_origin(hint) is tuple:
        return f"a list of {_name(typing.get_args(hint)[0]).removeprefix('a ')}s"
    return "none" if hint is type(None) else _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _wrong(where: str, expected: str, got: object) -> UsageError:
    return UsageError(
        expected=f"{expected} for {where}",
        got=repr(got),
        cure=f"Write {expected} there; `kinema recipes NAME` prints a recipe that fits.",
    )
