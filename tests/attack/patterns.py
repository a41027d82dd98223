"""Find all regular expressions in the code, and build hostile strings for each of them.

If a pattern does not match, the module `re` tries again with other lengths of the repeats. If two
neighbouring repeats without an upper limit accept the same characters, `re` tries every way to
divide a text between them. A hostile string is built from the parse tree of the pattern. It
consists of the shortest text that leads to a repeat, followed by many copies of a text that the
repeat accepts. The text that would complete the match is left out.
"""

from __future__ import annotations

import ast
import importlib
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
PLACES = ("scrm", "crm", "listening", "routing", "responses")
MANY = 32
"""A repeat with a bound of this size or more is tested as if it were unbounded."""
LIMIT = 8.0
"""Allowed growth of CPU time for four times the length: it is 4 if linear, 16 if quadratic."""
NOTHING = 0.05
"""CPU seconds that are too short to measure."""
PATIENCE = 2.0
"""CPU seconds that are too long in any case."""
METHODS = ("match", "fullmatch", "search", "finditer", "findall", "sub", "split")
REPEATS = (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT)
EXAMPLES = "a1 .A@-_<>(\u00e9\u0e01\n,;:{}/#&0f\U00010400\x00"
CATEGORIES = {
    "CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a",
    "CATEGORY_NOT_DIGIT": "a", "CATEGORY_NOT_SPACE": "a", "CATEGORY_NOT_WORD": " ",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A pattern, its place in the code, and the names of the methods that are called on it.

    pattern: None if the code builds the pattern only at run time.
    """

    where: str
    pattern: re.Pattern[Any] | None
    methods: frozenset[str] = frozenset()


def in_the_code() -> Iterator[Found]:
    """Yield the patterns that the code compiles or passes to functions such as `re.sub`."""
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _in_file(path)


def _in_file(path: Path) -> Iterator[Found]:
    tree, file = ast.parse(path.read_text()), str(path.relative_to(ROOT))
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    names = {
        id(value): target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target, value in _pairs(node.targets[0], node.value)
        if isinstance(target, ast.Name)
    }
    for call in calls:
        method = _method(call)
        if method is None or not call.args:
            continue
        name = names.get(id(call), "")
        flags = call.args[1:] if method == "compile" else []
        where = f"{file}: {name or ast.unparse(call.args[0])}"
        try:
            pattern = re.compile(*(_value(each, file) for each in [call.args[0], *flags]))
        except NameError:
            yield Found(where, None)
            continue
        methods = {method} if method != "compile" else _used(name, calls)
        yield Found(where, pattern, frozenset(methods))


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _method(call: ast.Call) -> str | None:
    """Return the name of the called function of the module `re` (compile, sub, …), or None."""
    function = call.func
    if not isinstance(function, ast.Attribute) or ast.unparse(function.value) != "re":
        return None
    return function.attr if function.attr in ("compile", *METHODS) else None


def _value(node: ast.expr, file: str) -> Any:
    """Return the value of an expression that contains only constants of the module in `file`.

    Raises NameError if the expression contains any other name.
    """
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    return eval(compile(ast.Expression(node), file, "eval"), dict(vars(module)))


def _used(name: str, calls: list[ast.Call]) -> set[str]:
    """Return the names of the methods that are called on the pattern `name`.

    If no call is found, the result is {"finditer"}.
    """
    used = {
        call.func.attr
        for call in calls
        if isinstance(call.func, ast.Attribute) and name in ast.unparse(call.func.value)
    }
    return used & set(METHODS) or {"finditer"}


# Hostile strings


Strings = set[tuple[str, str]]
"""Pairs of a prefix and the text that is repeated after it."""


def hostile(pattern: re.Pattern[Any]) -> Strings:
    found: Strings = set()
    _add_neighbours(list(parser.parse(pattern.pattern, pattern.flags)), "", found)
    found |= {("", piece) for each in list(found) for piece in each}
    return {(first, pump) for first, pump in found if pump}


def _add_neighbours(nodes: list[Any], before: str, found: Strings) -> str:
    """Add hostile strings for these nodes of the parse tree to `found`.

    Returns `before`, extended by the shortest text that the nodes match.
    """
    said = before
    for operation, value in nodes:
        if operation in REPEATS:
            said = _repeat(value, said, found)
        elif operation is code.SUBPATTERN:
            said = _add_neighbours(list(value[-1]), said, found)
        elif operation is code.BRANCH:
            said, *_others = [_add_neighbours(list(each), said, found) for each in value[1]]
        elif operation is code.ATOMIC_GROUP:
            said = _add_neighbours(list(value), said, found)
        elif operation in (code.ASSERT, code.ASSERT_NOT):
            _add_neighbours(list(value[1]), said, found)
        else:
            said += _sign(operation, value)
    found.add(("", said))
    found.add(("", said.upper()))
    return said


def _repeat(value: Any, before: str, found: Strings) -> str:
    least, most, inside = value
    once = _add_neighbours(list(inside), before, found)[len(before) :]
    if most >= MANY:
        for pump in {once, *_each(list(inside))}:
            found.add((before, pump))
            found.add((before + once, pump))
            found.add(("", before + pump))
            found.add(("", (before + pump).upper()))
    found.add(("", before + once))
    return before + once * least


def _each(nodes: list[Any]) -> Iterator[str]:
    """Yield example texts for the different kinds of characters that these nodes accept."""
    for operation, value in nodes:
        if operation is code.IN:
            members = [each for each in value if each[0] is not code.NEGATE]
            yield from (_sign(code.IN, [each]) for each in members[:: len(members) // 8 or 1])
        elif operation is code.BRANCH:
            for each in value[1]:
                yield _add_neighbours(list(each), "", set())
        elif operation is code.SUBPATTERN:
            yield from _each(list(value[-1]))


def _sign(operation: Any, value: Any) -> str:
    if operation is code.LITERAL:
        return chr(value)
    if operation is code.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if operation is code.ANY:
        return "a"
    if operation is code.IN:
        return _of_class(value)
    return ""


def _of_class(members: list[Any]) -> str:
    if members and members[0][0] is code.NEGATE:
        others = members[1:]
        return next(sign for sign in EXAMPLES if not any(_has(each, sign) for each in others))
    operation, value = members[0]
    if operation is code.RANGE:
        return chr(value[0])
    if operation is code.CATEGORY:
        return CATEGORIES.get(str(value), "a")
    return chr(value)


def _has(member: Any, sign: str) -> bool:
    operation, value = member
    if operation is code.LITERAL:
        return ord(sign) == int(value)
    if operation is code.RANGE:
        return bool(value[0] <= ord(sign) <= value[1])
    kind = str(value).replace("CATEGORY_", "")
    shown = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[kind.replace("NOT_", "")]
    return bool(re.match(shown, sign)) != kind.startswith("NOT_")


# Running time


class TooLong(Exception):
    pass


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """Return the CPU seconds that the pattern needs for a text, at most `PATIENCE`.

    The limit is implemented with a signal, because `re` checks for signals while it works.
    """
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("utf-8", "replace")
    before = signal.signal(signal.SIGVTALRM, _end)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    began = time.process_time()
    try:
        if method == "sub":
            pattern.sub(subject[:0], subject)
        elif method == "finditer":
            all(pattern.finditer(subject))
        else:
            getattr(pattern, method)(subject)
    except TooLong:
        return PATIENCE
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - began


def _end(_signum: int, _frame: FrameType | None) -> None:
    raise TooLong


def growth(pattern: re.Pattern[Any], method: str, first: str, pump: str, length: int) -> float:
    """Return the CPU time for a hostile string divided by the CPU time for a quarter of its length.

    Returns 1 if the time is too short to measure.
    """
    small, large = ((first + pump * n)[:n] + "\x00" for n in (length // 4, length))
    took = seconds(pattern, method, large)
    if took < NOTHING:
        return 1.0
    return inf if took >= PATIENCE else took / max(seconds(pattern, method, small), NOTHING / 50)


def _smallest_growth(
    pattern: re.Pattern[Any], method: str, first: str, pump: str, length: int
) -> float:
    """Return the growth; if it is above `LIMIT`, the smallest of at most three measurements.

    Other processes on a busy machine can double one measurement. A quadratic pattern is too slow
    in each of them.
    """
    grown = inf
    for _ in range(3):
        grown = min(grown, growth(pattern, method, first, pump, length))
        if grown <= LIMIT:
            break
    return grown


def worst(found: Found, length: int) -> tuple[float, str, str]:
    """Return the largest growth over all hostile strings, and the string that causes it.

    The string is given as its prefix and its repeated part. The search stops at the first growth
    above `LIMIT`.
    """
    assert found.pattern is not None
    largest = (1.0, "", "")
    for first, pump in sorted(hostile(found.pattern)):
        for method in found.methods:
            grown = _smallest_growth(found.pattern, method, first, pump, length)
            largest = max(largest, (grown, first[:40], pump[:40]))
            if grown > LIMIT:
                return largest
    return largest
