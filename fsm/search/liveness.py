"""Promises of the future, decided over arrays. What they mean is said by `fsm.search.liveness_reference`.

The search keeps no edges, so every state is expanded once more, and all moves are kept: by their sources, 8 bytes each.
A round is looked for in all components at once: scipy finds them, and what each of them owes and pays is counted over
pairs (component, group). What is left of those that cannot pay a strong debt goes through the same again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from fsm.search.distinct import distinct
from fsm.search.engine import Lasso
from fsm.search.fairness import FREE, NEVER, STRONG, WEAK, Group, at_once, debt
from fsm.search.fast import CHUNK, FastSearch
from fsm.search.lasso import Round, lay
from fsm.search.result import Limits
from fsm.search.space import Property

if TYPE_CHECKING:
    from fsm.search.space import Mask, Packed, Positions

Numbers = NDArray[np.int32]
DEBTS = (NEVER, FREE, WEAK, STRONG)
"""In arrays a debt is its index here."""
_WEAK, _STRONG = DEBTS.index(WEAK), DEBTS.index(STRONG)


def decide_fast(
    search: FastSearch,
    asked: Sequence[Property],
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
) -> dict[str, Lasso | None]:
    """Decides `recoverable`, `eventually` and `leads_to`.

    Arguments:
        search: a finished one. What was found with symmetry is found once more without, unless all that is asked is
            `recoverable`: fairness tells hosts apart. What is violated where states were left out is looked for once
            more among all of them: what was found may want more faults than there are, in the order of the story.
        asked: the properties.
        limits: of a second search, and the seconds of all of it; what they cut short is not decided.
    Returns: for each that is decided by its name a counterexample, the keys of which are packed states, or None.
    Errors: `SpecError` where a formula has no value.
    """
    until = math.inf if limits.seconds is None else time.monotonic() + limits.seconds
    if search.symmetry and any(property_.kind != "recoverable" for property_ in asked):
        return _decide_again(search, asked, limits, until)
    decided = _decide(search, asked, until)
    violated = [property_ for property_ in asked if decided.get(property_.name) is not None]
    if search.subsume and violated:
        for property_ in violated:
            del decided[property_.name]
        decided |= _decide_again(search, violated, limits, until)
    return decided


def _decide_again(
    search: FastSearch, asked: Sequence[Property], limits: Limits, until: float
) -> dict[str, Lasso | None]:
    """The same over all states, nothing left out."""
    whole = FastSearch(search.kernel, False)
    return _decide(whole, asked, until) if whole.run(limits) else {}


def _decide(search: FastSearch, asked: Sequence[Property], until: float) -> dict[str, Lasso | None]:
    graph, decided = Graph.of(search, until), dict[str, Lasso | None]()
    if graph is not None:
        future = _Future(search, graph)
        for property_ in asked:
            if time.monotonic() < until:
                decided[property_.name] = future.decide(property_)
    return decided


@frozen(eq=False)
class Graph:
    """All states and the moves between them. States are positions in the order of the search.

    Arguments:
        starts: shape (states + 1,): the moves out of state i are starts[i] .. starts[i + 1] - 1.
        targets: of each move.
        groups: of each move the number of its group.
    """

    starts: Positions
    targets: Numbers
    groups: Numbers

    @classmethod
    def of(cls, search: FastSearch, until: float) -> Graph | None:
        """The graph of a search that has found all states; None where the clock passes `until` before it is made."""
        counts, none = [np.zeros(1, np.int64)], np.zeros(0, np.int32)
        targets, groups = [none], [none]
        for level in search.order:
            for at in range(0, len(level), CHUNK):
                if time.monotonic() >= until:
                    return None
                chunk = level[at : at + CHUNK]
                sources, reached, group = _moves(search, chunk)
                inwards = np.argsort(sources, kind="stable")
                counts.append(np.bincount(sources, minlength=len(chunk)))
                targets.append(reached[inwards])
                groups.append(group[inwards])
        return cls(np.cumsum(np.concatenate(counts)), np.concatenate(targets), np.concatenate(groups))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def out_of(self, states: Positions) -> tuple[Positions, Positions]:
        """All moves out of some states: for each the index of its source in `states`, and its own number."""
        first, counts = self.starts[states], self.starts[states + 1] - self.starts[states]
        sources = np.repeat(np.arange(len(states)), counts)
        before = np.cumsum(counts) - counts
        return sources, np.arange(len(sources)) + (first - before)[sources]

    def sources_of(self, some: Mask) -> Mask:
        """The states out of which a move of some groups leads."""
        sources = np.zeros(len(self), np.bool_)
        if some.any():
            sources[np.searchsorted(self.starts, np.flatnonzero(some[self.groups]), side="right") - 1] = True
        return sources

    def moves(self, states: Positions, some: Mask) -> Iterator[tuple[Positions, Positions]]:
        """The moves of some groups out of some states, as `out_of` gives them; of a part of the states at a time, since
        what is known of a move while it is looked at takes more memory than the move.

        Arguments:
            some: of each group whether it counts.
        """
        for at in range(0, len(states), CHUNK):
            sources, moves = self.out_of(states[at : at + CHUNK])
            kept = np.flatnonzero(some[self.groups[moves]])
            yield at + sources[kept], moves[kept]

    def among(self, states: Positions, some: Mask) -> Any:
        """The same that stay among these states, as a sparse matrix of scipy: entry i, j is a move from `states[i]` to
        `states[j]`. Arguments: `states` in rising order."""
        from scipy.sparse import csr_array

        place = np.full(len(self), -1, np.int32)
        place[states] = np.arange(len(states), dtype=np.int32)
        counts, targets = np.zeros(len(states) + 1, np.int64), [np.zeros(0, np.int32)]
        for sources, moves in self.moves(states, some):
            reached = place[self.targets[moves]]
            inner = np.flatnonzero(reached >= 0)
            np.add.at(counts, sources[inner] + 1, 1)
            targets.append(reached[inner])
        held = np.concatenate(targets)
        return csr_array((np.ones(len(held), np.bool_), held, np.cumsum(counts)), shape=(len(states), len(states)))


@define(eq=False)
class _Future:
    """The graph of a search, and what is asked of it."""

    search: FastSearch
    graph: Graph
    order: Packed = field(init=False)
    brief: Mask = field(init=False)
    """The states that take no time."""

    def __attrs_post_init__(self) -> None:
        self.order = np.concatenate(self.search.order) if self.search.order else np.zeros(0, np.uint64)
        self.brief = self.graph.sources_of(np.array([at_once(group) for group in self.groups], np.bool_))

    @property
    def groups(self) -> Sequence[Group]:
        """The name and fault of every group, by its number."""
        return self.search.kernel.groups

    def decide(self, property_: Property) -> Lasso | None:
        """A counterexample, or None."""
        fairness = self.search.kernel.space.fairness
        debts = np.array([DEBTS.index(debt(fairness, group, property_.counting_on)) for group in self.groups], np.int8)
        if property_.kind == "recoverable":
            return self.stranded(property_, debts)
        distance, parents = self.ways(property_)
        round_of = rounds(self.graph, np.flatnonzero(distance >= 0), debts, self.brief)
        inside = np.flatnonzero(round_of >= 0)
        if not len(inside):
            return None
        entry = int(inside[np.argmin(distance[inside])])
        way = [entry]
        while parents[way[-1]] >= 0:
            way.append(int(parents[way[-1]]))
        path = [*self.search.path(int(self.order[way[-1]])), *(int(self.order[state]) for state in way[-2::-1])]
        walk, taken = lay(self.round(round_of, entry, debts), entry)
        return Lasso([*path, *(int(self.order[state]) for state in walk)], len(path) - 1, taken)

    def where(self, property_: Property, part: str) -> Mask:
        """In which states a formula holds."""
        kernel = self.search.kernel
        parts = [
            kernel.holds(property_, part, kernel.see(self.order[at : at + CHUNK]))
            for at in range(0, len(self.order), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.bool_)

    def stranded(self, property_: Property, debts: NDArray[np.int8]) -> Lasso | None:
        """The way to a first state from which no way leads on to one where the formula holds."""
        turned = self.graph.among(np.arange(len(self.graph)), debts != DEBTS.index(NEVER)).tocsc()
        back = Graph(turned.indptr.astype(np.int64), turned.indices, turned.indices)
        arrives = self.where(property_, "text")
        frontier = np.flatnonzero(arrives)
        while len(frontier):
            sources = distinct(back.targets[back.out_of(frontier)[1]])
            frontier = sources[~arrives[sources]].astype(np.int64)
            arrives[frontier] = True
        lost = np.flatnonzero(~arrives)
        return Lasso(self.search.path(int(self.order[lost[0]]))) if len(lost) else None

    def ways(self, property_: Property) -> tuple[Numbers, Numbers]:
        """For each state its distance from the beginning when the promise is given and not kept so far, -1 where that
        cannot be; and the state before it on such a way, -1 where it was given in this one."""
        kept = self.where(property_, "goal" if property_.kind == "leads_to" else "text")
        given = self.where(property_, "text") if property_.kind == "leads_to" else np.zeros(len(kept), np.bool_)
        if property_.kind == "eventually":
            given[: len(self.search.order[0])] = True
        given &= ~kept
        distance, parents = np.full((2, len(kept)), -1, np.int32)
        frontier, first, level = np.zeros(0, np.int64), 0, 0
        while level < len(self.search.order) or len(frontier):
            if level < len(self.search.order):
                last = first + len(self.search.order[level])
                fresh = first + np.flatnonzero(given[first:last] & (distance[first:last] < 0))
                distance[fresh] = level
                frontier, first = np.concatenate([frontier, fresh]), last
            sources, moves = self.graph.out_of(frontier)
            targets = self.graph.targets[moves]
            new = np.flatnonzero((distance[targets] < 0) & ~kept[targets])
            level += 1
            distance[targets[new]] = level
            parents[targets[new]] = frontier[sources[new]]
            frontier = distinct(targets[new]).astype(np.int64)
        return distance, parents

    def round(self, round_of: Positions, entry: int, debts: NDArray[np.int8]) -> Round[int]:
        """The round that a state is in, for `lay`."""
        states = np.flatnonzero(round_of == round_of[entry])
        present = distinct(self.graph.groups[self.graph.out_of(states)[1]]).tolist()
        owed = {self.groups[group]: DEBTS[debts[group]] for group in present if debts[group] >= _WEAK}

        def moves(state: int) -> list[tuple[int, Group]]:
            out = slice(self.graph.starts[state], self.graph.starts[state + 1])
            pairs = zip(self.graph.targets[out].tolist(), self.graph.groups[out].tolist(), strict=True)
            return [(target, self.groups[group]) for target, group in pairs if DEBTS[debts[group]] != NEVER]

        brief = set[int]() if self.brief[states].all() else set(states[self.brief[states]].tolist())
        return Round(set(states.tolist()), moves, owed, lambda state: state not in brief)


def rounds(graph: Graph, states: Positions, debts: NDArray[np.int8], brief: Mask) -> Positions:
    """The rounds among some states.

    Arguments:
        states: positions, in rising order.
        debts: of each group, an index of `DEBTS`.
        brief: of each state of the graph, whether it takes no time.
    Returns: for every state of the graph the number of its round, -1 where it is in none.
    """
    round_of, found = np.full(len(graph), -1, np.int64), 0
    while len(states):
        component = _components(graph, states, debts)
        sizes = np.bincount(component)
        alone = sizes[component] == 1  # nearly all are: they pay nothing, so they may owe nothing
        owes, owing = np.zeros(len(sizes), np.bool_), [np.zeros((2, 0), np.int64)]
        for sources, moves in graph.moves(states, debts >= _WEAK):
            owes[component[sources]] = True
            together = np.flatnonzero(~alone[sources])
            owing.append(np.array((sources[together], moves[together])))
        sources, moves = np.hstack(owing)
        lasting = _lasting(component, len(sizes), brief[states])
        of = np.full(len(graph), -1, np.int32)
        of[states] = component
        inner = of[graph.targets[moves]] == component[sources]
        refused, broken, leaving = _unpaid(component, lasting, sources, graph.groups[moves], inner, debts)
        refused |= owes & (sizes == 1)
        good = ~(refused | broken)[component]
        round_of[states[good]] = found + component[good]
        found += len(refused)
        again = (broken & ~refused)[component]
        again[leaving] = False
        states = states[again]
    return round_of


def _components(graph: Graph, states: Positions, debts: NDArray[np.int8]) -> Numbers:
    """The strongly connected component of each state, by the moves that go on."""
    from scipy.sparse.csgraph import connected_components

    held = graph.among(states, debts != DEBTS.index(NEVER))
    held.sum_duplicates()  # scipy goes round for ever where a move is given twice
    component: Numbers = connected_components(held, directed=True, connection="strong")[1]
    return component


def _lasting(component: Numbers, many: int, brief: Mask) -> Mask:
    """The states that take time; of a component where none does all."""
    none = np.bincount(component[~brief], minlength=many) == 0
    lasting: Mask = ~brief | none[component]
    return lasting


def _unpaid(
    component: Numbers, lasting: Mask, sources: Positions, groups: Numbers, inner: Mask, debts: NDArray[np.int8]
) -> tuple[Mask, Mask, Positions]:
    """What components cannot pay.

    Arguments:
        component, lasting: that of each state, and whether the state takes time.
        sources, groups, inner: of each move that owes something the state it leads out of, its group, and whether it
            stays in the component.
        debts: of each group.
    Returns: which components cannot pay a weak debt, which cannot pay a strong one, and the states in which such a
    strong one is possible.
    """
    many = len(debts)
    possible = distinct(sources.astype(np.int64) * many + groups)
    at, group = possible // many, possible % many
    pairs = component[at].astype(np.int64) * many + group
    known, place = np.unique(pairs, return_inverse=True)
    counts = np.bincount(place[lasting[at]], minlength=len(known))
    of, group = known // many, known % many
    open_ = ~np.isin(known, component[sources[inner]].astype(np.int64) * many + groups[inner])
    sizes = np.bincount(component[lasting], minlength=int(component.max(initial=-1)) + 1)
    refused, broken = np.zeros((2, len(sizes)), np.bool_)
    refused[of[open_ & (debts[group] == _WEAK) & (counts == sizes[of])]] = True
    strong = open_ & (debts[group] == _STRONG)
    broken[of[strong]] = True
    return refused, broken, at[np.isin(pairs, known[strong])]


def _moves(search: FastSearch, chunk: Packed) -> tuple[Positions, Numbers, Numbers]:
    """All moves out of some states: source (an index into `chunk`), position of the target, group."""
    sources, targets, groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for batch in search.kernel.expand(chunk):
        sources.append(batch.sources)
        targets.append(search.positions(batch.targets).astype(np.int32))
        groups.append(np.broadcast_to(np.asarray(batch.group, np.int32), len(batch.targets)))
    return np.concatenate(sources), np.concatenate(targets), np.concatenate(groups)
