"""What the tutorial about models shows is what happens, from the empty file to the last command."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

import fsm
from fsm.cli import main
from fsm.language.write import ACTION_KEYS, MODEL_KEYS, MODEL_VARIABLE_KEYS
from fsm.models.functions import FUNCTIONS
from fsm.models.quantifiers import QUANTIFIERS
from fsm.search.space import KINDS

PAGES = Path(fsm.__file__).parent / "pages"
PAGE = (PAGES / "modelling.md").read_text("utf-8")
BLOCK = re.compile(r"(?:(in )?`([\w.]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
KEY = re.compile(r"- \{action: \w+|\w+")
SECONDS = re.compile(r"\b\d+\.\d s\b")


def _changed(path: Path, block: str) -> None:
    """Puts each line in the place of the one that begins with the same key or action, else at the end."""
    lines = path.read_text("utf-8").splitlines()
    for line in block.splitlines():
        key = KEY.match(line)
        assert key is not None
        place = next((at for at, other in enumerate(lines) if other.startswith(key[0])), len(lines))
        lines[place : place + 1] = [line]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _console(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a command, fed by printf where it says so, and compares all but the seconds."""
    command, _, said = block.partition("\n")
    typed, piped, command = command.removeprefix("$ ").rpartition(" | ")
    if piped:
        monkeypatch.setattr(sys, "stdin", io.StringIO(shlex.split(typed)[1].replace("\\n", "\n")))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(shlex.split(command)[1:])
    assert SECONDS.sub("0.1 s", printed.getvalue()) == said
    assert code == (1 if "  violated     " in said else 0)  # a table of budgets is no verdict


def _python(block: str) -> None:
    """Runs a block; each print shows the comment behind it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "modelling.md", "exec"), {"__name__": "__main__"})
    assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)", block) != []


def test_the_page_does_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its order: each file is written or changed, each command says what stands below it, with the exit code that
    the page promises, Python prints what its comments say. Files are shown in the canonical layout."""
    monkeypatch.chdir(tmp_path)
    shown = 0
    for inside, name, language, block in BLOCK.findall(PAGE):
        if language == "console":
            _console(block, monkeypatch)
            shown += 1
        elif language == "python":
            _python(block)
        elif inside:
            _changed(tmp_path / name, block)
        else:
            (tmp_path / name).write_text(block, "utf-8")
            with contextlib.redirect_stdout(io.StringIO()):
                assert main(["fmt", "--check", name]) == 0
    assert shown == PAGE.count("```console")


def test_the_table_leaves_no_word_of_models_out() -> None:
    """Every key, kind of property and function stands there as code."""
    table = PAGE.partition("## The language of models")[2]
    said = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", table))))
    assert {*MODEL_KEYS, *MODEL_VARIABLE_KEYS, *ACTION_KEYS, *KINDS, *FUNCTIONS, *QUANTIFIERS} <= said


def test_every_link_leads_somewhere() -> None:
    """And the page can be reached from that about the language."""
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    for link in links:
        assert (PAGES / link).exists(), link
    assert "(modelling.md)" in (PAGES / "language.md").read_text("utf-8")
