"""What always holds in the source, read from its syntax trees; each exemption has a reason, and none may be stale."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import GRACE, ROOT, SDK, Module, dotted, functions, hold_to, imported, modules, places

EVERYWHERE: Final = (*modules(GRACE), *modules(SDK))
LONGEST_FUNCTION_LINES: Final = 60
LONGEST_MODULE_LINES: Final = 400
BANNED_NAMES: Final = frozenset({"utils", "util", "core", "common", "misc", "helpers", "helper", "manager", "services"})
MADE_BY_KIT: Final = frozenset({"time", "random", "secrets", "uuid"})
MADE_BY_KIT_CALLS: Final = frozenset(
    {
        "asyncio.sleep",
        "anyio.sleep",
        "date.today",
        "datetime.now",
        "datetime.today",
        "datetime.utcnow",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "os.urandom",
    }
)

CATCH_ALLS: Final[Mapping[str, str]] = {
    "grace/kit/attempt.py::attempt": "where a plug is called: whatever a plug raises becomes a value",
    "grace_sdk/safety.py::attempt": "the SDK never raises into the process that it watches",
}
CLOCKS_AND_CHANCE: Final[Mapping[str, str]] = {}
ENVIRONMENT_READERS: Final = frozenset({"grace/settings.py", "grace_sdk/environment.py"})
LONG_FUNCTIONS: Final[Mapping[str, str]] = {}
LONG_MODULES: Final[Mapping[str, str]] = {}


def test_one_catch_all_where_a_plug_is_called_and_no_other() -> None:
    found = [place for module in EVERYWHERE for place in places(module, _catches_all)]
    hold_to("A handler names the failures that it knows what to do about", found, CATCH_ALLS)


def test_time_chance_and_ids_are_made_in_the_kit_alone() -> None:
    outside = [module for module in modules(GRACE) if not module.name.startswith("grace/kit/")]
    found = [place for module in outside for place in places(module, _makes_time_or_chance)]
    hold_to("Time, chance and ids come through grace.kit", found, CLOCKS_AND_CHANCE)


def test_settings_alone_reads_the_environment() -> None:
    others = [module for module in EVERYWHERE if module.name not in ENVIRONMENT_READERS]
    found = [place for module in others for place in places(module, _reads_environment)]
    hold_to("Only settings.py reads the environment (and environment.py in the SDK)", found, {})


def test_a_function_fits_on_one_screen() -> None:
    found = (
        place
        for module in EVERYWHERE
        if "/migrations/versions/" not in module.name  # a migration lists statements; cutting it in two tells nothing
        for place, function in functions(module)
        if (function.end_lineno or function.lineno) - function.lineno >= LONGEST_FUNCTION_LINES
    )
    hold_to(f"A function has at most {LONGEST_FUNCTION_LINES} lines", found, LONG_FUNCTIONS)


def test_a_module_that_grows_too_long_is_two() -> None:
    found = (m.name for m in EVERYWHERE if len(m.path.read_text().splitlines()) > LONGEST_MODULE_LINES)
    hold_to(f"A module has at most {LONGEST_MODULE_LINES} lines", found, LONG_MODULES)


def test_a_name_says_what_lives_there() -> None:
    named = (part for module in EVERYWHERE for part in _parts_with_banned_names(module))
    hold_to("A room is named after its kind", named, {})


def test_every_package_says_what_may_live_in_it() -> None:
    packages = [module for module in EVERYWHERE if module.path.name == "__init__.py"]
    silent = [module.name for module in packages if not ast.get_docstring(module.tree)]
    bare = [
        folder.relative_to(ROOT).as_posix()
        for folder in {module.path.parent for module in EVERYWHERE}
        if not (folder / "__init__.py").exists()
    ]
    hold_to("Every package has an __init__.py with a docstring", [*silent, *bare], {})


def test_every_room_on_the_architecture_page_stands_in_the_source() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {
        room for row in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE) for room in re.findall(r"`([a-z_/.]+)`", row)
    }
    assert named, "the table of rooms is gone"
    hold_to("A room on the page is a room in the house", {room for room in named if not (GRACE / room).exists()}, {})


def test_every_room_in_the_source_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {m.path.parent.relative_to(GRACE).as_posix() for m in modules(GRACE) if m.path.name == "__init__.py"}
    leaves = {room for room in rooms if room != "." and not any(other.startswith(f"{room}/") for other in rooms)}
    within = {room for room in leaves if any(f"`{parent}`" in page for parent in _lineage(room))}
    hold_to("A room in the house is on the architecture page", leaves - within, {})


def test_the_sdk_needs_only_the_standard_library() -> None:
    known = sys.stdlib_module_names | {"grace_sdk"}
    found = (
        f"{module.name} imports {name}"
        for module in modules(SDK)
        for node in ast.walk(module.tree)
        for name in imported(node)
        if name.partition(".")[0] not in known
    )
    hold_to("The SDK runs inside other people's processes and brings nothing along", found, {})


@pytest.mark.parametrize(
    "source",
    [
        "try: f()\nexcept: g()",
        "try: f()\nexcept Exception: g()",
        "try: f()\nexcept (ValueError, BaseException) as e: g()",
        "with contextlib.suppress(Exception): f()",
    ],
)
def test_the_rule_sees_every_form_of_catch_all(source: str) -> None:
    assert any(_catches_all(node) for node in ast.walk(ast.parse(source)))


def test_cleaning_up_and_passing_on_is_no_catch_all() -> None:
    tree = ast.parse("try: f()\nexcept BaseException:\n    clean_up()\n    raise")
    assert not any(_catches_all(node) for node in ast.walk(tree))


@pytest.mark.parametrize(
    "source", ["import time", "from uuid import uuid4", "datetime.now(UTC)", "await asyncio.sleep(1)", "os.urandom(8)"]
)
def test_the_rule_sees_every_form_of_time_and_chance(source: str) -> None:
    tree = compile(source, "case", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert any(_makes_time_or_chance(node) for node in ast.walk(tree))


@pytest.mark.parametrize(
    "source", ["os.environ['A']", "os.getenv('A')", "from os import environ", "from os import getenv"]
)
def test_the_rule_sees_every_reading_of_the_environment(source: str) -> None:
    assert any(_reads_environment(node) for node in ast.walk(ast.parse(source)))


def test_an_exemption_that_nothing_needs_fails() -> None:
    with pytest.raises(AssertionError, match=r"gone\.py"):
        hold_to("a rule", found=["here.py"], exempt={"here.py": "a reason", "gone.py": "an old reason"})


def _catches_all(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
            return False  # cleans up and passes on
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.Tuple(elts=caught)):
            return any(_is_catch_all_type(each) for each in caught)
        case ast.ExceptHandler(type=ast.expr() as caught):
            return _is_catch_all_type(caught)
        case ast.Call(func=function, args=arguments):
            return dotted(function).endswith("suppress") and any(map(_is_catch_all_type, arguments))
        case _:
            return False


def _is_catch_all_type(node: ast.expr) -> bool:
    return dotted(node).removeprefix("builtins.") in {"Exception", "BaseException"}


def _makes_time_or_chance(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return dotted(node.func) in MADE_BY_KIT_CALLS
    return any(name.partition(".")[0] in MADE_BY_KIT for name in imported(node))


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return dotted(node) in {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    return any(name in {"os.environ", "os.getenv"} for name in imported(node))


def _parts_with_banned_names(module: Module) -> Iterator[str]:
    parts = Path(module.name).with_suffix("").parts
    return (module.name for part in parts if part in BANNED_NAMES)


def _lineage(room: str) -> Iterator[str]:
    yield from (room, f"{room}/")
    yield from (parent.as_posix() for parent in Path(room).parents)
    yield from (f"{parent.as_posix()}/" for parent in Path(room).parents)
