"""Worlds as words: each part's values numbered, the numbers of a world packed into some words, and the worlds numbered.

So a world is two things: its *number*, which is what a packed state holds, and its *row* of words, in which every part
has a field, so that what depends on a few parts is looked up by the row with all other fields blanked out.

Many rows are an array of shape (columns, rows). Fields have room for all the values that anybody would wait for, so
that nothing ever has to be packed anew; a row that is longer than a word goes on in the next column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from fsm.errors import Place, SpecError
from fsm.explore.parted import Parts
from fsm.search.memo import Memo, Numbers, Words

WORD = 63
"""Bits of a word, or of a packed state, so that none is all ones."""
IN_WORD = 3
"""Fields of a word, in a row of so many or more."""


@define(eq=False)
class Numbered:
    """Values and their numbers, in the order in which they were first seen."""

    values: list[Any] = field(factory=list)
    _numbers: dict[Any, int] = field(factory=dict)

    def number(self, key: Any, value: Any) -> int:
        """The number of `key`, which is hashable; `value` is kept for it if it is new."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found

    def of(self, value: Any) -> int:
        """The number of a value that is its own key."""
        return self.number(value, value)


class Grown:
    """An array that is appended to.

    Arguments:
        kind: that of its entries.
        columns: how many entries are appended at once, or None for an array of shape (n,), not (columns, n).
    """

    def __init__(self, kind: Any, columns: int | None = None) -> None:
        self._shape = () if columns is None else (columns,)
        self._held: NDArray[Any] = np.zeros((*self._shape, 256), kind)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def array(self) -> NDArray[Any]:
        """What is in it; a view, good until it grows."""
        return self._held[..., : self._count]

    def take(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Some entries. (Of a view of several columns numpy would make a copy, all of it, before it took any.)"""
        return self._held.take(numbers, axis=-1)

    def append(self, value: Any) -> None:
        """One more entry, of an array of shape (n,)."""
        self.extend((value,))

    def extend(self, values: Any) -> None:
        """More entries, in the shape that it has."""
        added = np.asarray(values, self._held.dtype)
        count = self._count + added.shape[-1]
        if count > self._held.shape[-1]:
            held = np.zeros((*self._shape, 2 * count), self._held.dtype)
            held[..., : self._count] = self.array
            self._held = held
        self._held[..., self._count : count] = added
        self._count = count


class Fields:
    """Where the fields of a packed state lie, the first in the lowest bits. Arguments: their widths in bits."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        self.shifts = tuple(sum(self.widths[:i]) for i in range(len(self.widths)))
        self.bits = sum(self.widths)

    def get(self, words: Words, i: int) -> Words:
        """One field of each word."""
        return (words >> np.uint64(self.shifts[i])) & np.uint64((1 << self.widths[i]) - 1)

    def one(self, word: int, i: int) -> int:
        """One field of one word."""
        return word >> self.shifts[i] & ((1 << self.widths[i]) - 1)

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


class Rows:
    """Rows of numbers, all of one length: packed, and numbered in turn.

    Arguments:
        length: how many numbers are in a row.
        at: where complaints point.

    columns: how many words a row takes. words: all rows so far.
    """

    def __init__(self, length: int, at: Place) -> None:
        self._at, each = at, min(length, IN_WORD)
        self._width = WORD // each
        self._places = [(i // each, i % each * self._width) for i in range(length)]
        self.columns = self._places[-1][0] + 1
        self.words = Grown(np.uint64, self.columns)
        self._numbers = Memo(self._number, self.columns)

    def find(self, words: Words) -> Numbers:
        """The number of each row."""
        return self._numbers.find(*words)

    def number(self, numbers: Sequence[int]) -> int:
        """The number of one row."""
        return int(self.find(np.array(self.pack(numbers), np.uint64)[:, np.newaxis])[0])

    def row(self, number: int) -> list[int]:
        """One row by its number."""
        words = self.words.array[:, number].tolist()
        return [self.one(words, i) for i in range(len(self._places))]

    def pack(self, numbers: Sequence[Any]) -> list[Any]:
        """The words of a row, of its numbers; or of many, where each of these is an array. Of changes to the numbers it
        is the changes to the words."""
        words: list[Any] = [0] * self.columns
        for number, (column, shift) in zip(numbers, self._places, strict=True):
            words[column] = words[column] + (number << shift)
        return words

    def of(self, numbers: NDArray[np.int64]) -> Words:
        """The words of numbered rows."""
        return self.words.take(numbers)

    def one(self, words: Sequence[Any], i: int) -> Any:
        """A number of a row of words; or of many, where each of these is an array."""
        column, shift = self._places[i]
        return words[column] >> shift & (1 << self._width) - 1

    def mask(self, of: Sequence[int]) -> Words:
        """Ones in some fields, shape (columns, 1)."""
        ones = [(1 << self._width) - 1 if i in of else 0 for i in range(len(self._places))]
        return np.array(self.pack(ones), np.uint64)[:, np.newaxis]

    def _number(self, *words: Words) -> Numbers:
        first = len(self.words)
        self.words.extend(words)
        return np.arange(first, len(self.words), dtype=np.int32)


class WorldWords(Rows):
    """The worlds of one search, as rows of the numbers of their parts.

    Arguments:
        parts: how many a world has.
        at: where complaints point.
    """

    def __init__(self, parts: int, at: Place) -> None:
        super().__init__(parts, at)
        self.parts = [Numbered() for _ in range(parts)]

    def word(self, w: Parts) -> list[int]:
        """The words of a world, or of some of its parts."""
        numbers = zip(self.parts, w, strict=True)
        return self.pack([0 if value is None else self._below(part.of(value)) for part, value in numbers])

    def known(self, w: Parts) -> int:
        """The number of a world."""
        return self.number([self._below(part.of(value)) for part, value in zip(self.parts, w, strict=True)])

    def part(self, w: Parts, of: Sequence[int]) -> list[int]:
        """The words of exactly some parts, as a source or an update gives them.

        Errors: `SpecError` (bad-world) where others are filled in, or one of them is missing."""
        filled = {i for i, value in enumerate(w) if value is not None}
        if len(w) != len(self.parts) or filled != set(of):
            message = f"the world says that something is about its parts {sorted(of)}, and changes {sorted(filled)}"
            raise SpecError(self._at, f"{message}; no part is None", "bad-world")
        return self.word(w)

    def some(self, word: Sequence[int], of: Sequence[int]) -> Parts:
        """Some parts of the world of a row, None for the others."""
        found: list[Any] = [None] * len(self.parts)
        for i in of:
            found[i] = self.parts[i].values[self.one(word, i)]
        return tuple(found)

    def world(self, number: int) -> Parts:
        """A world by its number."""
        return self.some(self.words.array[:, number].tolist(), range(len(self.parts)))

    def _below(self, number: int) -> int:
        return below(number, self._width, self._at)


def below(number: int, bits: int, at: Place) -> int:
    """A number that has to fit into so many bits of a key: one that does not would be taken for another one.

    Errors: `SpecError` (too-large), which points at `at`."""
    if number >> bits:
        message = f"more than {1 << bits} different states of one part; use fewer hosts, or budgets for faults"
        raise SpecError(at, message, "too-large")
    return number


def each(words: Sequence[Words]) -> list[tuple[int, ...]]:
    """The rows of columns, one after the other."""
    return list(zip(*(column.tolist() for column in words), strict=True))
