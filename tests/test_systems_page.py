"""What the page about systems shows is what happens, from a machine's file to a world in Python."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import fsm
from fsm.cli import main
from fsm.explore import any_world, symmetry
from fsm.explore.quantifiers import MOST
from fsm.explore.system import KEYS
from fsm.explore.system_values import LARGEST_BUDGET, MOST_HOSTS
from fsm.explore.world_words import WORD
from fsm.search.explore import explore
from fsm.search.load import load_space
from fsm.search.space import KINDS

PAGES = Path(fsm.__file__).parent / "pages"
PAGE = (PAGES / "systems.md").read_text("utf-8")
BLOCK = re.compile(r"(?:(in )?`([\w./]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
FILES = {name: block for inside, name, _, block in BLOCK.findall(PAGE) if name and not inside}
KEY = re.compile(r" *- \{\w+|[ \w]+")
SECONDS = re.compile(r"\b\d+\.\d s\b")
LARGE = re.compile(r"^\| (\d) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)
NO = re.compile(r"^(\w+ +(violated|not reached|vacuous)  |the spec has no answer)", re.MULTILINE)


def write(folder: Path, inside: str, name: str, block: str) -> None:
    """Makes a file, or puts each line of a change in the place of the one that begins alike, else at the end."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    lines = path.read_text("utf-8").splitlines() if inside else []
    for line in block.splitlines():
        key = KEY.match(line) if inside else None
        place = next((i for i, other in enumerate(lines) if key and other.startswith(key[0])), len(lines))
        lines[place : place + 1] = [line]
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, where Python finds modules; those of other tests are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "lock_service", None)
    del sys.modules["lock_service"]
    return tmp_path


def said(command: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Runs a command, fed by printf where it says so; its exit code, and what it prints, all seconds alike."""
    typed, piped, command = command.removeprefix("$ ").rpartition(" | ")
    if piped:
        monkeypatch.setattr(sys, "stdin", io.StringIO(shlex.split(typed)[1].replace("\\n", "\n")))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(shlex.split(command)[1:])
    return code, SECONDS.sub("0.1 s", printed.getvalue())


def test_the_page_does_what_it_shows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its order: each file is written or changed, in the canonical layout, each command says what stands below it,
    and exits with 1 where the answer is no."""
    shown = 0
    for inside, name, language, block in BLOCK.findall(PAGE):
        if name:
            write(folder, inside, name, block)
        if language == "yaml":
            assert said(f"fsm fmt --check {name}", monkeypatch)[0] == 0, name
        if language == "console":
            command, _, expected = block.partition("\n")
            code, printed = said(command, monkeypatch)
            assert printed == expected
            assert code == bool(NO.search(printed))
            shown += 1
    assert shown == PAGE.count("```console")


def test_the_table_of_sizes_is_counted(folder: Path) -> None:
    """Each number of states is that of a search."""
    for name, block in FILES.items():
        write(folder, "", name, block.replace("in: writing", "in: [asking, writing]"))
    rows = LARGE.findall(PAGE)
    assert [row[0] for row in rows] == ["2", "3", "4"]
    for hosts, *told in rows:
        settings = [("hosts", hosts), ("settings.held", "false")]
        found = [
            explore(load_space(Path("locks.yaml"), [*settings, *more]), symmetry=symmetric).distinct
            for more, symmetric in (
                ([], False), ([], True), ([("faults.crash", "1")], False), ([("faults.crash", "3")], False),
            )
        ]  # fmt: skip
        assert [f"{states:,}" for states in found] == told, hosts


def test_the_table_leaves_no_key_of_a_system_out() -> None:
    """Those of the reader and of the schema, and the kinds of properties, stand there as code, in one table."""
    table = PAGE.partition("## The language of systems")[2].partition("## How large")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    schema = json.loads((Path(fsm.__file__).parent / "schema" / "system.json").read_text("utf-8"))
    assert sorted(key for row in rows for key in row) == sorted(KEYS) == sorted(schema["properties"])
    assert {*KINDS, *schema["$defs"]["property"]["properties"]} <= set(re.findall(r"`(\w+)`", table))


def test_the_limits_are_those_of_the_code() -> None:
    """Their numbers stand in the last table."""
    limits = PAGE.rpartition("| limit | |")[2]
    for number in (MOST_HOSTS, WORD, LARGEST_BUDGET, MOST, symmetry.MOST, any_world.MOST):
        assert re.search(rf"\b{number:,}\b", limits), number


def test_every_link_leads_somewhere() -> None:
    """And the page can be reached from those about the language and about models."""
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    for link in links:
        assert (PAGES / link).exists(), link
    for page in ("language", "modelling"):
        assert "(systems.md)" in (PAGES / f"{page}.md").read_text("utf-8")
