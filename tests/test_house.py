"""House rules that a linter does not know: sizes, directions of imports, names, the cost of an import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fsm

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("fsm", "hosts", "tools", "tests")
SCRIPTS = [ROOT / "tools" / name for name in ("bench", "chaos", "pages")]
MODULES = sorted([path for part in PARTS for path in (ROOT / part).rglob("*.py")] + SCRIPTS, key=str)

MODULE_LINES = 400
FUNCTION_LINES = 40
BANNED = {"manager", "managers", "helper", "helpers", "util", "utils"}
HEAVY = ("networkx", "numpy", "scipy", "ruamel", "aiohttp", "transitions", "rich")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


each_module = pytest.mark.parametrize("path", MODULES, ids=_name)


@each_module
def test_a_module_has_fewer_than_400_lines(path: Path) -> None:
    """A module that does not fit in one reading is two modules."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < MODULE_LINES


@each_module
def test_a_function_has_fewer_than_40_lines(path: Path) -> None:
    """From `def` to its last line, docstring and nested functions included."""
    long = {
        f"{_name(path)}:{node.lineno} {node.name}": size
        for node in ast.walk(_tree(path))
        if isinstance(node, Function)
        if (size := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES
    }
    assert not long


def _imported(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported by a statement, at any depth, or by a literal name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value)


def _packages(tree: ast.Module) -> set[str]:
    return {module.partition(".")[0] for module in _imported(tree)}


@pytest.mark.parametrize("path", [p for p in MODULES if p.is_relative_to(ROOT / "fsm")], ids=_name)
def test_the_engine_knows_nothing_of_hosts(path: Path) -> None:
    """`fsm` imports neither `hosts` nor what only a checkout has."""
    assert not _packages(_tree(path)) & {"hosts", "tools", "tests"}


@pytest.mark.parametrize("path", [p for p in MODULES if p.is_relative_to(ROOT / "hosts")], ids=_name)
def test_hosts_needs_no_checkout(path: Path) -> None:
    """`hosts` imports nothing that a wheel leaves out."""
    assert not _packages(_tree(path)) & {"tools", "tests"}


def test_every_module_of_the_engine_lies_in_a_room() -> None:
    """Only what all rooms need stands at the top: errors, where the specs are, the command and the exports."""
    assert {path.name for path in (ROOT / "fsm").glob("*.py")} == {"__init__.py", "cli.py", "errors.py", "locate.py"}


ROOMS = ("language", "engine", "checks", "pictures", "drivers", "models", "search", "explore", "convert", "testing",
         "commands")  # fmt: skip


@pytest.mark.parametrize("path", [p for p in MODULES if p.is_relative_to(ROOT / "fsm")], ids=_name)
def test_the_pure_rooms_know_nothing_of_the_others(path: Path) -> None:
    """Language, engine and checks import no driver, no checker and no command."""
    room = path.relative_to(ROOT / "fsm").parts[0]
    known = {module.split(".")[1] for module in _imported(_tree(path)) if module.startswith("fsm.")} & set(ROOMS)
    pure = {"language": {"language"}, "engine": {"language", "engine"}, "checks": {"language", "checks", "engine"}}
    assert known <= pure.get(room, set(ROOMS))


def test_imports_are_found_however_they_are_written() -> None:
    """The two tests above would see a statement, a nested one, a from-import and a literal import_module."""
    text = "import a.b\ndef f():\n    from c import d\n    importlib.import_module('e.f')\n    __import__('g')\n"
    assert _packages(ast.parse(text)) == {"a", "c", "e", "g"}


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that this module gives: classes, functions, arguments, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@each_module
def test_names_come_from_the_field(path: Path) -> None:
    """No manager, helper or utils: such a name says that nobody knew what the thing is."""
    given = {*_defined(_tree(path)), *Path(_name(path)).with_suffix("").parts}
    assert not {name for name in given if _words(name) & BANNED}


def test_a_banned_word_is_seen_inside_a_name() -> None:
    """Snake case, camel case and capitals are split into words; `contextmanager` is a word of its own."""
    assert _words("HTTPManager_of_utils") == {"http", "manager", "of", "utils"}
    assert not _words("contextmanager") & BANNED


def test_import_fsm_loads_nothing_heavy() -> None:
    """A command that only prints its version does not pay for graphs, YAML or HTTP."""
    code = "import fsm, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert "fsm" in loaded
    assert not set(loaded) & set(HEAVY)


def test_what_fsm_exports_is_what_type_checkers_see() -> None:
    """The names under TYPE_CHECKING, `__all__` and the lazy table agree, and each can be had."""
    seen = {
        alias.name: node.module
        for node in ast.walk(_tree(ROOT / "fsm" / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fsm.")
        for alias in node.names
    }
    assert seen == fsm._EXPORTS
    assert sorted(fsm.__all__) == sorted([*seen, "__version__"])
    for name in fsm.__all__:
        assert getattr(fsm, name) is not None
        assert name in dir(fsm)


def test_fsm_has_no_other_names() -> None:
    """A wrong name is an AttributeError that says so, as with any module."""
    missing = "nothing"
    with pytest.raises(AttributeError, match="module 'fsm' has no attribute 'nothing'"):
        getattr(fsm, missing)
