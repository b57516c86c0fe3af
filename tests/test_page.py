"""The generated pages: all of a machine is on its page, and a stale page fails here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.load import Library
from fsm.locate import specs
from fsm.page import page, stale
from tests.spec_folder import folder

ROOT = Path(__file__).resolve().parent.parent
E, N = ("machines/election.yaml", "machines/enable.yaml")
SHIPPED = Library(specs())


def test_no_shipped_page_is_stale() -> None:
    """Every machine has its page beside it, made from the file as it is. To mend: run tools/pages."""
    assert {str(path.relative_to(specs())) for path in stale(specs())} == set()


def cells(text: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    lines = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]


def test_a_page_has_everything(tmp_path: Path) -> None:
    """Title, essay, diagram, variables, rows with their ids and sentences, what is ignored."""
    text = page(folder(tmp_path).machine("election"))
    assert text.startswith("# The machine `election`\n")
    assert "\nwho is master\n" in text
    assert "```mermaid\n%%{init" in text
    assert ["`role`", "`host?`", "host, shared", "`none`", "the master"] in cells(text, "Variables")
    row = next(row for row in cells(text, "Rows") if row[-1] == "`election.proposing/daemon.granted`")
    assert row[:3] == ["proposing", "`daemon.granted` (outcome)", ""]
    assert row[3:6] == ["idle", "**`role := me`**<br>→ `election.done`", "the lock is ours"]
    assert ["proposing, waiting, tired", "`master_lost`", "already at it"] in cells(text, "Ignored")


def test_one_line_of_the_file_is_one_line_of_the_table(tmp_path: Path) -> None:
    """Several events or states on one line stay together, with the id of each row."""
    rows = cells(page(folder(tmp_path).machine("enable")), "Rows")
    assert len(rows) == 7
    assert rows[-1][-1] == "`enable.asking/host.failed`<br>`enable.asking/host.lost`"


@pytest.mark.parametrize("name", SHIPPED.names())
def test_every_row_and_sentence_is_on_the_page(name: str) -> None:
    """No row of a shipped machine is lost on the way, and no cell breaks the table."""
    machine = SHIPPED.machine(name)
    text = page(machine)
    for row in machine.rows:
        assert f"`{row.id}`" in text
        assert row.why.replace("|", "\\|") in text
    assert {len(line) for line in cells(text.replace("\\|", "¦"), "Rows")} == {7}


def test_staleness_is_seen(tmp_path: Path) -> None:
    """A page that is missing, changed, or without a machine is stale; a fresh one is not."""
    folder(tmp_path)
    for path, text in stale(tmp_path).items():
        assert text is not None
        path.write_text(text, encoding="utf-8")
    assert stale(tmp_path) == {}
    folder(tmp_path, (N, "all hosts join", "all hosts must join"))
    (tmp_path / "machines" / "gone.md").write_text("# old", encoding="utf-8")
    (tmp_path / "machines" / "join.md").unlink()
    found = stale(tmp_path)
    assert {path.name for path in found} == {"enable.md", "gone.md", "join.md"}
    assert found[tmp_path / "machines" / "gone.md"] is None


def test_the_tool_checks_and_writes(tmp_path: Path) -> None:
    """`tools/pages --check` writes nothing and exits 1 while a page is stale; without it they are written."""
    for part in ("fsm", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "specs").mkdir()
    folder(tmp_path / "specs")

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, str(tmp_path / "tools" / "pages"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.stderr == ""
        return done.returncode, done.stdout

    code, output = run("--check")
    assert (code, output.count("is stale")) == (1, 4)
    assert not (tmp_path / "specs" / E).with_suffix(".md").exists()
    assert run()[0] == 0
    assert run("--check") == (0, "")
