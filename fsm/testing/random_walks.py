"""Hypothesis strategies: random walks through a system or model, and the check that follows one.

    from hypothesis import example, given
    from fsm.testing import follow, open_space, walks

    SPACE = open_space("failover", {"hosts": 3})

    @given(walk=walks(SPACE))
    @example(walk=["host 0 leaves the liveset", "the agent of host 1 starts"])     # what was found once
    def test_every_walk_keeps_its_promises(walk):
        follow(SPACE, walk)

A walk is the list of the labels of its moves, so that what fails can be pinned as it is printed. It is drawn as a text
with one character for each move (see `fsm.testing.strategies`): a character means that of the possible moves whose
label hashes highest together with it. So each move has the same chance, and when one is cut out of a walk, those behind
it mostly mean what they meant before: walks shrink to the few moves that matter. Each walk does without some kinds of
fault, where anything else is possible, for walks in which everything breaks all the time never come far.

The checker looks at every state and this at some; it is for spaces that are too large for it, and for pinned walks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

from attrs import define, evolve, field
from hypothesis import strategies as st

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.locate import specs
from fsm.search.load import load_space
from fsm.search.space import Edge, Property, Space
from fsm.search.trace import closing
from fsm.search.walk import NUMBERED, Walk, begin, named_edges
from fsm.search.walk_traces import named_file

REMEMBERED = 10_000
"""States of a space whose moves a strategy remembers: examples begin alike."""
FAULT_BITS = 8
AFTERWARDS = ("eventually", "leads_to")
CHARACTERS = st.characters(min_codepoint=0x10000, max_codepoint=0x10FFFF)


def open_space(
    name: str | Path, settings: Mapping[str, object] | None = None, without: Sequence[str] = ()
) -> Space[Any]:
    """A system or model, to be walked through.

    Arguments:
        name: of one that is shipped, or a file.
        settings: as `fsm verify --set` takes them: {"hosts": 3}.
        without: clauses of the world to switch off.
    Errors: `fsm.errors.SpecError`.
    """
    path = named_file(str(name), (specs(), Path()), Place(str(name)))
    return load_space(path, [(key, str(value)) for key, value in (settings or {}).items()], without)


def walks(space: Space[Any], *, most: int = 50, start: int = 1) -> st.SearchStrategy[list[str]]:
    """Walks each move of which is possible when it comes.

    Arguments:
        space: where.
        most: the length of the longest.
        start: the number of the state at the beginning, from 1.
    """
    return _walks(space, most, start)


@st.composite
def _walks(draw: st.DrawFn, space: Space[Any], most: int, start: int) -> list[str]:
    without = draw(st.integers(0, 2**FAULT_BITS - 1))
    least = draw(st.integers(0, most))  # texts of no least length are short: five characters or so
    script = draw(st.text(CHARACTERS, min_size=least, max_size=most))
    return _guided(space, begin(space, start).state, script, without)


def follow(space: Space[Any], walk: Sequence[str], *, start: int = 1, promise: str | None = None) -> Walk[Any]:
    """Takes a walk, and fails where it breaks a promise.

    A label that is not possible ends the walk: a way that led to a mistake is closed once that is mended. What is left
    of the walk then stands in `left` of what is returned. Looked at are always, step and deadlock properties;
    eventually and leads_to where the walk ends in a state that it was in before, or may stay for ever where it ends;
    recoverable and reachable ones where they are asked for. A turn that is refused fails too.

    Arguments:
        space, walk, start: the walk, as `walks` draws it.
        promise: the name of the one property to look at; "" for none, only at turns that are refused. A reachable one
            fails where the walk does not reach it.
    Returns: the walk, as far as it goes.
    Errors: `AssertionError` with the story of what went wrong; `SpecError` for a label that is known to be that of no
        move: a pinned walk that cannot be followed proves nothing; for a property that there is not.
    """
    for number, label in enumerate(walk, 1):
        if space.foreign(NUMBERED.sub("", label)):
            message = f"the pinned walk cannot be followed, its step {number}, {label!r}, names no move of {space.name}"
            raise SpecError(space.at, f"{message}; delete the example or find it again", "unknown-name")
    judge = _Judge(space, promise)
    taken = begin(space, start)
    judge.look(taken)
    for number, label in enumerate(walk):
        edge = {name: edge for _, name, edge in _moves(space, taken.state)}.get(label) or taken.moves().get(label)
        if edge is None or (edge.target is None and promise):
            taken.left = tuple(walk[number:])
            break
        taken.names.append(label)
        taken.edges.append(edge)
        if edge.target is None:
            raise AssertionError(_story(taken, f"the spec has no answer: {taken.refused}"))
        taken.states.append(edge.target)
        judge.look(taken)
    judge.end(taken)
    return taken


@define(eq=False)
class _Judge:
    """Looks at the promises on a way: all that need no search, or the one that is named."""

    space: Space[Any]
    promise: str | None
    properties: Sequence[Property] = field(init=False)

    def __attrs_post_init__(self) -> None:
        known = {promised.name: promised for promised in self.space.properties}
        if self.promise and self.promise not in known:
            message = f"there is no property {self.promise!r}{suggest(self.promise, known)}"
            raise SpecError(self.space.at, message, "unknown-name")
        self.properties = [p for p in known.values() if self.promise in (None, p.name)]

    def look(self, walk: Walk[Any]) -> None:
        """Judges the last state and the move to it."""
        sound, last = _KNOWN.setdefault(walk.space, _Known()).sound, (self.promise, *walk.states[-2:])
        if last in sound:
            return
        for promised in self.properties:
            end = Walk(walk.space, 1, walk.states[-2:] if promised.kind == "step" else walk.states[-1:])
            if promised.kind in ("always", "step") and end.breaks(promised):
                raise AssertionError(_story(walk, f"{promised.name} is violated: {promised.why}"))
        if len(sound) < REMEMBERED:
            sound.add(last)

    def end(self, walk: Walk[Any]) -> None:
        """Judges where a way ends, and where it goes round."""
        stays = len(walk.states)
        circles = [number for number in range(1, stays + 1) if walk.closes(number)]
        for promised in self.properties:
            kind = promised.kind
            if kind == "reachable" and self.promise and not walk.reaches(promised):
                raise AssertionError(_story(walk, f"{promised.name} is not reached: {promised.why}", promised))
            loops: Sequence[int | None] = ()
            if kind == "deadlock" or (kind == "recoverable" and self.promise):
                loops = (None,)
            elif kind in AFTERWARDS and walk.starves(promised, stays):
                loops = circles
            for loop in loops:
                if walk.breaks(promised, loop):
                    raise AssertionError(_story(walk, f"{promised.name} is violated: {promised.why}", promised, loop))


def _story(walk: Walk[Any], what: str, shown: Property | None = None, loop: int | None = None) -> str:
    trace = walk.trace(loop)
    if shown is not None and shown.kind != "reachable":
        trace = evolve(trace, end=closing(walk.space, shown, walk.state, len(trace)))
    return "\n".join([what, *trace.lines(), f"walk={walk.names!r}"])


@define(eq=False)
class _Known:
    """What is remembered of a space, so that walks that begin alike cost little: moves by state, and the states and
    moves that break no promise."""

    moves: dict[Any, list[tuple[int, str, Edge[Any]]]] = field(factory=dict)
    sound: set[Any] = field(factory=set)


_KNOWN: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


def _guided(space: Space[Any], state: Any, script: str, without: int) -> list[str]:
    """The labels that a text means from a state on, for walks without those kinds of fault whose bit is set."""
    labels = list[str]()
    for character in script:
        moves, number = _moves(space, state), ord(character)
        usual = [move for move in moves if not (move[2].fault and without >> _bit(move[2].fault) & 1)]
        if not moves:
            break
        _, label, edge = max(usual or moves, key=lambda move: hash((move[0], number)))
        labels.append(label)
        if edge.target is None:
            break
        state = edge.target
    return labels


def _bit(kind: str) -> int:
    return crc32(kind.encode()) % FAULT_BITS


def _moves(space: Space[Any], state: Any) -> list[tuple[int, str, Edge[Any]]]:
    """The moves that change a state or are refused, with the hashes of their labels."""
    known = _KNOWN.setdefault(space, _Known()).moves
    found = known.get(state)
    if found is None:
        edges = named_edges(space, state).items()
        found = [(crc32(name.encode()), name, edge) for name, edge in edges if edge.target != state]
        if len(known) < REMEMBERED:
            known[state] = found
    return found
