"""S7: a change that was acknowledged is in the database of every later master, and in the redo log at the end.

A turn is in a journal only once its pool variables are durable, so every change that a journal shows was acknowledged.
Reigns follow each other by their terms, not by the clock: a host that was frozen may write down late what the log took
in time. What a master reads when it takes the database over must then be what all reigns before it have acknowledged.

A change may be in the log and in no journal: its master died in between. The log counts its changes, so it is known how
many of these there are, and only so many masters may have read something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from hosts.demo.evidence import Entry, Evidence
from hosts.demo.words import ENDS, Verdict, Words, count


@define
class _Book:
    """What a master read when it took the database over in `term`, and what it acknowledged then, in this order."""

    term: int
    taken: Entry
    read: Mapping[str, Any]
    changes: list[Entry] = field(factory=list)


def nothing_lost(evidence: Evidence, words: Words) -> Verdict:
    """S7: no acknowledged change is missing from the database of a later master."""
    claim = "a change that was acknowledged survives"
    books = _books(evidence, words)
    changes = sum(len(book.changes) for book in books)
    stored = evidence.stored
    if not changes or (len(books) == 1 and stored is None):
        return Verdict("S7", claim, "not exercised", "no later master, and nobody looked into the redo log")
    if stored is not None and stored.changes < changes:
        said = f"{changes} changes were acknowledged, and the redo log has seen {stored.changes}"
        return Verdict("S7", claim, "BROKEN", said)
    unsaid = 0 if stored is None else stored.changes - changes
    surprises = _surprises(books, stored.variables if stored else {})
    if len(surprises) > unsaid:
        said = f"{surprises[0]}; {count(unsaid, 'change')} in the log that nobody acknowledged"
        return Verdict("S7", claim, "BROKEN", said, tuple(surprises))
    said = f"{count(changes, 'change')} acknowledged in {count(len(books), 'reign')}, all of them kept"
    return Verdict("S7", claim, "held", said + (f"; {unsaid} more that nobody heard of" if unsaid else ""))


def _books(evidence: Evidence, words: Words) -> list[_Book]:
    """The reigns with what they read and acknowledged, in the order of their terms."""
    read: dict[str, Mapping[str, Any]] = {}
    current: dict[str, _Book] = {}
    books = []
    for entry in evidence.entries:
        if entry.event == "loaded" and not entry.machine:
            read[entry.host] = entry.kept
            continue
        if entry.event in ENDS and not entry.machine:
            current.pop(entry.host, None)
        term = entry.payload.get("term")
        if entry.row.startswith(words.taken) and entry.host in read and isinstance(term, int):
            current[entry.host] = _Book(term, entry, read[entry.host])
            books.append(current[entry.host])
        if entry.kept and entry.host in current:
            current[entry.host].changes.append(entry)
    return sorted(books, key=lambda book: book.term)


def _surprises(books: Sequence[_Book], stored: Mapping[str, Any]) -> list[str]:
    """Who read something else than what was acknowledged before; what it read counts from then on."""
    found: list[str] = []
    known: dict[str, Any] = {}
    for book in books:
        found += _other(known, book.read, f"{book.taken.host} in term {book.term} read")
        known.update(book.read)
        for change in book.changes:
            known.update(change.kept)
    return found + _other(known, stored, "the redo log holds")


def _other(known: Mapping[str, Any], read: Mapping[str, Any], who: str) -> list[str]:
    """One sentence where values differ, nothing where they do not; what is not there was never written."""
    other = [name for name, value in known.items() if name in read and read[name] != value]
    return [f"{who} {name} = {read[name]}, and {known[name]} was acknowledged" for name in other[:1]]
