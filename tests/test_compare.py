"""Two versions of a spec compared: entries, the picture of both, and the shortest story that tells two spaces apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.compare.behaviour import compare
from fsm.compare.changes import Change, changes, of_document, of_machine
from fsm.compare.painted import painted
from fsm.compare.walk import Walked, walk
from fsm.errors import Place
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.language.document import parse
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.pictures.mermaid import mermaid
from fsm.pictures.picture import COLOURS, Picture
from fsm.pictures.svg import svg
from fsm.search.result import Limits
from fsm.search.space import Edge, Fairness, Firing, Property, Told
from tests.graphviz import needs_graphviz
from tests.spec_folder import folder

E = "machines/election.yaml"
TOYS = Path(__file__).parent / "data" / "toys"


def versions(tmp_path: Path, *edits: tuple[str, str, str]) -> tuple[Machine, Machine]:
    """The election of the small folder, and the same after some edits."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir(parents=True)
    return folder(tmp_path / "old").machine("election"), folder(tmp_path / "new", *edits).machine("election")


def found(tmp_path: Path, *edits: tuple[str, str, str]) -> dict[str, Change]:
    """What some edits of the election change, by sign, kind and name."""
    old, new = versions(tmp_path, *edits)
    return {f"{c.sign} {c.kind} {c.name}": c for c in changes(of_machine(old), of_machine(new))}


def row(text: str) -> str:
    """The one line of the election's file that holds a text."""
    lines = (folder_text()).splitlines()
    (line,) = [line for line in lines if text in line]
    return line


def folder_text() -> str:
    """The election's file as it is."""
    return (Path(__file__).parent / "data" / "engine" / E).read_text("utf-8")


def test_layout_comments_and_essay_are_no_change(tmp_path: Path) -> None:
    """Lines in another order, other blanks, a comment, another essay: nothing that a machine keeps."""
    rows = folder_text().partition("rows:\n")[2].splitlines()
    first, second = rows[:2]
    assert found(tmp_path, (E, f"{first}\n{second}\n", f"# a comment\n{second}\n\n{first}\n")) == {}
    assert found(tmp_path / "more", (E, "essay: who is master", "essay: something else")) == {}


def test_each_part_of_a_row_is_told_by_its_name(tmp_path: Path) -> None:
    """Guard, target, do, set, tell, duration and why, each alone, of the row that keeps its identity."""
    granted, waiting = row("daemon.granted"), row('decisions", to: proposing, do: daemon.propose, why: "ask')
    for part, line, old, new in (
        ("to", granted, "to: idle", "to: waiting"),
        ("set", granted, "role: me", "role: none"),
        ("after", waiting, '"poll"', '"2*poll"'),
        ("why", granted, 'why: "', 'why: "by the way, '),
    ):
        assert old in line
        (change,) = found(tmp_path / part, (E, line, line.replace(old, new, 1))).values()
        assert (change.sign, change.kind) == ("changed", "row")
        assert [name for name, _, _ in change.parts] == [part]


def test_a_row_added_and_one_removed(tmp_path: Path) -> None:
    """Where the event is another one, it is another row; nothing is guessed."""
    line = row("daemon.refused")
    said = found(tmp_path, (E, line, line.replace("daemon.refused", "done")))
    assert {"removed row proposing/daemon.refused", "added row proposing/done"} <= set(said)
    assert said["removed row proposing/daemon.refused"].parts[0][2] == ""


def test_states_variables_events_and_what_is_ignored(tmp_path: Path) -> None:
    """They are compared too; a group that grows is said once, not once for each of its rows."""
    said = found(
        tmp_path,
        (E, "events: {", "events: {extra: {}, "),
        (E, "ignore:\n", 'ignore:\n- {in: "*", on: [extra], why: "of no interest here"}\n'),
    )
    assert set(said) == {"added event extra", "added ignore */extra"}


def test_a_document_is_compared_by_its_sections() -> None:
    """Properties, faults and actions by name; a second action of one name is told from the first."""
    old = parse("{system: a, faults: {crash: any}, properties: {S: {always: x, why: w}}}", "old")
    new = parse("{system: b, faults: {crash: 1, loss: 1}, properties: {S: {always: y, why: w}}}", "new")
    said = {(c.sign, c.kind, c.name): c.parts for c in changes(of_document(old), of_document(new))}
    assert said == {
        ("changed", "fault", "crash"): (("", "any", "1"),),
        ("added", "fault", "loss"): (("", "", "1"),),
        ("changed", "property", "S"): (("always", "x", "y"),),
    }
    twins = parse("{actions: [{action: go, if: a}, {action: go, if: b}]}", "twins")
    assert list(of_document(twins)) == [("action", "go"), ("action", "go (2)")]


def picture(tmp_path: Path, *edits: tuple[str, str, str]) -> Picture:
    """The picture of the election before and after some edits."""
    old, new = versions(tmp_path, *edits)
    return painted(old, new, changes(of_machine(old), of_machine(new)))


def test_the_picture_has_both_versions_in_three_colours(tmp_path: Path) -> None:
    """A row that leads elsewhere is there twice in amber, thick as it is and dashed as it was; what did not change is
    grey, and signs say it without colours."""
    granted, refused = row("daemon.granted"), row("daemon.refused")
    drawn = picture(
        tmp_path,
        (E, granted, granted.replace("to: idle", "to: waiting")),
        (E, refused, refused.replace("daemon.refused", "done")),
    )
    strands = {(e.source, e.target, e.stroke, tone): lines for e in drawn.edges for tone, lines in e.strands.items()}
    assert strands["proposing", "waiting", "thick", "changed"][0].text.startswith("~ daemon.granted")
    assert strands["proposing", "idle", "dashed", "before"][0].text.startswith("~ daemon.granted")
    assert [line.text for line in strands["proposing", "looking", "dashed", "removed"]] == ["− daemon.refused"]
    assert [line.text for line in strands["proposing", "looking", "thick", "added"]] == ["+ done"]
    assert any(tone == "aside" for _, _, _, tone in strands)
    text = mermaid(drawn)
    for tone in ("added", "removed", "changed"):
        assert f"stroke:{COLOURS[tone]}," in text


def test_a_state_that_is_no_more_is_drawn_in_red(tmp_path: Path) -> None:
    """With its rows; so is a new one in green."""
    old, new = versions(tmp_path)
    drawn = painted(new, old, ())  # the same machine: nothing is toned
    assert not any(box.tone for box in drawn.frame.boxes())
    more = folder_text().replace("states: [", "states: [spare, ", 1)
    extra = '- {from: spare, after: "poll", to: idle, why: "it was spare"}\n'
    (tmp_path / "new" / E).write_text(more.replace("rows:\n", f"rows:\n{extra}", 1), "utf-8")
    spare = Library(tmp_path / "new").machine("election")
    for before, after, tone in ((old, spare, "added"), (spare, old, "removed")):
        drawn = painted(before, after, changes(of_machine(before), of_machine(after)))
        assert {box.name: box.tone for box in drawn.frame.boxes() if box.tone} == {"spare": tone}
        assert f"style s_spare stroke:{COLOURS[tone]}" in mermaid(drawn)


@needs_graphviz
def test_graphviz_draws_it(tmp_path: Path) -> None:
    """The colours arrive in the SVG."""
    granted = row("daemon.granted")
    text = svg(picture(tmp_path, (E, granted, granted.replace("to: idle", "to: waiting"))))
    assert COLOURS["changed"] in text
    assert "stroke-dasharray" in text


AT = Place("graph")


@frozen
class Graph:
    """A space that is written down: for each state its moves (label, target), and what is seen of it."""

    moves: Mapping[str, tuple[tuple[str, str], ...]]
    looks: Mapping[str, int] = field(factory=dict)
    begin: tuple[str, ...] = ("a",)
    name: str = "graph"
    at: Place = AT
    properties: tuple[Property, ...] = ()
    fairness: Fairness = field(factory=Fairness)
    rows: tuple[str, ...] = ()

    @property
    def outside(self) -> bool:
        """No."""
        return False

    def initial(self) -> Iterable[str]:
        return self.begin

    def edges(self, state: str) -> Iterator[Edge[str]]:
        for label, target in self.moves.get(state, ()):
            refused = "no answer" if target == "!" else None
            yield Edge(label, None if refused else target.strip("-"), label, None, refused, target.startswith("-"))

    def fired(self, edge: Edge[str]) -> Iterable[str]:
        return ()

    def told(self, edge: Edge[str]) -> Told:
        return Told("", (), (Firing("graph", "", "", {}, edge.label, "so it goes"),))

    def named(self, state: str) -> Mapping[str, int]:
        return {"look": self.looks.get(state, 0)}

    def whole(self, state: str) -> Any:
        raise AssertionError

    def foreign(self, label: str) -> bool:
        raise AssertionError

    def kernel(self) -> Any:
        raise AssertionError

    def images(self, state: str) -> Iterable[str]:
        return [state]

    def holds(self, property_: Property, part: str, state: str, target: str | None = None) -> bool:
        raise AssertionError


def walked(old: Graph, new: Graph, limits: Limits = Limits()) -> Walked:  # noqa: B008 - it is immutable
    """The walk over two graphs."""
    return walk(old, new, limits)


def test_the_same_behaviour_under_other_names_cannot_be_told_apart() -> None:
    """What states are called inside is nobody's business; all pairs were looked into."""
    old = Graph({"a": (("x", "b"),), "b": (("y", "a"),)})
    new = Graph({"a": (("x", "c"),), "c": (("y", "d"),), "d": (("x", "c"),)})
    said = walked(old, new)
    assert (said.apart, said.finished, said.pairs) == (None, True, 3)


def test_a_label_that_only_one_side_can_do() -> None:
    """The shortest story, with that label at its end on the side that can do it."""
    old = Graph({"a": (("x", "b"),), "b": (("y", "a"),)})
    new = Graph({"a": (("x", "b"),), "b": (("y", "a"), ("z", "c"))})
    apart = walked(old, new).apart
    assert apart is not None
    assert (apart.only, apart.label, apart.refused) == ("new", "z", False)
    assert [step.label for step in apart.new.steps] == ["x", "z"]
    assert [step.label for step in apart.old.steps] == ["x"]
    back = walked(new, old).apart
    assert back is not None
    assert back.only == "old"


def test_what_is_seen_differently() -> None:
    """The same labels, another sight: both values are told."""
    old = Graph({"a": (("x", "b"),)}, {"b": 1})
    new = Graph({"a": (("x", "b"),)}, {"b": 2})
    apart = walked(old, new).apart
    assert apart is not None
    assert apart.seen == {"look": ((1,), (2,))}
    assert apart.new.steps[-1].changes == {"look": (0, 2)}


def test_moves_that_change_nothing_or_are_cut_off_are_no_news() -> None:
    """One side alone having them tells nobody anything; a turn that is refused does."""
    old = Graph({"a": (("x", "a"),)})
    assert walked(old, Graph({"a": (("x", "a"), ("idle", "a"), ("far", "-b"))})).apart is None
    apart = walked(old, Graph({"a": (("x", "a"), ("bad", "!"))})).apart
    assert apart is not None
    assert (apart.refused, apart.only, apart.new.steps[-1].refused) == (True, "new", "no answer")


def test_sets_of_states_are_followed_where_a_label_leads_to_several() -> None:
    """`x` then `y` or `z`, chosen before or after `x`: no story of labels tells; a third choice does."""
    early = Graph({"a": (("x", "b"), ("x", "c")), "b": (("y", "d"),), "c": (("z", "d"),)})
    late = Graph({"a": (("x", "b"),), "b": (("y", "d"), ("z", "d"))})
    assert walked(early, late).apart is None
    third = Graph({"a": (("x", "b"),), "b": (("y", "d"), ("z", "d"), ("w", "d"))})
    apart = walked(early, third).apart
    assert apart is not None
    assert [step.label for step in apart.new.steps] == ["x", "w"]


def test_a_walk_that_is_cut_short_says_so() -> None:
    """No difference so far is not none."""
    endless = Graph({f"{n}": (("x", f"{n + 1}"),) for n in range(100)}, begin=("0",))
    said = walked(endless, endless, Limits(states=10))
    assert (said.finished, said.apart) == (False, None)


LABELS, STATES = "xyz", "abcd"
graphs = st.dictionaries(
    st.sampled_from(STATES),
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(STATES)), max_size=4).map(tuple),
)


def words(graph: Graph, length: int) -> set[tuple[str, ...]]:
    """All stories of so many labels at most, with stays left out where they are made."""
    ways: set[tuple[tuple[str, ...], str]] = {((), state) for state in graph.begin}
    for _ in range(length):
        ways |= {((*said, edge.label), str(edge.target)) for said, at in ways for edge in graph.edges(at)}
    return {said for said, _ in ways}


@settings(max_examples=150, deadline=None)
@given(graphs, graphs)
def test_the_story_found_is_a_shortest_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Against all stories, written out: where no move stays, what only one side can say begins at that length."""
    old, new = (Graph({s: tuple(m for m in moves if m[1] != s) for s, moves in g.items()}) for g in (one, other))
    apart = walked(old, new).apart
    if apart is None:
        assert words(old, 5) == words(new, 5)
        return
    length = max(len(apart.old), len(apart.new))
    assert words(old, min(length - 1, 5)) == words(new, min(length - 1, 5))
    if length <= 5:
        only = words(old, length) ^ words(new, length)
        longer = apart.new if apart.only == "new" else apart.old
        assert tuple(step.label for step in longer.steps) in only


def spoiled(tmp_path: Path, old: str, new: str) -> tuple[PoolSpace, PoolSpace]:
    """The careful toy system, and the same with a passage of its machine replaced."""
    root = Path(shutil.copytree(TOYS, tmp_path / "specs"))
    file = root / "machines" / "careful.yaml"
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")
    return tuple(PoolSpace(System.load(r / "systems" / "careful.yaml")) for r in (TOYS, root))  # type: ignore[return-value]


def test_what_a_change_does_to_a_system(tmp_path: Path) -> None:
    """Verdicts that moved with the story, rows that are reached no more, the counts, and where the two part."""
    both = spoiled(tmp_path, 'if: "not taken", to: critical', 'if: "taken", to: critical')
    said = compare(*both, Limits(), lambda _: None, lambda _: None)
    assert said.known
    assert said.differs
    assert {m.property: (m.old, m.new) for m in said.moved}["enters"] == ("holds", "not reached")
    assert any(row.startswith("careful.critical/") for row in said.rows[1])
    assert "careful.critical" in said.states[1]
    assert said.walked.apart is not None
    assert said.walked.apart.seen["inside"] == ((frozenset({0}),), (frozenset(),))


def test_a_why_changes_no_behaviour(tmp_path: Path) -> None:
    """Another sentence, the same pool."""
    both = spoiled(tmp_path, 'why: "nobody', 'why: "truly nobody')
    said = compare(*both, Limits(), lambda _: None, lambda _: None)
    assert said.known
    assert not said.differs


@pytest.mark.parametrize("side", [0, 1])
def test_of_a_search_that_is_cut_short_little_is_claimed(tmp_path: Path, side: int) -> None:
    """What the other side reaches may be reached here too, beyond the bound."""
    both = spoiled(tmp_path, 'why: "nobody', 'why: "truly nobody')
    said = compare(*both, Limits(states=1), lambda _: None, lambda _: None)
    assert not said.known
    assert not said.differs
    assert not (said.old, said.new)[side].finished
