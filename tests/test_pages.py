"""What the pages about the language and about running a machine show is what happens."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fsm
from fsm.cli import main
from fsm.language.expressions import CONSTANTS, FUNCTIONS
from fsm.language.load import MACHINE_KEYS
from fsm.language.rows import ROW_KEYS

ROOT = Path(__file__).resolve().parents[1]
PAGES = Path(fsm.__file__).parent / "pages"
NAMES = ["language", "running"]
TEXTS = {name: (PAGES / f"{name}.md").read_text("utf-8") for name in NAMES}
FILE = re.compile(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"(?<!`:\n\n)```(yaml|python|console)\n(.*?)```", re.DOTALL)
SAID = re.compile(r"^(?!class|def).*\)  # (.*)", re.MULTILINE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each page a folder with the files that it shows, and the types of its door."""
    root = tmp_path_factory.mktemp("pages")
    for page, text in TEXTS.items():
        for name, content in FILE.findall(text):
            (root / page / name).parent.mkdir(parents=True, exist_ok=True)
            (root / page / name).write_text(content, "utf-8")
    running = root / "running"
    assert main(["stubs", str(running / "door.yaml"), "-o", str(running / "door_types.py")]) == 0
    return {page: root / page for page in NAMES}


def test_every_file_of_the_pages_is_sound(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """`fsm check` finds nothing in the machines that are shown, and `fsm fmt` would change no file."""
    running = folders["running"]
    for path in (folders["language"], running / "door.yaml", running / "porter.yaml"):
        assert main(["check", str(path)]) == 0, capsys.readouterr().out
    for folder in folders.values():
        assert main(["fmt", "--check", *map(str, folder.rglob("*.yaml"))]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("page", NAMES)
def test_the_page_does_what_it_shows(page: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every python block runs and prints what its comments say; every command says what stands below it."""
    monkeypatch.chdir(folders[page])
    monkeypatch.syspath_prepend(folders[page])
    for module in ("door_types", "locks"):  # those of other tests are hidden, and ours are forgotten
        monkeypatch.setitem(sys.modules, module, None)
        del sys.modules[module]
    blocks = BLOCK.findall(TEXTS[page])
    assert {language for language, _ in blocks} <= {"python", "console"}  # whoever shows YAML shows a file
    for language, block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if language == "console":
                command, _, said = block.partition("\n")
                assert main(shlex.split(command)[2:]) == 0
                assert printed.getvalue() == said
            else:
                exec(compile(block, f"{page}.md", "exec"), {"__name__": "__main__"})
                assert expected(block)
                assert printed.getvalue().splitlines() == expected(block)


def expected(block: str) -> list[str]:
    """What the comments of a block say that it prints; `1, and then 2` stands in a loop."""
    return [line for said in SAID.findall(block) for line in said.split(", and then ")]


def test_the_python_of_the_pages_is_strictly_typed(folders: dict[str, Path]) -> None:
    """mypy --strict has nothing to say, nor of the world on the page about systems."""
    folder = folders["running"]
    for name, content in FILE.findall((PAGES / "systems.md").read_text("utf-8")):
        if name.endswith(".py"):
            (folder / name).write_text(content, "utf-8")
    for page in NAMES:
        for number, (_, block) in enumerate(found for found in BLOCK.findall(TEXTS[page]) if found[0] == "python"):
            (folder / f"{page}_{number}.py").write_text(block, "utf-8")
    files = sorted(path.name for path in folder.glob("*.py"))
    assert "lock_service.py" in files
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", *files],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


def test_the_reference_leaves_no_word_of_the_language_out() -> None:
    """Every key of a machine, every key of a row, every constant and every function of expressions stands there."""
    said = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", TEXTS["language"]))))
    assert {*MACHINE_KEYS, *ROW_KEYS, *CONSTANTS, *FUNCTIONS} <= said


@pytest.mark.parametrize("page", [*NAMES, "from-transitions"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    """A link names a file that exists, and each of the pages can be reached."""
    links = re.findall(r"\]\(([^)#]+)\)", (PAGES / f"{page}.md").read_text("utf-8"))
    assert {f"{name}.md" for name in NAMES if name != page} <= set(links)
    for link in links:
        assert (PAGES / link).exists(), link
