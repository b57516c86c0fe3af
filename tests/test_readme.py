"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FILES = dict(re.findall(r"`([\w./]+\.yaml)`, [^\n]*:\n\n```yaml\n(.*?)```", README, re.DOTALL))
LINES = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README shows, and the types that it makes of them."""
    root = tmp_path_factory.mktemp("readme")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, "utf-8")
    assert main(["stubs", str(root / "door.yaml"), "-o", str(root / "door_types.py")]) == 0
    return root


def test_the_files_of_the_readme_are_sound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsm check` says of the door what the README says it does, and `fsm fmt` would change nothing."""
    assert sorted(FILES) == ["door.yaml", "doorway.yaml", "ports/lock.yaml"]
    assert main(["check", str(folder / "door.yaml")]) == 0
    said = capsys.readouterr().out
    assert f"$ fsm check door.yaml\n{said}" in README
    assert main(["fmt", "--check", *(str(folder / name) for name in FILES)]) == 0
    capsys.readouterr()
    assert main(["verify", str(folder / "doorway.yaml")]) == 0
    explored = re.sub(r"\d+\.\d s", "0.1 s", capsys.readouterr().out)
    assert f"$ fsm verify doorway.yaml\n{explored}" in README


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_the_python_of_the_readme_prints_what_its_comments_say(
    block: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every python block runs, each print shows the comment behind it, and none has more than twenty lines."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    said = re.findall(r"print\(.*\)  # (.*)", block)
    assert said
    assert printed.getvalue().splitlines() == said
    assert len([line for line in block.splitlines() if line]) <= LINES


def test_the_python_of_the_readme_is_strictly_typed(folder: Path) -> None:
    """mypy --strict has nothing to say."""
    for number, block in enumerate(PYTHON):
        (folder / f"block_{number}.py").write_text(block, "utf-8")
    blocks = [f"block_{number}.py" for number in range(len(PYTHON))]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *blocks],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """A link to a file of the repository names one that exists."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_rows_that_the_readme_quotes_are_the_shipped_ones() -> None:
    """Those that are not the door's stand in election.yaml, letter by letter."""
    shipped = (ROOT / "specs/machines/election.yaml").read_text("utf-8").splitlines()
    rows = [row for row in re.findall(r"^- \{from: .*$", README, re.MULTILINE) if row not in FILES["door.yaml"]]
    assert rows
    assert [row for row in rows if row not in shipped] == []
