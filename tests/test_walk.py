"""Walks: what they prove of themselves, the golden traces that they are written as, and walking by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.cli import main
from fsm.errors import Place, SpecError
from fsm.explore.traces import play
from fsm.locate import specs
from fsm.search.explore import REFERENCE, explore
from fsm.search.load import load_space
from fsm.search.space import Edge, Fairness, Space
from fsm.search.walk import begin, fair, named_edges, walk_of, walked
from fsm.search.walk_by_hand import WalkByHand
from fsm.search.walk_traces import Origin, golden
from tests.graph_space import GraphSpace, promise

DATA = Path(__file__).parent / "data"
LIGHTS = DATA / "models" / "lights.yaml"
RING = DATA / "toys" / "systems" / "ring.yaml"

KINDS = ("always", "step", "eventually", "leads_to", "recoverable", "deadlock")


@st.composite
def graphs(draw: st.DrawFn) -> GraphSpace:
    """Five states, some moves of which are faults, any fairness, a promise of each kind."""
    state, group = st.integers(0, 4), st.sampled_from("abc")
    fault = st.sampled_from([None, None, None, "f", "operator"])
    moves = draw(st.lists(st.tuples(state, state, group, fault), max_size=12))
    sets = {name: draw(st.frozensets(state)) for name in "pq"} | {"": frozenset[int]()}
    patterns = st.lists(st.sampled_from(["a", "b", "?", "*"]), max_size=2).map(tuple)
    promised = [promise(kind, goal="q", counting_on=draw(st.sampled_from([(), ("f",)]))) for kind in KINDS]
    return GraphSpace(
        moves, sets, promised, Fairness(draw(patterns), draw(patterns)), draw(st.permutations(range(5)))[:2]
    )


@settings(max_examples=100)
@given(graphs())
def test_every_counterexample_is_a_walk_that_proves_itself(space: GraphSpace) -> None:
    """Whatever kind it is of: the walk that a trace tells of breaks the promise, and its golden trace says so."""
    for verdict in explore(space, engine=REFERENCE).verdicts:
        if verdict.verdict == "violated":
            assert verdict.trace is not None
            walk = walk_of(space, verdict.trace)
            assert walk.breaks(verdict.property, verdict.trace.loop)
            assert walk.trace(verdict.trace.loop) == verdict.trace
            text = golden(space, Origin("graph"), verdict.trace, [f"violates {verdict.property.name}"])
            assert text.endswith("----\nviolated\n")


@settings(max_examples=100)
@given(graphs(), st.lists(st.integers(0, 9), max_size=8))
def test_what_holds_is_broken_by_no_walk(space: GraphSpace, choices: list[int]) -> None:
    """Neither by one that ends nor by one that goes round."""
    walk = begin(space)
    for choice in choices:
        moves = list(walk.moves())
        if moves:
            walk.take(moves[choice % len(moves)])
    loops = [None, *(number for number in range(1, len(walk.states) + 1) if walk.closes(number))]
    for verdict in explore(space, engine=REFERENCE).verdicts:
        if verdict.verdict == "holds":
            assert not [loop for loop in loops if walk.breaks(verdict.property, loop)]


def test_moves_of_one_label_are_told_apart() -> None:
    """Those that lead apart get numbers; those that are the same are one."""

    class Twins(GraphSpace):
        def edges(self, state: int) -> Any:
            return [Edge("go", 1, "g"), Edge("go", 1, "g"), Edge("go", 2, "g"), Edge("cut", 3, "g", cut=True)]

    edges = named_edges(Twins([], {}, []), 0)
    assert {name: edge.target for name, edge in edges.items()} == {"go": 1, "go #2": 2}


def test_a_walk_stands_at_one_of_the_beginnings() -> None:
    """They are numbered; there are no more than there are."""
    space = GraphSpace([], {}, [], beginning=(3, 1))
    assert [begin(space, number).state for number in (1, 2)] == [3, 1]
    with pytest.raises(LookupError, match="graph has no state 3 at the beginning"):
        begin(space, 3)


def lights() -> Space[Any]:
    """Two lamps, and every promise broken in its own way."""
    return load_space(LIGHTS)


def test_every_counterexample_of_a_model_and_a_pool_is_played_again(tmp_path: Path) -> None:
    """What `golden` writes is what playing it gives, to the letter; for a refused turn as well."""
    for path, settings_ in ((LIGHTS, []), (RING, [("faults.duplicate", "1")])):
        space = load_space(path, settings_)
        result = explore(space, engine=REFERENCE)
        assert result.violated
        told = [(v.trace, v.property.name, v.property.kind) for v in result.verdicts if v.trace is not None]
        told += [(refusal.trace, "", "refused") for refusal in result.refusals]
        for number, (trace, name, kind) in enumerate(told):
            verb = {"reachable": "reaches", "refused": ""}.get(kind, "violates")
            origin = Origin(str(path), tuple(settings_))
            text = golden(space, origin, trace, [f"{verb} {name}"] if verb else [], f"{name} as a comment")
            file = tmp_path / f"{path.stem}{number}.txt"
            file.write_text(text, "utf-8")
            assert play(file, specs()).text == text
            assert ("REFUSED: station in holding has no row" in text) == (kind == "refused")


def written(tmp_path: Path, *commands: str) -> Path:
    """A trace of some commands, without their outputs, beside the model."""
    (tmp_path / "lights.yaml").write_text(LIGHTS.read_text("utf-8"), "utf-8")
    path = tmp_path / "story.txt"
    path.write_text("\n\n".join(f"{command}\n----" for command in commands) + "\n", "utf-8")
    return path


def test_a_walk_is_checked_move_by_move(tmp_path: Path) -> None:
    """Beside the trace the model is found; what does not hold is said in capitals."""
    path = written(
        tmp_path, "walk lights.yaml", "take toggle(i=0)", "take blackout", "take wait", "again from 3", "violates dark",
        "violates single", "holds fine", "holds dark", "reaches wired", "violates light",
    )  # fmt: skip
    played = play(path, specs())
    outputs = [block.partition("----\n")[2] for block in played.text.split("\n\n")]
    assert outputs == [
        "on[0]: false, on[1]: false, broken: false", "on[0]: false -> true", "broken: false -> true", "ok", "ok",
        "violated", "NOT VIOLATED", "holds", "VIOLATED", "NOT REACHED", "NOT VIOLATED\n",
    ]  # fmt: skip
    assert played.rows == {"toggle", "blackout", "wait"}


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (["take toggle(i=0)"], "1:1: nothing runs yet; begin with 'walk NAME' [no-system]"),
        (["walk"], "1:1: write 'walk NAME [--set NAME=VALUE]... [--without CLAUSE]... [--start N]' [bad-command]"),
        (["walk lights.yaml --set n"], "1:1: write 'walk NAME"),
        (["walk lights.yaml --set"], "1:1: write 'walk NAME"),
        (["walk lights.yaml --start 0"], "1:1: write 'walk NAME"),
        (["walk 'lights.yaml"], "1:1: write 'walk NAME"),
        (["walk lights.yaml --start 2"], "1:1: lights has no state 2 at the beginning"),
        (["walk lihgts"], "1:1: there is no system or model 'lihgts' here"),
        (["walk lights.yaml", "take togle(i=0)"], "4:1: there is no move 'togle(i=0)'; did you mean 'toggle(i=0)'"),
        (["walk lights.yaml", "again from 7"], "4:1: it does not stand where it stood before step 7 [impossible]"),
        (["walk lights.yaml", "again"], "4:1: write 'again from N'"),
        (["walk lights.yaml", "violates drak"], "4:1: there is no property that can be violated 'drak'; did you mean"),
        (["walk lights.yaml", "reaches dark"], "4:1: there is no reachable property 'dark'"),
    ],
)
def test_a_command_that_cannot_be_done_names_its_line(tmp_path: Path, commands: list[str], message: str) -> None:
    """And what would be right."""
    with pytest.raises(SpecError) as caught:
        play(written(tmp_path, *commands), specs())
    assert message in str(caught.value)


def test_a_trace_of_another_space_is_refused() -> None:
    """It is no walk there."""
    trace = begin(load_space(RING)).trace()
    with pytest.raises(SpecError, match=r"no walk goes the way of this trace.*\[impossible\]"):
        golden(lights(), Origin("lights"), trace)


def by_hand(path: Path = LIGHTS, columns: int | None = None) -> WalkByHand:
    """Somebody who stands at the beginning."""
    return WalkByHand(begin(load_space(path)), Origin(str(path)), columns=columns)


def test_a_state_is_shown_with_what_holds_and_what_is_possible() -> None:
    """Faults stand last, under their heading."""
    assert by_hand().say("") == [
        "lights, at the beginning:",
        "   on[0]: false, on[1]: false, broken: false",
        "   holds here: single, dark, fine",
        "   1  toggle(i=0)",
        "   2  toggle(i=1)",
        " faults:",
        "   3  blackout [power]",
    ]


def test_a_move_is_chosen_by_number_label_or_its_beginning() -> None:
    """What happened, where it stands now, what is broken here."""
    hand = by_hand()
    assert hand.say("1")[:3] == ["1. toggle(i=0)", "   somebody presses; #1 in the end", "   on[0]: false -> true"]
    assert "   violated here: dark: no blackout while lamp 0 is on" in hand.say("black")
    assert hand.say("back")[0] == "after step 1:"
    assert "   violated here: single: one lamp at a time" in hand.say("toggle(i=1)")
    assert hand.walk.names == ["toggle(i=0)", "toggle(i=1)"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("4", "there is no move 4; there are 3"),
        ("0", "there is no move 0; there are 3"),
        ("toggle", "'toggle' may be toggle(i=0), toggle(i=1)"),
        ("tuggle(i=0)", "there is no move 'tuggle(i=0)'; did you mean"),
        ("back", "this is the beginning"),
        ("jump", "say where to: the number of a step, or a file with a golden trace"),
        ("jump 1", "the way has 0 steps; there is no step 1"),
        ("jump nowhere.txt", "nowhere.txt: No such file or directory"),
        ("start 2", "lights has no state 2 at the beginning"),
        ("start it", "say which of the states at the beginning: 'start 1'"),
        ("random -1", "say how many moves, at most 10,000: 'random 10'"),
        ("save", "say which file: 'save story.txt'"),
        ("save .", ".: File exists"),
        ("\x00\x1b[31m", "there is no move '\\x00\\x1b[31m'"),
        ("swap(a=0, b=1)", "'swap(a=0, b=1)' is not possible here; 'help' says what can be said"),
        ("1" * 5000, "a line of 5,000 characters; at most 2,000"),
        ("jump a\0b", r"'a\x00b': embedded null byte"),
    ],
)
def test_what_cannot_be_done_gets_one_line(said: str, answer: str) -> None:
    """And nothing has changed."""
    hand = by_hand()
    (line,) = hand.say(said)
    assert line.startswith(answer)
    assert "\x1b" not in line
    assert not hand.walk.names


def test_the_way_back_and_forward() -> None:
    """A jump goes anywhere on the way; a new move makes another way."""
    hand = by_hand()
    for number in ("1", "1", "2"):
        hand.say(number)
    assert hand.say("jump 1")[0] == "1. toggle(i=0)"
    hand.say("jump 3")
    assert hand.walk.names == ["toggle(i=0)", "toggle(i=0)", "toggle(i=1)"]
    hand.say("jump 0")
    hand.say("blackout")
    assert hand.say("jump 3") == ["the way has 1 steps; there is no step 3"]


def test_a_way_is_saved_and_taken_again(tmp_path: Path) -> None:
    """As a golden trace that says what it breaks; a file that is there is not written over."""
    hand, file = by_hand(), tmp_path / "way.txt"
    hand.say("1")
    hand.say("blackout")
    assert hand.say(f"save {file}")[0].startswith(f"written to {file}")
    assert play(file, specs()).text == file.read_text("utf-8")
    assert "violates dark\n----\nviolated\n" in file.read_text("utf-8")
    assert hand.say(f"save {file}") == [f"{file}: File exists"]
    other = by_hand()
    other.say(f"jump {file}")
    assert other.walk.names == ["toggle(i=0)", "blackout"]
    (tmp_path / "no.txt").write_text("hello\n", "utf-8")
    (line,) = other.say(f"jump {tmp_path / 'no.txt'}")
    assert "this is no golden trace of a walk" in line


def test_all_of_a_state_can_be_shown() -> None:
    """Of a pool every host's machines and variables, what they share, what is left of budgets; of a model all
    variables, and budgets."""
    hand = by_hand(RING)
    assert hand.say("state")[:3] == ["   host 0:", "      station: waiting", "   host 1:"]
    hand = by_hand(DATA / "toys" / "systems" / "careless.yaml")
    hand.say("timer of careless at host 1")
    shown = [
        "   host 0:",
        "      careless: idle",
        "   host 1:",
        "      careless: entering",
        "   pool:",
        "      taken: false",
    ]
    assert hand.say("state") == shown
    space = load_space(LIGHTS, [("faults.power", "1")])
    hand = WalkByHand(begin(space), Origin("lights"))
    assert hand.say("state") == ["   on[0]: false, on[1]: false, broken: false, faults.power: 1"]
    left = WalkByHand(begin(load_space(RING, [("faults.duplicate", "1")])), Origin("ring")).say("state")
    assert left[-2:] == ["   left:", "      fault duplicate: 1"]
    assert hand.say("?") == hand.say("help")
    assert any(line.startswith("    state ") for line in hand.say("?"))


def test_chance_is_the_same_for_the_same_seed() -> None:
    """So many moves, each of which changes something, where there are any."""
    hands = [WalkByHand(begin(lights()), Origin("lights"), seed) for seed in (1, 1, 2)]
    for hand in hands:
        hand.say("random 5")
    ways = [list(hand.walk.names) for hand in hands]
    assert ways[0] == ways[1] != ways[2]
    hand = hands[0]
    hand.say("blackout")
    before = list(hand.walk.names)
    hand.say("random")
    assert hand.walk.names == before


def test_a_refused_turn_ends_a_walk() -> None:
    """Nothing is possible after it, but the way back."""
    hand = WalkByHand(begin(load_space(RING, [("faults.duplicate", "1")])), Origin("ring"))
    answer = [hand.say(said) for said in ("token for host 0 dup", "token reaches", "token reaches")][-1]
    assert "   REFUSED: station in holding has no row for link.token" in answer
    assert answer[-1] == "   nothing is possible any more; 'back' takes the last move back"
    assert hand.say("back")[0] == "after step 2:"


def test_colours_are_for_terminals() -> None:
    """There they are, and nowhere else."""
    said = [by_hand(columns=columns).say("1") for columns in (None, 80)]
    assert "\x1b[1m" in "".join(said[1])
    assert "\x1b" not in "".join(said[0])


def test_the_command_reads_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command is shown before its answer; the end of the input and `quit` end it."""
    for commands, last in (("1\ntrace\n", " ─"), ("2\nquit\n1\n", "> quit")):
        monkeypatch.setattr("sys.stdin", io.StringIO(commands))
        assert main(["walk", str(LIGHTS)]) == 0
        out = capsys.readouterr().out
        assert "> 1\n1. toggle(i=0)\n" in out or "> 2\n1. toggle(i=1)\n" in out
        assert out.splitlines()[-1].startswith(last)
        assert out.count("> ") - out.count(" -> ") == 2
    assert main(["walk", str(DATA / "nothing.yaml")]) == 2
    assert Place(str(DATA / "nothing.yaml")).file in capsys.readouterr().err


@pytest.mark.parametrize(("fairness", "is_fair"), [(Fairness(("a",), ("s",)), False), (Fairness(("a", "s")), True)])
def test_a_circle_owes_what_is_possible_again_and_again_where_that_is_strong(fairness: Fairness, is_fair: bool) -> None:
    """The way out is there in one of the two states: what is weak may be put off for ever, what is strong may not."""
    moves = [(0, 1, "a", None), (1, 0, "a", None), (0, 2, "s", None)]
    promised = promise("eventually")
    space = GraphSpace(moves, {"p": frozenset({2})}, [promised], fairness)
    assert fair(space, [0, 1, 0], promised) == is_fair
    assert walked(space, ["move 0", "move 1"]).breaks(promised, 1) == is_fair
    assert explore(space).violated == is_fair
