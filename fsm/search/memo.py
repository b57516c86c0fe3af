"""A memory for arrays: packed keys to small numbers, looked up for all of them at once.

Open addressing in arrays of numpy, at most half full. A key is an unsigned integer of 64 bits, or where that is not
enough several, which lie in *columns*. What is not there yet is asked of `fill`, once for each different key, all of
them together: a python function behind it is the only thing that ever takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Numbers = NDArray[np.int32]
Fill = Callable[..., Any]
"""Of different keys, given in columns, the numbers, 0 or more."""
SMALLEST = 1 << 10
_MIX, _MIX_NEXT, _FOLD = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, np.uint64(32)


class Memo:
    """Keys and their numbers.

    Arguments:
        fill: gives the numbers of keys that are new.
        columns: of how many integers a key is made.
    """

    def __init__(self, fill: Fill, columns: int = 1) -> None:
        self._fill = fill
        self._mixes = [np.uint64(_MIX * _MIX_NEXT**i & (1 << 64) - 1) for i in range(columns)]
        self._count = 0
        self._clear(SMALLEST)

    def find(self, *keys: Words) -> Numbers:
        """The number of each key. Arguments: as many arrays as there are columns, of one shape (n,)."""
        slots = self._home(keys)
        found = self._numbers[slots]
        wrong = self._differ(slots, keys)
        wrong |= found < 0
        missing = np.flatnonzero(wrong)
        if not len(missing):
            return found
        some = [column[missing] for column in keys]
        numbers = self._probe(some)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self._learn([column[new] for column in some])
        found[missing] = numbers
        return found

    def _clear(self, size: int) -> None:
        self._keys = [np.zeros(size, np.uint64) for _ in self._mixes]
        self._numbers = np.full(size, -1, np.int32)
        self._shift = np.uint64(64 - (size.bit_length() - 1))

    def _home(self, keys: Sequence[Words]) -> NDArray[np.int64]:
        mixed = keys[0] * self._mixes[0]
        for column, mix in zip(keys[1:], self._mixes[1:], strict=True):
            mixed ^= column * mix
        mixed ^= mixed >> _FOLD
        mixed *= self._mixes[0]
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _differ(self, slots: NDArray[np.int64], keys: Sequence[Words]) -> NDArray[np.bool_]:
        """Where a cell has another key."""
        other: NDArray[np.bool_] = self._keys[0][slots] != keys[0]
        for held, column in zip(self._keys[1:], keys[1:], strict=True):
            other |= held[slots] != column
        return other

    def _probe(self, keys: Sequence[Words]) -> Numbers:
        """The numbers, -1 for what is not there."""
        slots, last = self._home(keys), len(self._numbers) - 1
        left = np.arange(len(slots))
        while len(left):
            at = slots[left]
            other = self._differ(at, [column[left] for column in keys])
            other &= self._numbers[at] >= 0
            left = left[other]
            slots[left] = (slots[left] + 1) & last
        return self._numbers[slots]

    def _learn(self, keys: Sequence[Words]) -> Numbers:
        order = np.lexsort(keys)
        keys = [column[order] for column in keys]
        first = np.ones(len(order), np.bool_)
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in keys])
        distinct = [column[first] for column in keys]
        numbers = np.asarray(self._fill(*distinct), np.int32)
        self._insert(distinct, numbers)
        learnt = np.empty(len(order), np.int32)
        learnt[order] = numbers[np.cumsum(first) - 1]
        return learnt

    def _insert(self, keys: Sequence[Words], numbers: Numbers) -> None:
        """Takes in different keys that are not there."""
        self._count += len(numbers)
        if 2 * self._count > len(self._numbers):
            used = np.flatnonzero(self._numbers >= 0)
            old, known = [held[used] for held in self._keys], self._numbers[used]
            self._clear(1 << (4 * self._count - 1).bit_length())
            self._place(old, known)
        self._place(keys, numbers)

    def _place(self, keys: Sequence[Words], numbers: Numbers) -> None:
        left = np.arange(len(numbers))
        slots, last = self._home(keys), len(self._numbers) - 1
        while len(left):
            at = slots[left]
            free = left[self._numbers[at] < 0]
            # of several that see one cell free the last one written has it
            self._numbers[slots[free]] = numbers[free]
            for held, column in zip(self._keys, keys, strict=True):
                held[slots[free]] = column[free]
            left = left[self._differ(at, [column[left] for column in keys])]
            slots[left] = (slots[left] + 1) & last
