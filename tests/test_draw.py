"""The Mermaid picture of a machine: every row is in it, by its kind, and it never changes by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.draw import COLOURS, draw, kind
from fsm.load import Library
from fsm.locate import specs
from fsm.spec import SAME, Machine
from tests.spec_folder import folder

E, J = ("machines/election.yaml", "machines/join.yaml")
EDGE = re.compile(r'    (\w+) -- "([^"]*)" --> (\w+)')
ROOT = Path(__file__).resolve().parent.parent
SHIPPED = Library(specs())


def edges(text: str) -> list[tuple[str, str, str]]:
    """(source, label, target) of every labelled edge, in order."""
    return EDGE.findall(text)


def coloured(text: str) -> dict[int, str]:
    """For each edge that is drawn in a colour, the kind it stands for; the edge of the start is number 0."""
    names = {colour: name for name, colour in COLOURS.items()}
    found = re.findall(r"linkStyle ([\d,]+) stroke:(#\w+),", text)
    return {int(number): names[colour] for numbers, colour in found for number in numbers.split(",")}


def test_a_machine_is_drawn(tmp_path: Path) -> None:
    """States with what they wait for, groups as frames, edges with guard, durable writes in bold and tells."""
    text = draw(folder(tmp_path).machine("election"))
    assert 's_proposing("<b>proposing</b><br/><i>daemon.propose</i>")' in text
    assert text.index("subgraph s_resting") < text.index('s_waiting("') < text.index("    end\n")
    assert "start_ --> s_idle" in text
    assert ("s_proposing", "daemon.granted<br/><b>role := me</b><br/>→ election.done", "s_idle") in edges(text)
    assert ("s_waiting", "after poll [decisions]", "s_proposing") in edges(text)
    assert ("s_resting", "after 4*T", "s_looking") in edges(text)


def test_each_kind_of_edge_has_its_colour(tmp_path: Path) -> None:
    """Event, timer, outcome and fault, numbered as Mermaid counts edges."""
    text = draw(folder(tmp_path).machine("election"))
    kinds = {label.partition("<br/>")[0]: coloured(text)[n] for n, (_, label, _) in enumerate(edges(text), start=1)}
    assert kinds["after 4*T"] == "timer"
    assert kinds["daemon.gone"] == "fault"
    assert kinds["daemon.refused"] == "outcome"
    assert kinds["master_lost [else]"] == "event"
    assert len(coloured(text)) == len(edges(text))


def test_rows_for_all_states_leave_from_one_box(tmp_path: Path) -> None:
    """`*` is one box, not an edge from every state."""
    row = '- {from: "*", on: daemon.died, to: idle, why: "start over"}\nignore:\n'
    text = draw(folder(tmp_path, (E, "ignore:\n", row)).machine("election"))
    assert ("any_state", "daemon.died", "s_idle") in edges(text)
    assert '    any_state(["<b>any state</b>"])' in text


def test_calls_show_their_reply_and_rows_that_stay_stand_in_the_box(tmp_path: Path) -> None:
    """A reply is on the edge; a row that stays and does something is in the box, one that does nothing is not."""
    tell = (J, "daemon.died, to: same, why", "daemon.died, to: same, tell: election.done, why")
    text = draw(folder(tmp_path, tell).machine("join"))
    assert ("s_starting", "cancel<br/>↩ failed", "s_idle") in edges(text)
    assert 's_idle("<b>idle</b><br/>daemon.died<br/>→ election.done")' in text
    assert "daemon.died" not in draw(folder(tmp_path).machine("join"))


def test_rows_that_stay_in_a_group_have_a_box_of_their_own(tmp_path: Path) -> None:
    """The frame carries its name alone; a durable write that is too long for a line is named."""
    row = '- {from: resting, on: daemon.died, to: same, set: {role: "me if decisions else role"}, why: "so be it"}\n'
    text = draw(folder(tmp_path, (E, "ignore:\n", row + "ignore:\n")).machine("election"))
    assert '    subgraph s_resting["<b>resting</b>"]\n' in text
    assert '        s_resting_stays("daemon.died<br/><b>role := …</b>"):::stays\n' in text


def test_text_cannot_leave_its_label(tmp_path: Path) -> None:
    """What Mermaid or HTML would read as markup is escaped; a memory update is not drawn."""
    guard = (J, '"tries < 2"', '"tries < 2 and not empty({me})"')
    text = draw(folder(tmp_path, guard).machine("join"))
    assert "daemon.refused<br/>[tries #lt; 2 and not em…" in text
    assert "tries :=" not in text


@pytest.mark.parametrize("name", SHIPPED.names())
def test_every_row_of_a_shipped_machine_is_in_its_picture(name: str) -> None:
    """For every row that moves there is an edge between its boxes that names its event, in the colour of its kind."""
    machine = SHIPPED.machine(name)
    text = draw(machine)
    drawn = {(s, t, coloured(text)[n]): label for n, (s, label, t) in enumerate(edges(text), start=1)}
    for row in machine.rows:
        if row.target != SAME:
            written = row.id.partition(".")[2].partition("/")[0]
            box = "any_state" if written == "*" else f"s_{written}"
            label = drawn[box, f"s_{row.target}", kind(machine, row)]
            assert (row.event if row.scope is None else f"after {row.duration}") in label


def test_a_picture_is_byte_stable() -> None:
    """Another process with another hash seed draws the same bytes, and parsing anew does too."""
    name = SHIPPED.names()[0]
    here = draw(Library(specs()).machine(name))
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        code = f"from fsm.cli import main; main(['draw', {name!r}])"
        done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, check=True)
        assert done.stdout.decode() == here


def test_the_command_takes_a_name_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipped machine by its name, any other by its file; --page prints the page."""
    machine: Machine = folder(tmp_path).machine("election")
    assert main(["draw", str(tmp_path / E)]) == 0
    assert capsys.readouterr().out == draw(machine)
    assert main(["draw", SHIPPED.names()[0], "--page"]) == 0
    assert capsys.readouterr().out.startswith(f"# The machine `{SHIPPED.names()[0]}`\n")
