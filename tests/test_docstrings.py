"""Every example of a docstring runs and shows what it says."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shown(package: str) -> list[str]:
    """The modules with examples."""
    found = [path for path in sorted((ROOT / package).rglob("*.py")) if ">>>" in path.read_text("utf-8")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in found]


MODULES = shown("fsm") + shown("hosts")


def test_there_are_examples() -> None:
    """The search finds some: were it broken, the test below would be about nothing."""
    assert len(MODULES) >= 3


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0
