"""A memory for arrays: packed keys to small numbers, looked up for all of them at once.

Open addressing in arrays of numpy, at most half full. A key is an unsigned integer of 64 bits, and where that is not
enough another one, its *tag*. What is not there yet is asked of `fill`, once for each different key, all of them
together: a python function behind it is the only thing that ever takes long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Numbers = NDArray[np.int32]
Fill = Callable[[Words, "Words | None"], Any]
"""Of different keys (and their tags) the numbers, 0 or more."""
SMALLEST = 1 << 10
_MIX, _MIX_TAG, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(32)


class Memo:
    """Keys and their numbers.

    Arguments:
        fill: gives the numbers of keys that are new.
        tagged: whether keys have tags.
    """

    def __init__(self, fill: Fill, tagged: bool = False) -> None:
        self._fill, self._tagged = fill, tagged
        self._count = 0
        self._clear(SMALLEST)

    def find(self, keys: Words, tags: Words | None = None) -> Numbers:
        """The number of each key. Arguments: arrays of one shape (n,), `tags` exactly where the memo is tagged."""
        slots = self._home(keys, tags)
        found = self._numbers[slots]
        wrong = self._keys[slots] != keys
        if tags is not None:
            wrong |= self._tags[slots] != tags
        wrong |= found < 0
        missing = np.flatnonzero(wrong)
        if not len(missing):
            return found
        some_keys, some_tags = keys[missing], None if tags is None else tags[missing]
        numbers, _ = self._probe(some_keys, some_tags)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self._learn(some_keys[new], None if some_tags is None else some_tags[new])
        found[missing] = numbers
        return found

    def entries(self) -> tuple[Words, Words | None, Numbers]:
        """All keys, tags and numbers, in no order."""
        used = np.flatnonzero(self._numbers >= 0)
        return self._keys[used], self._tags[used] if self._tagged else None, self._numbers[used]

    def rekey(self, convert: Callable[[Words], Words]) -> None:
        """Replaces every key by another one; different keys stay different."""
        keys, tags, numbers = self.entries()
        self._clear(len(self._keys))
        self._place(convert(keys), tags, numbers)

    def _clear(self, size: int) -> None:
        self._keys = np.zeros(size, np.uint64)
        self._tags = np.zeros(size if self._tagged else 0, np.uint64)
        self._numbers = np.full(size, -1, np.int32)
        self._shift = np.uint64(64 - (size.bit_length() - 1))

    def _home(self, keys: Words, tags: Words | None) -> NDArray[np.int64]:
        mixed = keys * _MIX
        if tags is not None:
            mixed ^= tags * _MIX_TAG
        mixed ^= mixed >> _FOLD
        mixed *= _MIX
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _probe(self, keys: Words, tags: Words | None) -> tuple[Numbers, NDArray[np.int64]]:
        """The numbers, -1 for what is not there, and the cell where each is or could be."""
        slots, last = self._home(keys, tags), len(self._keys) - 1
        left = np.arange(len(keys))
        while len(left):
            at = slots[left]
            other = self._keys[at] != keys[left]
            if tags is not None:
                other |= self._tags[at] != tags[left]
            other &= self._numbers[at] >= 0
            left = left[other]
            slots[left] = (slots[left] + 1) & last
        found = self._numbers[slots]
        return found, slots

    def _learn(self, keys: Words, tags: Words | None) -> Numbers:
        if tags is None:
            distinct, back = np.unique(keys, return_inverse=True)
            numbers = np.asarray(self._fill(distinct, None), np.int32)
            self._insert(distinct, None, numbers)
            return numbers[back]
        order = np.lexsort((keys, tags))
        keys, tags = keys[order], tags[order]
        first = np.ones(len(keys), np.bool_)
        first[1:] = (keys[1:] != keys[:-1]) | (tags[1:] != tags[:-1])
        numbers = np.asarray(self._fill(keys[first], tags[first]), np.int32)
        self._insert(keys[first], tags[first], numbers)
        learnt = np.empty(len(keys), np.int32)
        learnt[order] = numbers[np.cumsum(first) - 1]
        return learnt

    def _insert(self, keys: Words, tags: Words | None, numbers: Numbers) -> None:
        """Takes in different keys that are not there."""
        self._count += len(keys)
        if 2 * self._count > len(self._keys):
            old = self.entries()
            self._clear(1 << (4 * self._count - 1).bit_length())
            self._place(*old)
        self._place(keys, tags, numbers)

    def _place(self, keys: Words, tags: Words | None, numbers: Numbers) -> None:
        left = np.arange(len(keys))
        slots, last = self._home(keys, tags), len(self._keys) - 1
        while len(left):
            at = slots[left]
            free = left[self._numbers[at] < 0]
            # of several that see one cell free the last one written has it
            self._numbers[slots[free]] = numbers[free]
            self._keys[slots[free]] = keys[free]
            if tags is not None:
                self._tags[slots[free]] = tags[free]
            mine = self._keys[at] == keys[left]
            if tags is not None:
                mine &= self._tags[at] == tags[left]
            left = left[~mine]
            slots[left] = (slots[left] + 1) & last
