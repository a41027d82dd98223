"""A small scanner of JavaScript that finds functions and counts their lines.

Braces in strings, template literals, regular expressions and comments are not counted. An arrow
function without braces ends at the first comma, semicolon or closing bracket after its expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The order matters, because a comment and a regular expression both begin with a slash.
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
STRING = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
TEMPLATE_PART = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*(`|\$\{)", re.DOTALL)
REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
# After one of these, a slash begins a regular expression; elsewhere a slash means division.
BEFORE_REGEX = re.compile(
    r"(?:^|[(,=:\[!&|?{};+\-*%~^<>]|(?<![.\w$])(?:return|typeof|case|in|of|void|delete|await|yield))"
    r"\s*\Z"
)
EXPRESSION_ARROW = re.compile(r"=>\s*(?![{\s])")
AFTER_VALUE = re.compile(r"(?:\+\+|--)\s*\Z")
CONTROL = {"if", "for", "while", "switch", "catch", "with", "await"}
CLOSERS = {"}": "{", ")": "(", "]": "["}


@dataclass(frozen=True)
class Function:
    """A JavaScript function in a file.

    `first` is the number of its first line, counted from 1. `lines` is the number of its lines.
    """

    first: int
    lines: int


def functions(text: str) -> list[Function]:
    """Return all functions of a JavaScript file, in the order of their position.

    These are declarations, function expressions, arrow functions and methods.
    """
    code = without_text(text)
    pairs = brackets(code)
    found = [body(code, pairs, opening) for opening in pairs if code[opening] == "{"]
    found += [expression(code, pairs, arrow.end()) for arrow in EXPRESSION_ARROW.finditer(code)]
    return [_measured(code, *span) for span in sorted(filter(None, found))]


def _measured(code: str, start: int, end: int) -> Function:
    return Function(code.count("\n", 0, start) + 1, code.count("\n", start, end) + 1)


def without_text(text: str) -> str:
    """Return the code with the contents of strings and comments replaced by spaces.

    The length of the code and its line ends stay the same.
    """
    code = ""
    depths: list[int] = []  # for each open `${…}`, the number of braces that are open inside
    while len(code) < len(text):
        at, char = len(code), text[len(code)]
        if match := _skipped(text, code):
            code += _blank(match[0])
        elif char == "`" or (char == "}" and depths and depths[-1] == 0):
            if char == "}":
                depths.pop()
            part = TEMPLATE_PART.match(text, at + 1)
            assert part, f"a template literal without an end: {text[at : at + 40]!r}"
            if part[1] == "${":
                depths.append(0)
            code += "_" + _blank(part[0])  # the underscore stands for the value of the string
        else:
            if depths:
                depths[-1] += {"{": 1, "}": -1}.get(char, 0)
            code += char
    return code


def _skipped(text: str, code: str) -> re.Match[str] | None:
    """Return the comment, string or regular expression that begins at the current position.

    `code` is the scanned beginning of `text`, so its length is the position. The result is None if
    something else begins there.
    """
    at = len(code)
    if text[at] in "'\"":
        return STRING.match(text, at)
    if text[at] != "/":
        return None
    if comment := COMMENT.match(text, at):
        return comment
    is_regex = BEFORE_REGEX.search(code) and not AFTER_VALUE.search(code)
    return REGEX.match(text, at) if is_regex else None


def _blank(text: str) -> str:
    """Replace each character except line ends by a space, so that the length stays the same.

    If the text is a string or a regular expression, its first character becomes `_`. The scanner
    then still sees that a value is there.
    """
    blank = re.sub(r"[^\n]", " ", text)
    return blank if text.startswith("/") and COMMENT.match(text) else f"_{blank[1:]}"


def brackets(code: str) -> dict[int, int]:
    """Return a dict from the position of each opening bracket to that of its closing bracket."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for at, char in enumerate(code):
        if char in "{([":
            opened.append(at)
        elif char in CLOSERS:
            opening = opened.pop()
            assert code[opening] == CLOSERS[char], f"line {code.count(chr(10), 0, at) + 1}"
            pairs[opening] = at
    assert not opened
    return pairs


def body(code: str, pairs: dict[int, int], opening: int) -> tuple[int, int] | None:
    """Return the start and the end of the function whose body begins with this opening brace.

    Returns None if the brace does not begin the body of a function.
    """
    before = code[:opening].rstrip()
    if before.endswith("=>"):
        return _parameters(before[:-2].rstrip(), pairs), pairs[opening]
    if not before.endswith(")"):
        return None
    start = _parameters(before, pairs)
    word = re.search(r"([\w$]*)\s*\Z", code[:start])
    if word is None or word[1] in CONTROL:
        return None
    return start, pairs[opening]


def expression(code: str, pairs: dict[int, int], start: int) -> tuple[int, int]:
    """Return the start and the end of the arrow function whose expression begins at `start`."""
    end = start
    while end < len(code) and code[end] not in ",;)]}":
        end = pairs.get(end, end) + 1
    return _parameters(code[:start].rstrip()[:-2].rstrip(), pairs), end


def _parameters(before: str, pairs: dict[int, int]) -> int:
    """Return the position where the parameters of a function begin.

    The parameters are at the end of `before`.
    """
    if before.endswith(")"):
        return next(start for start, end in pairs.items() if end == len(before) - 1)
    return len(before) - len(re.search(r"[\w$]*\Z", before)[0])  # type: ignore[index]
