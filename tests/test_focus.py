"""What of a machine is shown, and what a path or a test run makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from fsm.pictures import focus
from fsm.pictures.focus import Focus
from fsm.pictures.picture import Picture, picture
from tests.spec_folder import folder

TRACES = Path(__file__).parent / "traces"
E = "machines/election.yaml"


@pytest.fixture
def election(tmp_path: Path) -> Machine:
    """The toy machine: idle, proposing, looking, and the group resting with waiting and tired."""
    return folder(tmp_path).machine("election")


def boxes(drawn: Picture) -> list[str]:
    """The boxes of a picture by name."""
    return [box.name for box in drawn.frame.boxes()]


def ends(drawn: Picture) -> set[tuple[str, str]]:
    """Where its edges lead."""
    return {(edge.source, edge.target) for edge in drawn.edges}


def test_near_shows_a_state_its_edges_and_their_other_ends(election: Machine) -> None:
    """Nothing else: no edge between two neighbours, and the start only where it is a neighbour."""
    near = picture(election, Focus(near="waiting"))
    assert boxes(near) == ["proposing", "looking", "resting", "waiting", "tired"]
    assert ends(near) == {
        ("looking", "waiting"),
        ("waiting", "proposing"),
        ("waiting", "tired"),
        ("resting", "looking"),
    }
    assert near.start is None
    assert picture(election, Focus(near="looking")).start == "idle"


def test_near_a_group_is_near_each_of_its_states(election: Machine) -> None:
    """With what goes on inside it."""
    assert ends(picture(election, Focus(near="resting"))) == ends(picture(election, Focus(near="waiting")))


def test_a_group_is_shown_without_its_states_where_only_it_leads_there(tmp_path: Path) -> None:
    """The row of a group that ends near the state comes from the box of the group."""
    toy = folder(tmp_path, (E, "to: waiting, why", "to: tired, why")).machine("election")
    near = picture(toy, Focus(near="looking", hidden=frozenset({"outcome", "event"})))
    assert boxes(near) == ["idle", "looking", "resting"]
    assert ends(near) == {("looking", "idle"), ("resting", "looking")}


@pytest.mark.parametrize("hidden", ["event", "timer", "outcome", "fault"])
def test_a_kind_can_be_hidden(election: Machine, hidden: str) -> None:
    """Edges and rows inside boxes of that kind, and no others; the states stay."""
    whole, rest = picture(election), picture(election, Focus(hidden=focus.kinds(hidden)))
    assert hidden in {tone for edge in whole.edges for tone in edge.strands}
    assert {tone for edge in rest.edges for tone in edge.strands} == {"event", "timer", "outcome", "fault"} - {hidden}
    assert [name for name in boxes(whole) if name != "resting"] == [name for name in boxes(rest) if name != "resting"]


def test_a_path_stands_out(election: Machine) -> None:
    """Its rows keep their colours and are thick; rows between the same boxes that are not on it are an edge apart."""
    drawn = picture(election, Focus(path=focus.path(election, "looking/daemon.gone,election.idle/master_lost/else")))
    found = {(edge.source, edge.target, edge.stroke): set(edge.strands) for edge in drawn.edges}
    assert found["looking", "idle", "thick"] == {"fault"}
    assert found["looking", "idle", "plain"] == {"aside"}
    assert found["idle", "looking", "thick"] == {"event"}
    assert sum(stroke == "thick" for _, _, stroke in found) == 2


def test_a_run_tells_what_fired_how_often_and_what_did_not(election: Machine, tmp_path: Path) -> None:
    """The coverage that pytest writes; a row that is not in it did not fire."""
    file = tmp_path / "cover.json"
    fired = {"election.idle/master_lost": 12, "election.looking/daemon.gone": 0}
    file.write_text(json.dumps({"machines": {"election": {"fired": fired}, "other": {}}}))
    drawn = picture(election, Focus(fired=focus.coverage(election, file)))
    strokes = {(edge.source, edge.target): edge.stroke for edge in drawn.edges}
    assert strokes.pop(("idle", "proposing")) == "plain"
    assert set(strokes.values()) == {"dashed"}
    first = drawn.edges[0]
    assert [line.text for line in first.strands["fired"]] == ["master_lost ×12", "[decisions and join ==…"]
    assert first.tips == ("election.idle/master_lost ×12 [decisions and join == idle]: try it",)


def test_how_often_a_row_fired_is_not_cut_off(tmp_path: Path) -> None:
    """Where the name of an event is too long for a line, the name is."""
    long = "a_master_that_is_lost_for_good"
    toy = folder(tmp_path, (E, "master_lost", long)).machine("election")
    drawn = picture(toy, Focus(fired={f"election.idle/{long}": 1234}))
    assert drawn.edges[0].strands["fired"][0].text == "a_master_that_is_… ×1234"


def test_the_rows_of_a_run_are_read_from_a_trace() -> None:
    """A golden one; what it mutes is no row that fired, and rows of other machines are others."""
    join = Library(specs()).machine("join")
    found = focus.journey(join, TRACES / "enable_undone.txt")
    assert {"join.idle/host.preconfigure", "join.attaching/storage.attached", "join.idle/host.join"} <= found
    assert found <= {row.id for row in join.rows}
    guest = Library(specs()).machine("guest")
    assert "guest.unknown/boot" not in focus.journey(guest, TRACES / "demo.txt")


def test_the_rows_of_a_run_are_read_from_a_trace_of_one_node(tmp_path: Path) -> None:
    """The kinds that failing tests of adapters print: of a node, and of nodes beside a world, with rows indented."""
    monitor = Library(specs()).machine("monitor")
    found = focus.journey(monitor, TRACES / "monitor_of_a_master.txt")
    assert {"monitor.off/start/master", "monitor.looking/daemon.liveset/else", "monitor.off/stop"} <= found
    story = tmp_path / "story"
    story.write_text("host 1: send monitor.stop\n    monitor looking -> off          monitor.looking/daemon.gone\n")
    assert focus.journey(monitor, story) == {"monitor.looking/daemon.gone"}


def test_the_rows_of_a_run_are_read_from_a_journal(election: Machine, tmp_path: Path) -> None:
    """Lines without a row, of other machines, or torn say nothing."""
    lines = (
        '{"journal": 1, "node": "h1", "machines": ["election"]}',
        '{"n": 1, "machine": "election", "row": "election.idle/master_lost/else", "why": "election.tired/after"}',
        '{"n": 2, "machine": "join", "row": "join.idle/host.join"}',
        '{"turn": 2, "refused": "why"}',
        '{"n": 3, "machine": "election", "row": "election.look',
    )
    file = tmp_path / "journal"
    file.write_text("\n".join(lines))
    assert focus.journey(election, file) == {"election.idle/master_lost/else"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"row": "election.idle/master_lots"}',
            "has no row 'election.idle/master_lots'; was it written with another",
        ),
        (
            "host 0: election idle -> x  election.x/y",
            "has no row 'election.x/y'; was it written with another",
        ),
        ("nothing of the kind", "no row of election fires in it; is it a journal or a trace?"),
        (b"\xff\xfe", "is no text in UTF-8"),
    ],
)
def test_a_file_that_tells_of_no_run_is_refused(
    election: Machine, tmp_path: Path, text: str | bytes, message: str
) -> None:
    """In one line that names the file."""
    file = tmp_path / "journal"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError, match=message) as raised:
        focus.journey(election, file)
    assert raised.value.place.file == str(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "says nothing of election; it is written by pytest --fsm-cover"),
        ('{"machines": {"election": {"fired": {"election.idle/done": -1}}}}', "says nothing of election"),
        ('{"machines": {"election": {"fired": {"election.idle/done": true}}}}', "says nothing of election"),
        (
            '{"machines": {"election": {"fired": {"election.idle/don": 1}}}}',
            "has no row 'election.idle/don'; was it written with",
        ),
    ],
)
def test_a_file_that_is_no_coverage_is_refused(election: Machine, tmp_path: Path, text: str, message: str) -> None:
    """In one line that says where it comes from."""
    file = tmp_path / "cover.json"
    file.write_text(text)
    with pytest.raises(SpecError, match=message) as raised:
        focus.coverage(election, file)
    assert "\n" not in str(raised.value)
