"""Worlds as words: each part's values numbered, a world packed into one word of these numbers, and the words numbered.

So a world is two things: its *number*, which is what a packed state holds, and its *word*, in which every part has a
field, so that what depends on a few parts is looked up by the word with all other fields blanked out.

Fields grow. When a part has more values than its field holds, all words and all that is kept by them is packed anew
(`Relaid`); whoever was in the middle of something begins it again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from fsm.errors import Place, SpecError
from fsm.explore.memo import Memo, Words
from fsm.explore.parted import Parts

FIRST_BITS = 20
"""Of a field that stands alone."""
WORD = 63
"""Bits of a word, or of a packed state, so that none is all ones."""


class Relaid(Exception):
    """Words have been packed anew: what was computed from old ones has to be computed again."""


@define(eq=False)
class Numbered:
    """Values and their numbers, in the order in which they were first seen."""

    values: list[Any] = field(factory=list)
    _numbers: dict[Hashable, int] = field(factory=dict)

    def number(self, key: Hashable, value: Any) -> int:
        """The number of `key`; `value` is kept for it if it is new."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found

    def of(self, value: Any) -> int:
        """The number of a value that is its own key."""
        return self.number(value, value)


class Grown:
    """An array that is appended to. Arguments: the kind of its entries."""

    def __init__(self, kind: Any) -> None:
        self._held: NDArray[Any] = np.zeros(256, kind)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def array(self) -> NDArray[Any]:
        """What is in it; a view, good until it grows."""
        return self._held[: self._count]

    def append(self, value: Any) -> None:
        """One more entry."""
        self.extend((value,))

    def extend(self, values: Any) -> None:
        """More entries."""
        count = self._count + len(values)
        if count > len(self._held):
            held = np.zeros(2 * count, self._held.dtype)
            held[: self._count] = self.array
            self._held = held
        self._held[self._count : count] = values
        self._count = count


class Fields:
    """Where the fields of a word lie, the first in the lowest bits. Arguments: their widths in bits."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        self.shifts = tuple(sum(self.widths[:i]) for i in range(len(self.widths)))
        self.bits = sum(self.widths)

    def mask(self, of: Sequence[int]) -> np.uint64:
        """Ones in some fields."""
        return np.uint64(sum(((1 << self.widths[i]) - 1) << self.shifts[i] for i in of))

    def get(self, words: Words, i: int) -> Words:
        """One field of each word."""
        return (words >> np.uint64(self.shifts[i])) & np.uint64((1 << self.widths[i]) - 1)

    def one(self, word: int, i: int) -> int:
        """One field of one word."""
        return word >> self.shifts[i] & ((1 << self.widths[i]) - 1)

    def converter(self, new: Fields) -> Callable[[Words], Words]:
        """What turns words of these fields into those of wider ones; the order of words stays."""

        def convert(words: Words) -> Words:
            converted = np.zeros(len(words), np.uint64)
            for i, shift in enumerate(new.shifts):
                converted |= self.get(words, i) << np.uint64(shift)
            return converted

        return convert

    def widened(self, needed: Sequence[int], at: Place) -> Fields:
        """Fields in which the numbers below `needed` have room, those that do not fit now with one bit to spare.

        Errors: `SpecError` where they have no room together.
        """
        least = [(count - 1).bit_length() for count in needed]
        grown = [now if now >= low else low + 1 for now, low in zip(self.widths, least, strict=True)]
        if sum(grown) > WORD:
            grown = least
        if sum(grown) > WORD:
            message = "the parts of a state have too many values for 63 bits; use fewer hosts, or budgets for faults"
            raise SpecError(at, message, "too-large")
        return Fields(grown)


class WorldWords:
    """The worlds of one search.

    Arguments:
        parts: how many a world has.
        at: where complaints point.
    """

    def __init__(self, parts: int, at: Place) -> None:
        self._at, self.parts = at, [Numbered() for _ in range(parts)]
        self.fields = Fields([min(FIRST_BITS, max(2, 48 // parts))] * parts)
        self.words = Grown(np.uint64)
        self.numbers = Memo(self._number)
        self.memos: list[Memo] = [self.numbers]
        self.arrays: list[Grown] = [self.words]

    def word(self, w: Parts) -> int:
        """The word of a world, or of some of its parts. Raises: `Relaid`."""
        word, shifts, widths = 0, self.fields.shifts, self.fields.widths
        for i, value in enumerate(w):
            if value is not None:
                number = self.parts[i].of(value)
                if number >> widths[i]:
                    self._relay()
                word |= number << shifts[i]
        return word

    def part(self, w: Parts, of: Sequence[int]) -> int:
        """The word of exactly some parts, as a source or an update gives them.

        Raises: `Relaid`. Errors: `SpecError` (bad-world) where others are filled in, or one of them is missing."""
        filled = {i for i, value in enumerate(w) if value is not None}
        if len(w) != len(self.parts) or filled != set(of):
            message = f"the world says that something is about its parts {sorted(of)}, and changes {sorted(filled)}"
            raise SpecError(self._at, f"{message}; no part is None", "bad-world")
        return self.word(w)

    def some(self, word: int, of: Sequence[int]) -> Parts:
        """Some parts of the world of a word, None for the others."""
        found: list[Any] = [None] * len(self.parts)
        for i in of:
            found[i] = self.parts[i].values[self.fields.one(word, i)]
        return tuple(found)

    def world(self, number: int) -> Parts:
        """A world by its number."""
        return self.some(int(self.words.array[number]), range(len(self.parts)))

    def _relay(self) -> None:
        new = self.fields.widened([len(part.values) for part in self.parts], self._at)
        convert = self.fields.converter(new)
        for memo in self.memos:
            memo.rekey(convert)
        for held in self.arrays:
            held.array[:] = convert(held.array)
        self.fields = new
        raise Relaid

    def _number(self, words: Words, _: Words | None) -> NDArray[np.int32]:
        first = len(self.words)
        self.words.extend(words)
        return np.arange(first, first + len(words), dtype=np.int32)
