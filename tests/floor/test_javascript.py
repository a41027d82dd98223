"""Rules for our JavaScript files: each function is short, and each imported name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.floor.javascript import Function, functions

SCRIPTS = sorted((Path(__file__).parents[2] / "static" / "js").glob("*.js"))
MAX_LINES = 60
IMPORT = re.compile(r'^import \{ ([^}]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const) (\w+)", re.MULTILINE)
LONG = "\n".join(["  step();"] * MAX_LINES)


def lengths(text: str) -> list[int]:
    return [function.lines for function in functions(text)]


def too_long() -> Iterator[tuple[str, Function]]:
    for path in SCRIPTS:
        for function in functions(path.read_text()):
            if function.lines > MAX_LINES:
                yield path.name, function


def test_no_function_is_longer_than_60_lines() -> None:
    assert list(too_long()) == []


def test_files_are_found_and_their_functions_too() -> None:
    """The scanner finds JavaScript files and functions in them.

    Otherwise the test of the length of functions would check nothing.
    """
    assert len(SCRIPTS) > 20
    assert sum(len(functions(path.read_text())) for path in SCRIPTS) > 200


@pytest.mark.parametrize(
    "text",
    [
        f"function run() {{\n{LONG}\n}}",
        f"async function run(\n  {{ a = {{}}, b }},\n) {{\n{LONG}\n}}",
        f"const run = () => {{\n{LONG}\n}};",
        f"const run = async event => {{\n{LONG}\n}};",
        f"(() => {{\n{LONG}\n}})();",
        f"(function () {{\n{LONG}\n}})();",
        f"const page = {{\n  run(event) {{\n{LONG}\n}} }};",
        f"const page = {{\n  get [name]() {{\n{LONG}\n}} }};",
        f"class Page {{ #run() {{\n{LONG}\n}} }}",
        "const run = (a) => (\n" + "a +\n" * MAX_LINES + "1);",
    ],
    ids=[
        "function", "async with a pattern", "arrow", "arrow without brackets", "closure at once",
        "function at once", "method", "computed getter", "private method", "arrow of an expression",
    ],
)  # fmt: skip
def test_a_long_function_is_found_in_each_of_its_forms(text: str) -> None:
    assert max(lengths(text)) > MAX_LINES


@pytest.mark.parametrize(
    "text",
    [
        f"if (isOn) {{\n{LONG}\n}}",
        f"for (const a of (b)) {{\n{LONG}\n}}",
        f"switch (a) {{\n{LONG}\n}}",
        f"try {{\n{LONG}\n}} catch (error) {{\n{LONG}\n}}",
        f"const page = {{\n{LONG}\n}};",
    ],
    ids=["if", "for", "switch", "try", "object"],
)
def test_a_long_block_is_no_function(text: str) -> None:
    assert lengths(text) == []


@pytest.mark.parametrize(
    "tricky",
    [
        "'}'; \"{\"; 'it\\'s {';",
        "`} ${ { a: `}` }.a } {`;",
        "/* } */ // {",
        "/[/}]\\/{2}/.test(a); a = b / c / d;",
        "return /}/g;",
        "(a + b) / 2; c[0] / {}.length;",
        "`${a}` / 2; '}'",
        "a.in / 2; '}'",
        "i++ / 2; '}'",
    ],
)
def test_braces_that_are_text_are_not_counted(tricky: str) -> None:
    """Braces in strings, comments and regular expressions do not change the length of a function.

    Each parameter is a line of code with such a brace that has no counterpart.
    """
    before = f"function first() {{\n  {tricky}\n}}\n"
    assert lengths(f"{before}function second() {{\n  step();\n}}") == [3, 3]


def test_the_inner_of_two_functions_counts_for_the_outer() -> None:
    text = f"function outer() {{\n  const inner = () => {{\n{LONG}\n  }};\n}}"
    assert sorted(lengths(text)) == [MAX_LINES + 2, MAX_LINES + 4]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_file_begins_with_a_sentence_about_it(path: Path) -> None:
    comment = re.match(r"(?:// .+\n)+", path.read_text())
    assert comment
    assert "." in comment[0]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_a_module_imports_is_exported(path: Path) -> None:
    """Each name that a JavaScript module imports is exported by the other module.

    In a browser, an import of a missing name stops this module and all modules that import it. The
    page shows no message then.
    """
    text = path.read_text()
    imports = IMPORT.findall(text)
    assert len(imports) == len(re.findall(r"^import\b", text, re.MULTILINE))
    for names, module in imports:
        exports = EXPORT.findall((path.parent / f"{module}.js").read_text())
        assert set(names.split(", ")) <= set(exports), module
