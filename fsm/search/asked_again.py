"""Some of the states that a search looked into are asked once more: a space whose answers change proves nothing.

Worlds are anybody's code, and each of their answers is asked for once and kept. One that counts, throws dice, goes by
the order of a set, keeps something outside of its states or takes different states for equal has other answers later;
nothing else would notice, and the search would say `holds` of what nobody has looked at. So at the end of every search
of a system a sample is asked again in the space's plain words: moves, what is refused, what properties see. Of the fast
engine that is a comparison with all that its kernel remembers, and so one of both engines. Models are data, of which
nothing changes.

The sample is the same every time: the first states, then four for every doubling of their number, as they were found.
It finds what is wrong often; what is wrong in one state of a million it may miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fsm.errors import SpecError
from fsm.search.space import Edge, Space, Widened

if TYPE_CHECKING:
    from fsm.search.fast import FastSearch
    from fsm.search.reference import ReferenceSearch
    from fsm.search.space import Packed


THOROUGH = 8
"""States that are asked several times."""


def ask_again(space: Space[Any], search: ReferenceSearch[Any] | FastSearch) -> None:
    """Compares what a search was told with what it is told now, where code from outside answers.

    Arguments:
        space: what was explored.
        search: one that has run, to the end or not.
    Errors: `SpecError` (bad-world) at the space where they differ.
    """
    if not space.outside:
        return
    fast = getattr(search, "kernel", None) is not None
    if not (_same_packed(space, search) if fast else _same(space, search)):
        message = f"asked again, {space.name} has other moves or facts in a state that was explored; a world must be a "
        message += "function of its arguments: no counting, no chance, no order of sets, and what is equal is the same"
        raise SpecError(space.at, message, "bad-world")


def sample(count: int) -> Iterator[int]:
    """Indices below `count`: the first eight, then four for every doubling."""
    index = 0
    while index < count:
        yield index
        index += stride(index)


def stride(index: int) -> int:
    """How far the next index of a sample is."""
    return 1 << max(0, index.bit_length() - 3)


def edges_again(space: Space[Any], state: Any, index: int) -> Iterator[list[Edge[Any]]]:
    """The moves out of a state. Those of the first states of a sample three times, and once broken off after one move:
    whatever counts its calls, or every second or third of them, is out of step at one of these."""
    yield list(space.edges(state))
    if index < THOROUGH:
        yield list(space.edges(state))
        next(iter(space.edges(state)), None)
        yield list(space.edges(state))


def answers(space: Space[Any], state: Any, edges: Iterable[Edge[Any]]) -> Any:
    """All that a space says of a state, to be compared."""
    moves = Counter((edge.label, edge.target, edge.group, edge.fault, edge.refused, edge.cut) for edge in edges)
    return moves, space.named(state)


def _same(space: Space[Any], search: Any) -> bool:
    return all(
        answers(space, state, edges) == said
        for index, (state, said) in enumerate(search.sample.items())
        for edges in edges_again(space, state, index)
    )


def _same_packed(space: Space[Any], search: Any) -> bool:
    packed = _packed_sample(search)
    if packed is None:
        return True
    try:
        return _same_moves(space, search.kernel, packed) and _same_verdicts(space, search, packed)
    except Widened:  # by a value that the search never met
        return False


def _packed_sample(search: FastSearch) -> Packed | None:
    import numpy as np

    chosen, parts, first = np.array(list(sample(search.looked)), np.int64), [], 0
    for level in search.order:
        parts.append(level[chosen[(chosen >= first) & (chosen < first + len(level))] - first])
        first += len(level)
    return np.concatenate(parts) if len(chosen) else None


def _same_moves(space: Space[Any], kernel: Any, packed: Packed) -> bool:
    """Whether the kernel knows of each state the moves that the space says, and their targets by the same names."""
    import numpy as np

    known, generated, refused = [Counter[Any]() for _ in packed], 0, set[Any]()
    for batch in kernel.expand(packed):
        generated += batch.generated
        refused.update(batch.refused)
        numbers = np.broadcast_to(np.asarray(batch.group), len(batch.targets)).tolist()
        for source, target, number in zip(batch.sources.tolist(), batch.targets.tolist(), numbers, strict=True):
            known[source][target, kernel.groups[number]] += 1
    names = _Names(space, kernel)
    for source, number in enumerate(packed.tolist()):
        state, edges, moving = kernel.unpack(number), list[Edge[Any]](), list[Edge[Any]]()
        for edges in edges_again(space, state, source):
            moving = [e for e in edges if not (e.cut or e.target is None or e.target == state)]
            if known[source] != Counter((kernel.pack(e.target), (e.group, e.fault)) for e in moving):
                return False
        generated -= sum(edge.refused is None for edge in edges)
        refused -= {(source, edge.refused) for edge in edges}
        if not all(names.same(edge.target) for edge in moving):
            return False
    return not generated and not refused


class _Names:
    """Whether states that are one to a kernel have the same names and values."""

    def __init__(self, space: Space[Any], kernel: Any) -> None:
        self._space, self._kernel, self._known = space, kernel, dict[int, Any]()

    def same(self, state: Any) -> bool:
        """Whether a state has those of the one that was met first."""
        number = self._kernel.pack(state)
        if number not in self._known:
            self._known[number] = self._space.named(self._kernel.unpack(number))
        return bool(self._known[number] == self._space.named(state))


def _same_verdicts(space: Space[Any], search: FastSearch, packed: Packed) -> bool:
    """Whether what was not decided, and so was asked of every state, is so in each of these."""
    kernel, states = search.kernel, [search.state(int(number)) for number in packed]
    seen = kernel.see(packed)
    for promised in space.properties:
        if promised.kind in ("always", "reachable") and promised.name not in search.settled:
            holds = kernel.holds(promised, "text", seen).tolist()
            if holds != [space.holds(promised, "text", state) for state in states]:
                return False
    return True
