"""A picture in DOT and as SVG: whole, coloured, stable, and safe from whatever a spec may say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm.cli import main
from fsm.language.load import Library
from fsm.locate import specs
from fsm.pictures.dot import dot
from fsm.pictures.draw import draw
from fsm.pictures.focus import Focus
from fsm.pictures.mermaid import mermaid
from fsm.pictures.picture import COLOURS, Box, Edge, Frame, Line, Picture, picture, printable
from fsm.pictures.svg import made_from, svg
from tests.graphviz import needs_graphviz
from tests.spec_folder import folder
from tests.test_draw import HOOKS

SHIPPED = Library(specs())
S = "{http://www.w3.org/2000/svg}"
EDGE = re.compile(
    r'    (\w+) -> (\w+) \[id=edge_\d+(, dir=back)?, color="([#:\w]+)"(.*), label=<(.*)>, tooltip="(.*)"\]'
)


def edges(text: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(colours, style, label) of each edge, by its ends."""
    found = {}
    for above, below, back, colour, style, label, _ in EDGE.findall(text):
        found[(below, above) if back else (above, below)] = (colour, style, label)
    return found


def test_an_edge_has_a_stripe_for_each_kind_and_lines_in_their_colours(tmp_path: Path) -> None:
    """Event, timer, outcome and fault; a durable write is bold; all rows between two boxes share an edge."""
    drawn = edges(draw(folder(tmp_path).machine("election"), "dot"))
    green, red = COLOURS["outcome"], COLOURS["fault"]
    colour, _, label = drawn["s_looking", "s_idle"]
    assert colour == f"{green}:{red}"
    assert f'<FONT COLOR="{green}"><B>role := …</B></FONT>' in label
    assert f'<FONT COLOR="{red}">daemon.gone</FONT>' in label
    assert drawn["s_resting", "s_looking"][0] == COLOURS["timer"]
    assert drawn["s_idle", "s_proposing"][0] == COLOURS["event"]


def test_frames_final_states_and_hooks_have_their_shapes(tmp_path: Path) -> None:
    """A group is a cluster with a box of its own; entry effects stand in the box; a final state two lines."""
    text = draw(folder(tmp_path, HOOKS).machine("election"), "dot")
    assert "    subgraph cluster_resting {\n" in text
    assert re.search(r's_resting \[.*<B>any of resting</B>.*enter / → election.done.*style="rounded,dashed"', text)
    assert re.search(r"s_looking \[.*<B>enter / role := none</B>.*done / defer", text)
    assert re.search(r"s_stopped \[.*peripheries=2", draw(SHIPPED.machine("membership"), "dot"))


def test_an_edge_to_an_earlier_state_runs_upward(tmp_path: Path) -> None:
    """It is written downward, with its arrow at the tail, so that the order of the file is that of the picture."""
    text = draw(folder(tmp_path).machine("election"), "dot")
    assert "    s_idle -> s_proposing [id=edge_1, color=" in text
    assert re.search(r"    s_idle -> s_proposing \[id=edge_\d, dir=back, ", text)
    assert "s_proposing -> s_idle" not in text


def test_marks_of_the_focus(tmp_path: Path) -> None:
    """A path is thick and the rest grey; what a run missed is dashed; a box that is near has a thick line."""
    machine = folder(tmp_path).machine("election")
    path = edges(draw(machine, "dot", Focus(path=frozenset({"election.looking/daemon.gone"}))))
    assert path["s_resting", "s_looking"][0] == COLOURS["aside"]
    text = draw(machine, "dot", Focus(path=frozenset({"election.looking/daemon.gone"})))
    assert re.search(rf's_looking \[id=edge_\d, dir=back, color="{COLOURS["fault"]}", penwidth=3', text)
    run = draw(machine, "dot", Focus(fired={"election.looking/daemon.gone": 3}))
    assert "daemon.gone ×3" in run
    assert edges(run)["s_resting", "s_looking"][:2] == (COLOURS["missed"], ", style=dashed")
    assert re.search(r"s_waiting \[.*penwidth=3", draw(machine, "dot", Focus(near="waiting")))


@pytest.mark.parametrize("name", SHIPPED.names())
def test_every_row_of_a_shipped_machine_is_in_a_tooltip(name: str) -> None:
    """With its id and its sentence, whatever the labels leave out."""
    machine = SHIPPED.machine(name)
    text = draw(machine, "dot").replace('\\"', '"').replace("&amp;", "&")
    for row in machine.rows:
        assert f"{row.id}: {row.why}" in text or re.search(re.escape(f"{row.id} [") + ".*" + re.escape(row.why), text)


@needs_graphviz
@pytest.mark.parametrize("name", SHIPPED.names())
def test_every_shipped_machine_is_drawn_as_svg(name: str) -> None:
    """Well formed, with each row in a tooltip, small enough for a repository, and the same bytes again."""
    machine = SHIPPED.machine(name)
    text = draw(machine, "svg")
    titles = "\n".join(title.text or "" for title in Xml.fromstring(text).iter(f"{S}title"))
    for row in machine.rows:
        assert row.id in titles
        assert row.why in titles
    assert len(text.encode()) < 80_000
    assert text == draw(machine, "svg")
    assert made_from(picture(machine), text)
    assert made_from(picture(machine), (specs() / "machines" / f"{name}.svg").read_text("utf-8"))


@needs_graphviz
def test_an_svg_stands_by_itself() -> None:
    """No script, no link, no comment, no version; each label lies above every line."""
    text = draw(SHIPPED.machine("election"), "svg")
    assert not re.search(
        r"<script|<a |xlink|http(?!://www.w3.org/2000/svg)|<!--|generated|version", text, re.IGNORECASE
    )
    kinds = [group.get("class") for group in Xml.fromstring(text)[0] if group.tag == f"{S}g"]
    assert kinds == sorted(kinds, key=lambda kind: kind == "label")
    assert kinds.count("label") == len(picture(SHIPPED.machine("election")).edges)


@needs_graphviz
def test_no_line_runs_through_the_name_of_a_frame() -> None:
    """It lies above every line, on a rim, as the labels of edges do."""
    graph = Xml.fromstring(draw(SHIPPED.machine("membership"), "svg"))[0]
    named = {text.text: group for group in graph for text in group.iter(f"{S}text") if text.text in ("joining",)}
    assert named["joining"].get("class") == "label"
    assert named["joining"].find(f"{S}use") is not None


@needs_graphviz
def test_a_page_in_a_file_has_its_picture_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be read where it was written."""
    assert main(["draw", "lock", "--page", "-o", str(tmp_path / "page.md")]) == 0
    assert "(lock.svg)" in (tmp_path / "page.md").read_text("utf-8")
    assert (tmp_path / "lock.svg").read_text("utf-8") == draw(SHIPPED.machine("lock"), "svg")
    assert capsys.readouterr().out == ""


CHARACTERS = "NGE<>&\"'\\\n\r\t#;`|{}[]()%$é→\u202e\x00\x1b\u00a0\ud800\ufffe😀 aN"
HOSTILE = (st.text(CHARACTERS, max_size=12) | st.text(max_size=12)).filter(str.strip)
LINES = st.lists(st.builds(Line, HOSTILE, st.sampled_from(["", "bold", "italic"])), min_size=1, max_size=3).map(tuple)
TIPS = st.lists(HOSTILE.map(printable), max_size=3).map(tuple)
"""Whatever a guard, a label or a sentence could be: not blank. Names of states are identifiers."""


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Two boxes in a frame and an edge, with hostile text wherever text may stand."""
    boxes = tuple(Box(name, "state", draw(LINES), draw(LINES), draw(TIPS)) for name in ("end", "node"))
    strands = {"event": draw(LINES), "fault": draw(LINES)}
    edge = Edge("end", "node", "plain", strands, draw(TIPS))
    return Picture("graph", "end", Frame("", (Frame("subgraph", boxes),)), (edge, evolve(edge, target="end")))


def texts(drawn: Picture) -> Iterator[str]:
    """Every line of a picture."""
    for box in drawn.frame.boxes():
        yield from (line.text for line in (*box.title, *box.lines))
    for edge in drawn.edges:
        yield from (line.text for lines in edge.strands.values() for line in lines)


@given(pictures())
@settings(max_examples=100, deadline=None)
def test_no_text_can_leave_its_label(drawn: Picture) -> None:
    """In Mermaid and DOT a label is on one line, and closes where it should."""
    for line in mermaid(drawn).splitlines():
        assert line.count('"') in (0, 2) or line.startswith("%%")
    names = re.compile(r'"(?:[^"\\]|\\.)*"')
    for line in dot(drawn).splitlines():
        assert '"' not in names.sub("", line)
        outside = re.sub(r"=<.*>(?=[,\]])", "", names.sub("", line))
        assert not set(outside.replace("->", "")) & set("<>&\\")


@needs_graphviz
@given(pictures())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_graphviz_reads_back_every_text(drawn: Picture) -> None:
    """DOT parses; the SVG is well-formed and its labels and tooltips say what the picture says, to the letter."""
    root = Xml.fromstring(svg(drawn))
    shown = {"".join((text.text or "").split()) for text in root.iter(f"{S}text")}
    assert {"".join(text.split()) for text in texts(drawn)} <= shown
    titles = {title.text for title in root.iter(f"{S}title")}
    tips = [box.tips for box in drawn.frame.boxes()] + [edge.tips for edge in drawn.edges]
    assert {"\n".join(lines) for lines in tips if lines} <= titles
