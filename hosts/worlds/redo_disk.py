"""The disk of the redo log as a small value: marks, two halves, what a write does to them, what a replay yields.

A database is the updates that are in it, by number. Terms and sequence numbers grow without end, but only their order
and small distances matter, so `numbered` closes the gaps; a number needs no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from attrs import evolve, frozen

T = TypeVar("T")
Database = tuple[int, ...]
"""Numbers of the updates, in the order in which they were made."""


@frozen(order=True)
class Mark:
    """Who may write: its term, and the newest half when it was written. The highest counts."""

    term: int = 0
    sequence: int = 0
    writer: int = -1


@frozen
class Half:
    """One half.

    Arguments:
        header: its sequence and term; None where there is none.
        body: the sequence, term and updates of its full database; None where it is torn or spoiled.
        tail: the updates that follow it, each a whole record of the same sequence and term.
    """

    header: tuple[int, int] | None = None
    body: tuple[int, int, Database] | None = None
    tail: tuple[int, ...] = ()


@frozen
class Write:
    """A write that is under way.

    Arguments:
        name: mark, wipe, fill, seal or append.
        place: the host of a mark, else the half.
        term, sequence, writer: whose it is, and for which use of the half.
        database: of a fill.
        at, update: of an append, how many records are before it, and what it says.
    """

    name: str
    place: int
    term: int
    sequence: int
    writer: int
    database: Database = ()
    at: int = 0
    update: int = 0

    @property
    def tears(self) -> bool:
        """Whether a part of it may be written; a header and a mark are one sector."""
        return self.name in ("fill", "append")


@frozen
class Disk:
    """What is on it."""

    marks: tuple[Mark, Mark] = (Mark(), Mark())
    halves: tuple[Half, Half] = (Half(), Half())

    @property
    def mark(self) -> Mark:
        """The mark that counts."""
        return max(self.marks)

    def replayed(self) -> tuple[int, int, Database] | None:
        """The half that counts, its sequence, and the database that it leads to; None where the log is damaged."""
        sequence, half = (
            max((each.header[0], half) for half, each in enumerate(self.halves) if each.header)
            if any(each.header for each in self.halves)
            else (0, 1)
        )
        if sequence < self.mark.sequence:
            return None
        if not sequence:
            return half, 0, ()
        found = self.halves[half]
        if found.body is None or found.body[:2] != found.header:
            return None
        return half, sequence, found.body[2] + found.tail

    def after(self, write: Write, torn: bool = False) -> Disk:
        """The disk once a write is there, whole or in part."""
        if write.name == "mark":
            mark = Mark(write.term, write.sequence, write.writer)
            return evolve(self, marks=_with(self.marks, write.place, mark))
        return evolve(self, halves=_with(self.halves, write.place, _written(self.halves[write.place], write, torn)))


def _with(pair: tuple[T, T], place: int, item: T) -> tuple[T, T]:
    return (item, pair[1]) if place == 0 else (pair[0], item)


def _written(half: Half, write: Write, torn: bool) -> Half:
    own = (write.sequence, write.term)
    if write.name == "wipe":
        return Half()  # without a header nobody looks at the rest
    if write.name == "seal":
        return evolve(half, header=own)
    if write.name == "fill":
        return evolve(half, body=None if torn else (*own, write.database), tail=())
    if half.body is None or half.body[:2] != own:
        return evolve(half, body=None, tail=())  # in the middle of somebody else's bytes
    kept = half.tail[: write.at]
    whole = not torn and len(kept) == write.at  # behind a gap it is not found
    return evolve(half, tail=(*kept, write.update) if whole else kept)


def places(numbers: Iterable[int], stay: int = 0) -> Mapping[int, int]:
    """Where each number goes so that gaps are closed: order, equality, distances up to 3 and what is odd all stay."""
    place, last, moved = {stay: stay}, stay, stay
    for number in sorted({*numbers} - {stay}):
        gap = number - last
        moved, last = moved + (gap if gap <= 3 else 2 + gap % 2), number
        place[number] = moved
    return place


def disk_numbers(disk: Disk) -> tuple[set[int], set[int]]:
    """All terms and all sequence numbers on a disk."""
    pairs = [pair for half in disk.halves for pair in (half.header, half.body and half.body[:2]) if pair]
    terms = {mark.term for mark in disk.marks} | {term for _, term in pairs}
    return terms, {mark.sequence for mark in disk.marks} | {sequence for sequence, _ in pairs}


def renumbered(disk: Disk, term: Callable[[int], int], sequence: Callable[[int], int]) -> Disk:
    """The disk with other terms and sequence numbers."""
    first, second = (evolve(mark, term=term(mark.term), sequence=sequence(mark.sequence)) for mark in disk.marks)

    def half(old: Half) -> Half:
        header = old.header and (sequence(old.header[0]), term(old.header[1]))
        body = old.body and (sequence(old.body[0]), term(old.body[1]), old.body[2])
        return evolve(old, header=header, body=body)

    return Disk((first, second), (half(disk.halves[0]), half(disk.halves[1])))
