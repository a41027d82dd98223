"""Check the architecture rules with tests.

The rules concern imports, foreign keys, size limits, names of tasks, and tests that assert nothing.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest
from celery import current_app
from django.apps import apps
from django.db.models import Model

import crm.above
import listening.above
import routing.above

ROOT = Path(__file__).parents[1]
FLOORS = {"scrm": 0, "sandbox": 0, "crm": 1, "listening": 2, "routing": 3, "responses": 4}
APPS = ("scrm", "crm", "listening", "routing", "responses")


def sources() -> Iterator[Path]:
    for folder in APPS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def ours(model: type[Model]) -> bool:
    return model._meta.app_label in FLOORS


def test_no_foreign_key_points_up() -> None:
    """No model has a foreign key to an app above its own app.

    Fails, for example, if crm.Interaction has a foreign key to responses.Response. import-linter
    does not notice a foreign key that is given as a string, so this test examines the models.
    """
    upward = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model in filter(ours, apps.get_models())
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model
        if ours(field.related_model)
        if FLOORS[field.related_model._meta.app_label] > FLOORS[model._meta.app_label]
    ]
    assert upward == []


def test_imports_follow_foreign_keys() -> None:
    """No file imports an app above its own app.

    Fails, for example, with `import routing` in crm/ledger.py.
    """
    done = subprocess.run(
        [ROOT / ".venv/bin/lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def imports() -> dict[str, set[str]]:
    """Return, for each of our modules, which other modules of ours it imports.

    Imports in blocks of `TYPE_CHECKING` are included.
    """
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources()
    }
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        found[module] = set()
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    found[module] |= {full if full in paths else node.module} & paths.keys()
            elif isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names} & paths.keys()
    return found


def test_no_files_import_each_other_in_a_circle() -> None:
    """No files import each other in a circle.

    Fails, for example, with `from responses.models.approval import Approval` in response.py.
    """
    graph = TopologicalSorter(imports())
    try:
        graph.prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
    assert graph.is_active()


def test_no_class_declares_attributes_of_its_host_for_the_type_checker_only() -> None:
    """No class contains declarations that only the type checker sees.

    Fails if the body of a class contains `if TYPE_CHECKING:`.
    """
    stubs = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)
    ]
    assert stubs == []


def names_added_from_above() -> dict[str, set[str]]:
    """Return, for each app, the names that apps above it add to models.

    The names are reverse accessors and lookups, for example `deliveries`. They come from foreign
    keys of the higher apps. The lower app must not use them.
    """
    relations = [
        (relation.related_model._meta.app_label, {relation.get_accessor_name(), relation.name})
        for model in filter(ours, apps.get_models())
        for relation in model._meta.get_fields()
        if relation.auto_created and not relation.concrete and ours(relation.related_model)
        if FLOORS[relation.related_model._meta.app_label] > FLOORS[model._meta.app_label]
    ]
    return {
        app: {name for higher, names in relations if FLOORS[higher] > FLOORS[app] for name in names}
        for app in ("crm", "listening", "routing")
    }


def uses(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each attribute in a file.

    Each part of a lookup such as `case__profile` is included.
    """
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield from ((node.value.lineno, part) for part in node.arg.split("__"))
        elif isinstance(node, ast.Constant) and re.fullmatch(r"-?\w+", str(node.value)):
            lookup = str(node.value).removeprefix("-")
            yield from ((node.lineno, part) for part in lookup.split("__"))


def test_no_app_uses_a_name_that_only_a_higher_app_adds() -> None:
    """No app uses an attribute or lookup that only an app above it adds to a model.

    Fails, for example, with `deliveries__response__case=case` in routing, or with `user.cases` in
    crm.
    """
    forbidden = names_added_from_above()
    assert {"cases", "deliveries"} <= forbidden["crm"]
    assert "deliveries" in forbidden["routing"]
    reaches = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for app, names in forbidden.items()
        for path in sources()
        if path.is_relative_to(ROOT / app)
        for line, name in uses(path)
        if name in names
    ]
    assert reaches == []


@pytest.mark.parametrize("declared", [crm.above, listening.above, routing.above])
def test_every_question_to_the_apps_above_has_an_answer(declared: ModuleType) -> None:
    """Every function that an `above.py` declares is set by scrm/wiring.py.

    Fails if a line of `connect` in scrm/wiring.py is removed.
    """
    questions = declared.__annotations__
    assert questions
    assert [name for name in questions if not callable(getattr(declared, name, None))] == []


def test_every_nudged_task_is_registered() -> None:
    """Celery messages refer to their task by name, and a task of each such name exists.

    Fails if a name is misspelt.
    """
    current_app.loader.import_default_modules()
    nudged = {
        name
        for path in sources()
        for name in re.findall(r'(?:nudge\w*|top_up)\(\s*"([\w.]+)"', path.read_text())
    }
    assert nudged
    assert nudged <= set(current_app.tasks)


def test_no_file_is_longer_than_400_lines() -> None:
    """Fails if a file is longer than 400 lines."""
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in sources()}
    long = {name: count for name, count in lines.items() if count > 400}
    assert long == {}


def test_no_function_is_longer_than_50_lines() -> None:
    """Fails if a function is longer than 50 lines."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(path)
        if (node.end_lineno or node.lineno) - node.lineno >= 50
    ]
    assert long == []


def test_no_template_is_longer_than_120_lines() -> None:
    """Fails if a template is longer than 120 lines."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "templates").rglob("*.html")
        if (lines := len(path.read_text().splitlines())) > 120
    }
    assert long == {}


def test_no_line_of_a_template_is_longer_than_160_characters() -> None:
    """Fails if a line of a template is longer than 160 characters."""
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for pattern in ("*.html", "*.jinja")
        for path in (ROOT / "templates").rglob(pattern)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 160
    ]
    assert long == []


@pytest.mark.parametrize("name", ["utils", "common", "core", "helpers", "services", "managers"])
def test_no_room_without_a_purpose(name: str) -> None:
    """No module or folder has a name without a meaning, such as utils.

    Fails, for example, if scrm/utils.py exists.
    """
    assert [str(path) for path in sources() if path.stem == name or name in path.parts] == []


def test_the_pipeline_fits_on_one_screen() -> None:
    """Fails if scrm/pipeline.py is longer than 100 lines."""
    assert len((ROOT / "scrm/pipeline.py").read_text().splitlines()) <= 100


def test_no_function_imports_late() -> None:
    """No function contains an import statement, because such an import hides an import cycle.

    The registry of channels loads a channel on first use with `import_module`, which this test
    allows.
    """
    late = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in sources()
        for node in functions(path)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert late == []


def test_no_test_is_hollow() -> None:
    """Every test asserts something, directly or through a helper function whose name says so.

    Fails, for example, if a test only prints.
    """
    signs = ("Assert(", "raises", "assert_", "'says'", "'expect'")
    hollow = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in functions(path)
        if node.name.startswith("test_") and not any(sign in ast.dump(node) for sign in signs)
    ]
    assert hollow == []


def test_no_line_names_a_registry() -> None:
    """No file of the repository contains the address of a package registry.

    Fails, for example, if the README contains one.
    """
    hosts = re.compile("(py" + "pi|python" + "hosted|npm" + r"js)\.[a-z]")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    guilty = [
        name
        for name in tracked
        if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert guilty == []


def test_every_test_that_the_guarantees_name_exists() -> None:
    """Every test file that docs/guarantees.md names exists."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs/guarantees.md").read_text()))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).is_file()} == set()
