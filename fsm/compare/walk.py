"""The shortest story that tells two spaces apart.

Both are walked at once, breadth first, by the labels of their moves. After the same labels the two must allow the same
labels, be refused the same ones, and look the same to properties, by all names that both have. The first place where
they do not is the end of a shortest story; when there is none, whoever sees labels and what properties see cannot tell
the two apart, whatever their states are called inside.

- A label may lead to several states, and there may be several at the beginning: what is walked are pairs of sets of
  states, those that a story can end in on either side.
- A move that changes nothing is no news: only one side having it is no difference. One that the constraint of a model
  cuts off is none.

Left out: stories that differ only after for ever, which a walk over finite ones cannot see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from fsm.language.domains import Value
from fsm.search.result import Limits
from fsm.search.space import Edge, Space
from fsm.search.trace import Trace, TraceStep, step_of

BETWEEN_LOOKS = 64
"""Pairs between two looks at the clock."""
Some = frozenset[Any]
"""The states that a story can end in."""
Seen = frozenset[tuple[Value, ...]]


@frozen
class Apart:
    """Where two spaces part.

    Arguments:
        label: what only one side can do after the same story, or what only one has no answer to; "" where they are seen
            differently.
        only: the side that can do it: "old" or "new"; "" where they are seen differently.
        refused: whether it is the lack of an answer that only this side has.
        seen: for each name the values on both sides, where they are seen differently.
        old, new: the story on either side, with what only it can do; it ends before that on the other.
    """

    label: str
    only: str
    refused: bool
    seen: Mapping[str, tuple[tuple[Value, ...], tuple[Value, ...]]]
    old: Trace
    new: Trace


@frozen
class Walked:
    """What came of a walk: how many pairs of sets were looked into, whether all of them, and where the two part."""

    pairs: int
    steps: int
    finished: bool
    apart: Apart | None


def walk(old: Space[Any], new: Space[Any], limits: Limits, progress: Callable[[int], None] = lambda _: None) -> Walked:
    """Walks both.

    Arguments:
        limits: when to stop: more pairs of sets than `states`, or after so many seconds.
        progress: told how many pairs were found, now and then.
    Errors: `SpecError` where a world breaks its own rules.
    """
    names = tuple(name for name in _names(old) if name in _names(new))
    return _Walk(_Look(old, names), _Look(new, names)).run(limits, progress)


def _names(space: Space[Any]) -> Mapping[str, Value]:
    return next((space.named(state) for state in space.initial()), {})


@define(eq=False)
class _Look:
    """One side: its moves by label, and what is seen of its states, each asked once."""

    space: Space[Any]
    names: tuple[str, ...]
    _moves: dict[Hashable, Mapping[tuple[str, bool], Some]] = field(factory=dict)
    _seen: dict[Hashable, tuple[Value, ...]] = field(factory=dict)

    def seen(self, states: Some) -> Seen:
        """What is seen of some states, by the names that both sides have."""
        return frozenset(self._observed(state) for state in states)

    def _observed(self, state: Any) -> tuple[Value, ...]:
        found = self._seen.get(state)
        if found is None:
            named = self.space.named(state)
            found = self._seen[state] = tuple(named[name] for name in self.names)
        return found

    def moves(self, states: Some) -> Mapping[tuple[str, bool], Some]:
        """For each (label, whether it is refused) the states after it."""
        if len(states) == 1:
            return self._of(next(iter(states)))
        together: dict[tuple[str, bool], Some] = {}
        for state in states:
            for key, targets in self._of(state).items():
                together[key] = together.get(key, frozenset()) | targets
        return together

    def _of(self, state: Any) -> Mapping[tuple[str, bool], Some]:
        found = self._moves.get(state)
        if found is None:
            grouped: dict[tuple[str, bool], set[Any]] = {}
            for edge in self.space.edges(state):
                if not edge.cut:
                    after = grouped.setdefault((edge.label, edge.refused is not None), set())
                    after.update([edge.target] if edge.refused is None else [])
            found = self._moves[state] = {key: frozenset(targets) for key, targets in grouped.items()}
        return found

    def story(self, labels: list[str], last: tuple[str, bool] | None, sight: tuple[Value, ...] | None) -> Trace:
        """A story of these labels.

        Arguments:
            last: a move that it ends with, if this side has it.
            sight: what its end looks like, if this side has such an end.
        """
        layers: list[dict[Any, tuple[Any, Edge[Any]] | None]] = [dict.fromkeys(self.space.initial())]
        for label in labels:
            layers.append({edge.target: (state, edge) for state in layers[-1] for edge in self._kept(state, label)})
        ends = list(layers[-1])
        ends = [state for state in ends if sight is None or self._observed(state) == sight] or ends
        able = [state for state in ends if last is not None and last in self._of(state)]
        path: list[Edge[Any]] = []
        at = (able or ends)[0]
        if able and last is not None:
            edges = self.space.edges(at)
            path.append(next(e for e in edges if (e.label, e.refused is not None) == last and not e.cut))
        sources = [at] * len(path)
        for layer in reversed(layers[1:]):
            step = layer[at]
            assert step is not None  # only the first layer has states that come from nowhere
            at, edge = step
            path.insert(0, edge)
            sources.insert(0, at)
        return Trace(self.space.named(at), tuple(self._steps(sources, path)))

    def _kept(self, state: Any, label: str) -> Iterator[Edge[Any]]:
        return (e for e in self.space.edges(state) if e.label == label and e.refused is None and not e.cut)

    def _steps(self, sources: list[Any], path: list[Edge[Any]]) -> Iterator[TraceStep]:
        for number, (source, edge) in enumerate(zip(sources, path, strict=True), 1):
            before = self.space.named(source)
            after = before if edge.target is None else self.space.named(edge.target)
            changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
            yield step_of(self.space, number, edge, changed)


@define(eq=False)
class _Walk:
    """One walk. Entry i of `pairs` was found from that at `parents[i]`, by the label with it."""

    old: _Look
    new: _Look
    pairs: list[tuple[Some, Some]] = field(factory=list, init=False)
    parents: list[tuple[int, str]] = field(factory=list, init=False)
    known: set[tuple[Some, Some]] = field(factory=set, init=False)

    def run(self, limits: Limits, progress: Callable[[int], None]) -> Walked:
        """Looks into pairs until the two part, none is left, or it has to stop."""
        began, at, depth, level_end = time.monotonic(), 0, 0, 1
        self.add((frozenset(self.old.space.initial()), frozenset(self.new.space.initial())), -1, "")
        while at < len(self.pairs):
            if at == level_end:
                depth, level_end = depth + 1, len(self.pairs)
            if at % BETWEEN_LOOKS == 0:
                progress(len(self.pairs))
                if limits.seconds is not None and time.monotonic() - began > limits.seconds:
                    return Walked(at, depth, False, None)
            if limits.states is not None and len(self.pairs) > limits.states:
                return Walked(at, depth, False, None)
            apart = self.look_into(at)
            if apart is not None:
                return Walked(at + 1, depth, True, apart)
            at += 1
        return Walked(at, depth, True, None)

    def add(self, pair: tuple[Some, Some], parent: int, label: str) -> None:
        """A pair that may be new."""
        if pair not in self.known:
            self.known.add(pair)
            self.pairs.append(pair)
            self.parents.append((parent, label))

    def look_into(self, at: int) -> Apart | None:
        """Finds the pairs that one leads to, or that here the two part."""
        old, new = self.pairs[at]
        seen = self.old.seen(old), self.new.seen(new)
        if seen[0] != seen[1]:
            return self.seen_apart(at, *seen)
        left, right = self.old.moves(old), self.new.moves(new)
        for key in dict.fromkeys((*left, *right)):
            if key not in left or key not in right:
                side, states, moves = ("old", old, left) if key in left else ("new", new, right)
                if moves[key] != states or key[1]:
                    return Apart(key[0], side, key[1], {}, *self.stories(at, key))
        for key, targets in left.items():
            if key in right and not key[1]:
                self.add((targets, right[key]), at, key[0])
        return None

    def seen_apart(self, at: int, old: Seen, new: Seen) -> Apart:
        """They look different here; where both have several looks, one that only one side has is shown."""
        one, other = next(iter(old - new or old)), next(iter(new - old or new))
        differ = {
            name: (_values(old, i), _values(new, i))
            for i, name in enumerate(self.old.names)
            if one[i] != other[i] or _values(old, i) != _values(new, i)
        }
        return Apart("", "", False, differ, *self.stories(at, None, one, other))

    def stories(
        self,
        at: int,
        last: tuple[str, bool] | None,
        one: tuple[Value, ...] | None = None,
        other: tuple[Value, ...] | None = None,
    ) -> tuple[Trace, Trace]:
        """The story that leads to a pair, on both sides."""
        labels: list[str] = []
        while self.parents[at][0] >= 0:
            at, label = self.parents[at]
            labels.insert(0, label)
        return self.old.story(labels, last, one), self.new.story(labels, last, other)


def _values(seen: Seen, index: int) -> tuple[Value, ...]:
    """All values that one name may have."""
    return tuple(sorted({sight[index] for sight in seen}, key=repr))
