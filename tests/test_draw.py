"""The picture of a machine, in Mermaid and by the command: every row is in it, and it never changes by itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.language.edges import KINDS, kind, source
from fsm.language.load import Library
from fsm.language.spec import SAME, Machine
from fsm.locate import specs
from fsm.pictures.draw import FORMATS, draw
from fsm.pictures.focus import Focus
from fsm.pictures.picture import COLOURS, GREY, Frame, Picture, picture
from tests.spec_folder import folder

E, J = ("machines/election.yaml", "machines/join.yaml")
EDGE = re.compile(r'    (\w+) -- "([^"]*)" --> (\w+)')
ROOT = Path(__file__).resolve().parent.parent
SHIPPED = Library(specs())
HOOKS = (
    E,
    "ignore:\n",
    'enter:\n  looking: {set: {role: none}, tell: election.done, why: "nobody is master yet"}\n'
    '  resting: {tell: election.done, why: "for show, too"}\n'
    'exit:\n  tired: {set: {role: me}, why: "made up, all of it"}\n'
    'defer:\n- {in: [looking], on: [done], why: "not while we look"}\nignore:\n',
)


def edges(text: str) -> list[tuple[str, str, str]]:
    """(source, label, target) of each labelled edge of a Mermaid text, as Mermaid numbers them from 1."""
    return EDGE.findall(text)


def coloured(text: str) -> dict[int, str]:
    """For each edge that is drawn in a colour, the colour; the edge of the start is number 0."""
    found = re.findall(r"linkStyle ([\d,]+) stroke:(#\w+),", text)
    return {int(number): colour for numbers, colour in found for number in numbers.split(",")}


def lines(drawn: Picture, name: str) -> list[str]:
    """What stands in a box, below its title."""
    return [line.text for box in drawn.frame.boxes() for line in box.lines if box.name == name]


def test_a_machine_is_drawn(tmp_path: Path) -> None:
    """States with what they wait for, groups as frames, edges with guard, durable writes in bold and tells."""
    text = draw(folder(tmp_path).machine("election"))
    assert 's_proposing("<b>proposing</b><br/><i>daemon.propose</i>")' in text
    assert text.index("subgraph f_resting") < text.index('s_waiting("') < text.index("    end\n")
    assert "start_ --> s_idle" in text
    assert ("s_proposing", "daemon.granted<br/><b>role := me</b><br/>→ election.done", "s_idle") in edges(text)
    assert ("s_waiting", "after poll [decisions]", "s_proposing") in edges(text)
    assert ("s_resting", "after 4*T", "s_looking") in edges(text)
    assert 's_resting(["<b>any of resting</b>"]):::any' in text


def test_each_kind_of_edge_has_its_colour(tmp_path: Path) -> None:
    """Numbered as Mermaid counts edges; an edge of several kinds is grey, and its lines have their colours."""
    text = draw(folder(tmp_path).machine("election"))
    colours = {label.partition("<br/>")[0]: coloured(text)[n] for n, (_, label, _) in enumerate(edges(text), start=1)}
    assert colours["after 4*T"] == COLOURS["timer"]
    assert colours["daemon.refused"] == COLOURS["outcome"]
    assert colours["master_lost [else]"] == COLOURS["event"]
    assert colours[f"<font color='{COLOURS['outcome']}'>daemon.liveset</font>"] == GREY
    assert f"<br/><font color='{COLOURS['fault']}'>daemon.gone</font>" in text
    assert len({COLOURS[name] for name in KINDS}) == 4
    assert len(coloured(text)) == len(edges(text))


def test_rows_for_all_states_leave_from_one_box(tmp_path: Path) -> None:
    """`*` is one box, not an edge from every state."""
    row = '- {from: "*", on: daemon.died, to: idle, why: "start over"}\nignore:\n'
    text = draw(folder(tmp_path, (E, "ignore:\n", row)).machine("election"))
    assert ("any_state", "daemon.died", "s_idle") in edges(text)
    assert '    any_state(["<b>any state</b>"]):::any\n' in text


def test_calls_show_their_reply_and_rows_that_stay_stand_in_the_box(tmp_path: Path) -> None:
    """A reply is on the edge; a row that stays and does something is in the box, one that does nothing is in a tip."""
    tell = (J, "daemon.died, to: same, why", "daemon.died, to: same, tell: election.done, why")
    machine = folder(tmp_path, tell).machine("join")
    assert ("s_stopping", "daemon.stopped<br/>↩ ok", "s_idle") in edges(draw(machine))
    assert lines(picture(machine), "idle") == ["daemon.died", "→ election.done"]
    plain = picture(folder(tmp_path).machine("join"))
    assert lines(plain, "idle") == []
    tips = [tip for box in plain.frame.boxes() for tip in box.tips]
    assert "join.idle/daemon.died: nothing to be done" in tips


def test_a_row_to_its_own_state_stands_in_the_box_behind_a_mark(tmp_path: Path) -> None:
    """It is no edge, and no row that stays: it leaves the state and enters it anew."""
    drawn = picture(folder(tmp_path).machine("join"))
    assert lines(drawn, "starting") == ["↻ daemon.refused", "[tries < 2]"]
    assert not [edge for edge in drawn.edges if edge.source == edge.target]


def test_rows_that_do_the_same_share_what_they_do() -> None:
    """After commas, each with its own guard; rows that do nothing but move have no commas."""
    lock, election = (picture(SHIPPED.machine(name)) for name in ("lock", "election"))
    assert lines(lock, "idle")[:4] == ["propose [not_live],", "propose [blind],", "propose [taken]", "→ agent.refused"]
    faults = next(e.strands["fault"] for e in election.edges if (e.source, e.target) == ("asking", "looking"))
    assert [line.text for line in faults] == ["host.failed", "host.lost"]


def test_entry_exit_and_deferred_events_stand_in_the_box(tmp_path: Path) -> None:
    """Those of a group in the box of the group; a durable write is bold there too."""
    drawn = picture(folder(tmp_path, HOOKS).machine("election"))
    assert lines(drawn, "looking") == ["enter / role := none", "enter / → election.done", "done / defer"]
    assert lines(drawn, "resting") == ["enter / → election.done"]
    assert lines(drawn, "tired") == ["exit / role := me"]
    looking = next(box for box in drawn.frame.boxes() if box.name == "looking")
    assert [line.style for line in looking.lines] == ["bold", "", ""]
    assert looking.tips == ("enter: nobody is master yet", "defers done: not while we look")


def test_groups_nest(tmp_path: Path) -> None:
    """A frame stands inside the frame of the group that it belongs to, where its first state stands in the file."""
    states = (E, "{resting: [waiting, tired]}", "{calm: [{resting: [waiting]}, tired]}")
    parts = picture(folder(tmp_path, states).machine("election")).frame.parts
    assert [part.name for part in parts] == ["idle", "proposing", "looking", "calm"]
    calm = parts[-1]
    assert isinstance(calm, Frame)
    assert [(type(part).__name__, part.name) for part in calm.parts] == [("Frame", "resting"), ("Box", "tired")]


def test_rows_that_stay_in_a_group_stand_in_its_box(tmp_path: Path) -> None:
    """The frame carries its name alone; a durable write that is too long for a line is named."""
    row = '- {from: resting, on: daemon.died, to: same, set: {role: "me if decisions else role"}, why: "so be it"}\n'
    text = draw(folder(tmp_path, (E, "ignore:\n", row + "ignore:\n")).machine("election"))
    assert '    subgraph f_resting["<b>resting</b>"]\n' in text
    blue = f"<font color='{COLOURS['event']}'>"
    inside = f"<br/>{blue}daemon.died</font><br/>{blue}<b>role := …</b></font>"
    assert f'        s_resting(["<b>any of resting</b>{inside}"]):::any\n' in text


def test_text_cannot_leave_its_label(tmp_path: Path) -> None:
    """What Mermaid or HTML would read as markup is escaped; a memory update is not drawn."""
    guard = (J, '"tries < 2"', '"tries < 2 and not empty({me})"')
    text = draw(folder(tmp_path, guard).machine("join"))
    assert ">[tries #lt; 2 and not empt…<" in text
    assert "tries :=" not in text


@pytest.mark.parametrize("name", SHIPPED.names())
def test_every_row_of_a_shipped_machine_is_in_its_picture(name: str) -> None:
    """For every row that moves there is an edge between its boxes that names its event, in the colour of its kind."""
    machine = SHIPPED.machine(name)
    text = draw(machine)
    drawn = {(s, t): (label, coloured(text)[n]) for n, (s, label, t) in enumerate(edges(text), start=1)}
    for row in machine.rows:
        if row.target not in (SAME, source(row)):
            box = "any_state" if source(row) == "*" else f"s_{source(row)}"
            label, colour = drawn[box, f"s_{row.target}"]
            event = row.event if row.scope is None else f"after {row.duration}"
            assert event in label
            assert (
                colour == COLOURS[kind(machine, row)] or f"<font color='{COLOURS[kind(machine, row)]}'>{event}" in label
            )


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_a_picture_is_byte_stable(form: str) -> None:
    """Another process with another hash seed draws the same bytes, and parsing anew does too."""
    name = "join"
    here = draw(Library(specs()).machine(name), form)
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        code = f"from fsm.cli import main; main(['draw', {name!r}, '--format', {form!r}])"
        done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, check=True)
        assert done.stdout.decode() == here


def test_a_mark_of_the_focus_is_drawn(tmp_path: Path) -> None:
    """In Mermaid: a path is thick and the rest grey, what a run missed is dashed, the state that is near is thick."""
    machine = folder(tmp_path).machine("election")
    text = draw(machine, focus=Focus(path=frozenset({"election.waiting/after"}), near="waiting"))
    assert f"stroke:{COLOURS['timer']},color:{COLOURS['timer']},stroke-width:4px" in text
    assert f"stroke:{COLOURS['aside']}" in text
    assert 's_waiting("<b>waiting</b>"):::strong' in text
    missed = draw(machine, focus=Focus(fired={"election.looking/daemon.gone": 3}))
    assert f"stroke:{COLOURS['missed']},color:{COLOURS['missed']},stroke-dasharray:4" in missed
    assert "daemon.gone ×3" in missed


def test_the_command_takes_a_name_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipped machine by its name, any other by its file; --page prints the page."""
    machine: Machine = folder(tmp_path).machine("election")
    assert main(["draw", str(tmp_path / E)]) == 0
    assert capsys.readouterr().out == draw(machine)
    assert main(["draw", SHIPPED.names()[0], "--page"]) == 0
    assert capsys.readouterr().out.startswith(f"# The machine `{SHIPPED.names()[0]}`\n")


def test_the_command_writes_a_file_in_the_format_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless --format says another one."""
    machine = SHIPPED.machine("guest")
    for name, words, form in (
        ("g.dot", [], "dot"),
        ("g.txt", [], "mermaid"),
        ("h.dot", ["--format", "mermaid"], "mermaid"),
    ):
        assert main(["draw", "guest", "-o", str(tmp_path / name), *words]) == 0
        assert (tmp_path / name).read_text("utf-8") == draw(machine, form)
    assert capsys.readouterr().out == ""


def test_the_command_shows_what_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """--near, --hide and --path, as the function does with a focus."""
    assert main(["draw", "election", "--near", "asking", "--hide", "fault", "--path", "asking/host.on"]) == 0
    asked = Focus(near="asking", hidden=frozenset({"fault"}), path=frozenset({"election.asking/host.on"}))
    assert capsys.readouterr().out == draw(SHIPPED.machine("election"), focus=asked)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--near", "askin"], "did you mean 'asking'?"),
        (["--hide", "event,timers"], "did you mean 'timer'?"),
        (["--path", "asking/host.onn"], "did you mean 'election.asking/host.on'?"),
        (["--page", "--near", "asking"], "a page shows the whole machine"),
        (["-o", "{}/election.png"], "draw writes svg, dot or mermaid, not png; write an .svg"),
        (["--journal", "{}/nothing"], "No such file"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names what is wrong and the nearest right name; exit 2, nothing drawn."""
    assert main(["draw", "election", *(word.format(tmp_path) for word in words)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert output.err.count("\n") == 1


def test_without_graphviz_an_svg_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit 2."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["draw", "election", "--format", "svg"]) == 2
    output = capsys.readouterr()
    assert "apt-get install graphviz" in output.err
    assert (output.out, output.err.count("\n")) == ("", 1)


def test_a_graphviz_that_fails_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says first, and exit 2."""
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'no plugin for you' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert main(["draw", "election", "--format", "svg"]) == 2
    assert "dot failed: no plugin for you" in capsys.readouterr().err


def test_there_are_three_formats() -> None:
    """And another one is no format."""
    assert list(FORMATS) == ["mermaid", "dot", "svg"]
    with pytest.raises(KeyError):
        draw(SHIPPED.machine("lock"), "png")
