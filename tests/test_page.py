"""The generated pages: all of a machine is on its page, and a stale page fails here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from fsm.pictures.dot import dot
from fsm.pictures.page import page, stale
from fsm.pictures.picture import picture
from fsm.pictures.svg import digest
from tests.graphviz import needs_graphviz
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
    assert "\n![The states of election and the rows between them](election.svg)\n" in text
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


def test_what_is_done_on_entry_and_what_is_deferred_is_on_the_page(tmp_path: Path) -> None:
    """With its sentence, and only where there is any."""
    hooks = (
        E,
        "ignore:\n",
        'enter:\n  looking: {set: {role: none}, tell: election.done, why: "nobody is master yet"}\n'
        'exit:\n  resting: {tell: election.done, why: "for show, too"}\n'
        'defer:\n- {in: [looking], on: [done], why: "not while we look"}\nignore:\n',
    )
    assert "On entry" not in page(folder(tmp_path).machine("election"))
    text = page(folder(tmp_path, hooks).machine("election"))
    assert cells(text, "On entry and exit") == [
        ["enter", "looking", "**`role := none`**<br>→ `election.done`", "nobody is master yet"],
        ["exit", "resting", "→ `election.done`", "for show, too"],
    ]
    assert cells(text, "Deferred") == [["looking", "`done`", "not while we look"]]


def stand_in(machine: Machine) -> str:
    """What says that it is the picture of a machine, for those who have no Graphviz."""
    return f'<svg data-dot="{digest(dot(picture(machine)))}"></svg>\n'


def test_staleness_is_seen(tmp_path: Path) -> None:
    """A page or picture that is missing, changed, or without a machine is stale; a fresh one is not."""
    library = folder(tmp_path)
    machines = tmp_path / "machines"
    for name in library.names():
        (machines / f"{name}.md").write_text(page(library.machine(name)), encoding="utf-8")
        (machines / f"{name}.svg").write_text(stand_in(library.machine(name)), encoding="utf-8")
    assert stale(tmp_path) == {}
    folder(tmp_path, (N, "all hosts join", "all hosts must join"))
    (machines / "gone.md").write_text("# old", encoding="utf-8")
    (machines / "join.md").unlink()
    torn = machines / "restart.svg"
    torn.write_text(torn.read_text("utf-8")[:-3], encoding="utf-8")
    found = stale(tmp_path)
    assert {path.name for path in found} == {"enable.md", "enable.svg", "gone.md", "join.md", "restart.svg"}
    assert found[machines / "gone.md"] is None


def run(root: Path, *words: str, path: str | None = None) -> tuple[int, str, str]:
    """`tools/pages` in a checkout: exit code, output, errors."""
    command = [sys.executable, str(root / "tools" / "pages"), *words]
    env = os.environ if path is None else {**os.environ, "PATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=env)
    return done.returncode, done.stdout, done.stderr


def checkout(root: Path) -> Path:
    """A small checkout, with the tool and four machines."""
    for part in ("fsm", "tools"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "specs").mkdir()
    folder(root / "specs")
    return root


@needs_graphviz
def test_the_tool_checks_and_writes(tmp_path: Path) -> None:
    """`tools/pages --check` writes nothing and exits 1 while a page is stale; without it they are written."""
    root = checkout(tmp_path)
    code, output, errors = run(root, "--check")
    assert (code, len(re.findall(r"^specs/machines/\w+\.(?:md|svg) is stale", output, re.MULTILINE)), errors) == (
        1,
        8,
        "",
    )
    assert not (root / "specs" / E).with_suffix(".md").exists()
    assert run(root)[::2] == (0, "")
    assert run(root, "--check") == (0, "", "")


def test_the_tool_needs_graphviz_only_to_draw(tmp_path: Path) -> None:
    """Without it --check still says what is stale, and writing ends with one line and exit 2."""
    root = checkout(tmp_path)
    assert run(root, "--check", path="")[0] == 1
    code, _, errors = run(root, path="")
    assert code == 2
    assert "apt-get install graphviz" in errors
    assert errors.count("\n") == 1
