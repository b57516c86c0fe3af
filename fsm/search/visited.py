"""The set of states that were found, as an index: packed state -> position in the order found.

Both kinds take whole arrays, with duplicates in them, and give back what is new, each state once.
- *direct*: one byte for every number that a state could be. For states of few bits.
- *hashed*: open addressing in one array of states, at most half full, probed for a whole array at a time. Whoever finds
  his cell taken by another state looks into the next one; there are about as many rounds as the longest probe.

The trap is the array with duplicates: all of them see that they are not in the set. So what is not in the set is
sorted, and of equal neighbours one is kept. Most targets were found before, and these are never sorted; nor is the set.

Positions are computed when somebody asks: a search for safety alone pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsm.search.distinct import distinct

if TYPE_CHECKING:
    from fsm.search.space import Packed, Positions

DIRECT_BITS = 26
"""States of at most so many bits get a table of 2**bits bytes."""

SMALLEST, LARGE = 1 << 18, 1 << 24
"""Cells of the first table; from how many on a table is doubled, not made four times as large, to save memory."""

CHUNK = 1 << 15


class Visited(Protocol):
    """A set of packed states that only grows."""

    def __len__(self) -> int:
        """How many states are in it."""

    def add(self, states: Packed) -> Packed:
        """Take states in.

        Arguments:
            states: shape (n,), all of one kind for the life of the set; the same may occur several times.
        Returns: those that are new, each once, in the order that positions count.
        """

    def level(self, states: Packed) -> Packed:
        """Ends a level of the search, of what was new in it. Returns: what is kept of it."""

    def number(self, order: Sequence[Packed]) -> None:
        """Fix the positions: the states of these arrays, one array after the other, count from 0; all are in it."""

    def positions(self, states: Packed) -> Positions:
        """The position of each state as `number` fixed them, -1 for a state that is not in the set."""


def visited(bits: int) -> Visited:
    """A set for states of so many bits, at most 64, none of which is all ones."""
    return Direct(bits) if bits <= DIRECT_BITS else Hashed()


class Direct:
    """One byte a possible state: 1 where it was not found yet."""

    def __init__(self, bits: int) -> None:
        self._free = np.ones(1 << bits, np.bool_)
        self._count = 0
        self._positions: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, states: Packed) -> Packed:
        """See `Visited.add`."""
        free = self._free
        new = distinct(states[free.take(states, mode="clip").nonzero()[0]])  # clip: none is outside, nothing to check
        free[new] = False
        self._count += len(new)
        return new

    def level(self, states: Packed) -> Packed:
        """See `Visited.level`: all."""
        return states

    def number(self, order: Sequence[Packed]) -> None:
        """See `Visited.number`."""
        positions = np.full(len(self._free), -1, np.int32)
        start = 0
        for states in order:
            positions[states] = np.arange(start, start + len(states), dtype=np.int32)
            start += len(states)
        self._positions = positions

    def positions(self, states: Packed) -> Positions:
        """See `Visited.positions`."""
        assert self._positions is not None, "number() comes first"
        return self._positions[states].astype(np.int64)


class Hashed:
    """Open addressing; an empty cell is all ones, which no state is."""

    def __init__(self) -> None:
        self._table: NDArray[np.unsignedinteger[Any]] | None = None
        self._count = 0
        self._positions: NDArray[np.signedinteger[Any]] | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, states: Packed) -> Packed:
        """See `Visited.add`."""
        parts = [self._add(states[at : at + CHUNK]) for at in range(0, len(states), CHUNK)]
        return _joined(parts, states)

    def _add(self, states: Packed) -> Packed:
        table = self._roomy(states)
        new = distinct(_absent(table, states))
        _insert(table, new)
        self._count += len(new)
        return new

    def _roomy(self, states: Packed) -> NDArray[np.unsignedinteger[Any]]:
        """The table, with room for all these states, at most half full."""
        if self._table is None:
            self._table = _empty(SMALLEST, states.dtype)
        if 2 * (self._count + len(states)) > len(self._table):
            factor = 2 if len(self._table) >= LARGE else 4
            old, self._table = self._table, _empty(factor * len(self._table), states.dtype)
            for at in range(0, len(old), CHUNK):
                held = old[at : at + CHUNK]
                _insert(self._table, held[held != _ones(held.dtype)])
            return self._roomy(states)
        return self._table

    def level(self, states: Packed) -> Packed:
        """See `Visited.level`: all."""
        return states

    def number(self, order: Sequence[Packed]) -> None:
        """See `Visited.number`."""
        if self._table is None:
            return
        kind = np.dtype(np.int32 if self._count < 1 << 31 else np.int64)
        positions: NDArray[np.signedinteger[Any]] = np.empty(len(self._table), kind)
        start = 0
        for states in order:
            for at in range(0, len(states), CHUNK):
                found = self._find(self._table, states[at : at + CHUNK])
                positions[found] = np.arange(start, start + len(found))
                start += len(found)
        self._positions = positions

    def positions(self, states: Packed) -> Positions:
        """See `Visited.positions`."""
        assert self._table is not None, "number() comes first"
        assert self._positions is not None, "number() comes first"
        cells = self._find(self._table, states)
        return np.where(cells < 0, -1, self._positions[cells]).astype(np.int64)

    def _find(self, table: NDArray[Any], states: Packed) -> Positions:
        """The cell of each state, -1 for one that is not in the table."""
        nothing, last = _ones(table.dtype), len(table) - 1
        cells = _cells(states, len(table))
        pending = np.arange(len(states))
        while len(pending):
            at = cells[pending]
            held = table[at]
            empty = held == nothing
            cells[pending[empty]] = -1
            pending = pending[(held != states[pending]) & ~empty]
            cells[pending] = (cells[pending] + 1) & last
        return cells


def _absent(table: NDArray[Any], states: Packed) -> Packed:
    """Those that are not in the table, as often as they occur."""
    nothing, last = _ones(table.dtype), len(table) - 1
    cells, parts = _cells(states, len(table)), list[Any]()
    while len(states):
        held = table.take(cells, mode="clip")  # clip: none is outside, nothing to check
        other = (held != states).nonzero()[0]
        states, cells, empty = states[other], cells[other], held[other] == nothing
        parts.append(states[empty])
        taken = (~empty).nonzero()[0]
        states, cells = states[taken], (cells[taken] + 1) & last
    return _joined(parts, states)


def _insert(table: NDArray[Any], states: Packed) -> None:
    """Put states into the table that are not in it, each once."""
    nothing, last = _ones(table.dtype), len(table) - 1
    cells = _cells(states, len(table))
    while len(states):
        empty = (table.take(cells, mode="clip") == nothing).nonzero()[0]
        table[cells[empty]] = states[empty]
        # Of those that saw the same empty cell one is there now; the others look into the next one.
        other = (table.take(cells, mode="clip") != states).nonzero()[0]
        states, cells = states[other], (cells[other] + 1) & last


def _joined(parts: Sequence[Packed], like: Packed) -> Packed:
    return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else like[:0]


def _ones(dtype: np.dtype[Any]) -> Any:
    return dtype.type(np.iinfo(dtype).max)


def _empty(size: int, dtype: np.dtype[Any]) -> NDArray[np.unsignedinteger[Any]]:
    return np.full(size, _ones(dtype), dtype)


def _indices(states: Packed) -> Positions:
    return states.view(np.int64) if states.dtype == np.uint64 else states.astype(np.int64)


def _cells(states: Packed, size: int) -> Positions:
    """Where each state is looked for first: the upper bits of a product with an odd number, to which every bit of the
    state carries (Knuth's multiplicative hashing; the multiplier is 2**w divided by the golden ratio)."""
    width = states.dtype.itemsize * 8
    ratio = 0x9E3779B97F4A7C15 if width == 64 else 0x9E3779B1
    kind = states.dtype.type
    return _indices((states * kind(ratio)) >> kind(width - (size.bit_length() - 1)))
