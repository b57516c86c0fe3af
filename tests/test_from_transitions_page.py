"""What the page for people coming from transitions shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fsm
from fsm.cli import main

PAGE = (Path(fsm.__file__).parent / "pages" / "from-transitions.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
MACHINE = Path("specs/machines/turnstile.yaml")


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own as the current one; the module that is imported there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("turnstile", None)


def _console(block: str) -> None:
    """Runs the command of a block and compares what it says, wherever it says it."""
    command, _, said = block.partition("\n")
    name, *words = shlex.split(command.removeprefix("$ "))
    assert name == "fsm"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        main(words)
    assert printed.getvalue() == said


def _python(block: str) -> None:
    """Runs a block; each of its prints shows the comment behind it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "from-transitions.md", "exec"), {})
    assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


def _changed(block: str) -> None:
    """Puts each line of a block, below the name of its file, in the place of the one that begins most like it."""
    for part in block.split("# ")[1:]:
        name, *changed = part.splitlines()
        lines = Path(name).read_text("utf-8").splitlines()
        for line in changed:
            alike = [
                next((k for k, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), 0) for other in lines
            ]
            lines[alike.index(max(alike))] = line
        Path(name).write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.usefixtures("_folder")
def test_the_page_does_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The machine is imported as printed, its rows are those of the file, it runs, and what is open can be said."""
    (source, first), *rest = BLOCKS
    assert source == "python"
    Path("turnstile.py").write_text(first, "utf-8")
    for language, block in rest[:-1]:
        if language == "console":
            _console(block)
        elif language == "python":
            _python(block)
        elif block.startswith("# "):
            _changed(block)
        else:
            assert block in MACHINE.read_text("utf-8")
    assert [language for language, _ in rest] == ["console", "yaml", "python", "yaml", "python", "console", "yaml"]
    MACHINE.write_text(MACHINE.read_text("utf-8") + rest[-1][1], "utf-8")
    assert main(["check", str(MACHINE)]) == 0
    assert "no findings" in capsys.readouterr().out


def test_the_page_is_two_screens() -> None:
    """It is read by somebody who wants to be at work in a few minutes."""
    assert len(PAGE.splitlines()) <= 140
