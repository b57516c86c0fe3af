"""The port `disk` of the redo log's machines: bytes at their places. It performs and reports, and decides nothing.

A write looks at the marks, writes, and looks again, as the port promises; a lock keeps an operation from beginning
before the one that was asked for last has ended, even where nobody waits for that any more. What the machines do not
know is kept here: terms, sequence numbers, where the next record goes, the databases that may be written in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from threading import Lock
from uuid import uuid4

from attrs import define, field, frozen

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.errors import PoolError
from hosts.redo_log.disk import Disk
from hosts.redo_log.format import (
    END,
    SECTOR,
    Header,
    Identity,
    Mark,
    Record,
    pack_header,
    pack_mark,
    pack_record,
    unpack_header,
    unpack_mark,
    unpack_record,
)

newest = partial(max, key=attrgetter("term", "sequence", "writer"))
"""The mark that counts, of several; what attrs would compare takes ten times as long."""

Full = Callable[[], Mapping[str, object]]


@frozen
class Replay:
    """What a log holds.

    Fields:
        term: the highest term that the log has seen, 0 for none.
        generation: of the database that `full` and `deltas` lead to, 0 when there is none.
        full: the last full database, None in a log that was never begun.
        deltas: the changes since, oldest first; each raised the generation by one.
        torn: bytes that are no whole record follow the last one and were dropped.
    """

    term: int
    generation: int
    full: Mapping[str, object] | None
    deltas: tuple[Mapping[str, object], ...]
    torn: bool


@frozen
class Content:
    """A database that may be written in full, under the name by which the machines ask for it."""

    generation: int
    full: Full


@define(eq=False)
class DiskPort:
    """What the writer of one process knows of the log and of itself.

    Arguments:
        disk, identity, place: of the log.
        me: index of this host, whose marks are written.
    Fields:
        writer: tells two processes apart that claim one term at once.
        term: claimed, or tried. sequence: of the half that counts, as read or written here.
        generation: of the database that was read, or acknowledged since.
        tail: where the next record goes in the half.
        contents: databases by the names that `fill` knows: offered, committed, newest.
        record: the change to be appended.
        replay: what was read last. asked: the last operation; error: why it failed, None if it did not.
    """

    disk: Disk
    identity: Identity
    place: str
    me: int
    writer: bytes = field(factory=lambda: uuid4().bytes)
    term: int = 0
    sequence: int = 0
    generation: int = 0
    tail: int = 0
    contents: dict[str, Content] = field(factory=dict)
    record: bytes = b""
    replay: Replay | None = None
    asked: str = ""
    error: BaseException | None = None
    _filled: int = 0
    _lock: Lock = field(factory=Lock)

    def perform(self, operation: Operation) -> Outcome:
        """One operation of the port. Any OSError, and a damaged log, is `failed`; `error` says which."""
        with self._lock:
            self.error = None
            self.asked = operation.name
            try:
                return self._do(operation)
            except (OSError, PoolError) as error:
                self.error = error
                return "failed", {}

    def _do(self, operation: Operation) -> Outcome:
        name, said = operation.name, operation.arguments
        if name == "survey":
            return self._survey(int(said["term"])), {}
        if name == "recheck":
            return self._standing() or "ours", {}
        if name == "replay":
            return self._read(bool(said["known"]))
        if name == "mark":
            return self._sign(claims=operation.machine == "claim")
        half = int(said["half"])
        if name == "append":
            return self._append(half)
        if name == "wipe":
            # A try before this one may have left its header there, though its write was reported as failed.
            return self._write(self.base(half), bytes(SECTOR))
        return self._fill(half, str(said["what"])) if name == "fill" else self._seal(half)

    # -- looks

    def marks(self) -> list[Mark]:
        """Everybody's marks; one that was torn, or never written, counts for nothing."""
        slots = range(1, 1 + 2 * self.identity.hosts)
        return [unpack_mark(self.disk.read(slot * SECTOR, 64)) or Mark() for slot in slots]

    def _survey(self, term: int) -> str:
        best = newest(self.marks())
        header = max((header.term for header in self._headers() if header), default=0)
        if (best.term, best.writer) == (term, self.writer):
            return "mine"
        if term <= max(best.term, header):
            return "stale"
        self.term = term
        return "free"

    def _standing(self, claims: bool = False) -> str:
        """Nothing while this writer's mark counts, "stale" when another one's does, "gone" when an older one does."""
        best = newest(self.marks())
        if best.writer != self.writer and best.term >= self.term:
            return "stale"
        return "gone" if best.term < self.term and not claims else ""

    def _headers(self) -> list[Header | None]:
        return [unpack_header(self.disk.read(self.base(half), 64)) for half in (0, 1)]

    def _read(self, known: bool) -> Outcome:
        half, sequence, self.replay = self.replayed()
        offered = self.contents.get("offered") or self.contents.get("newest")
        newer = offered is not None and self.replay.generation > offered.generation
        if not known:
            self.sequence, self.generation = sequence, self.replay.generation
        return "replayed", {"found": half, "newer": newer}

    # -- writes

    def _write(self, offset: int, data: bytes, claims: bool = False) -> Outcome:
        """Look, write, look again. Errors: `OSError`."""
        for ended in (False, True):
            if found := self._standing(claims and not ended):
                if found == "stale":
                    return "stale", {}
                raise OSError(f"the mark of term {self.term} is gone from the log")
            if not ended:
                self.disk.write(offset, data)
        return "written", {}

    def _append(self, half: int) -> Outcome:
        room = self.identity.half - self.tail
        outcome = self._write(self.base(half) + self.tail, (self.record + END)[:room])
        if outcome[0] == "written":
            self.tail += len(self.record)
        return outcome

    def _fill(self, half: int, what: str) -> Outcome:
        content = self.contents[what]
        body = pack_record(Record(self.sequence + 1, self.term, content.generation, content.full()))
        self._filled = len(body)
        return self._write(self.base(half) + SECTOR, (body + END)[: self.identity.half - SECTOR])

    def _seal(self, half: int) -> Outcome:
        length = self._filled
        outcome = self._write(self.base(half), pack_header(Header(self.sequence + 1, self.term, length)))
        if outcome[0] == "written":
            self.sequence, self.tail = self.sequence + 1, SECTOR + length
        return outcome

    def _sign(self, claims: bool) -> Outcome:
        """This writer's mark, over the lower one of this host, so that a torn one costs nothing."""
        first, second = self.marks()[2 * self.me : 2 * self.me + 2]
        slot = 1 + 2 * self.me + (newest((second, first)) is first)
        return self._write(slot * SECTOR, pack_mark(Mark(self.term, self.sequence, self.writer)), claims)

    def base(self, half: int) -> int:
        """Where a half begins."""
        return self.identity.halves + half * self.identity.half

    def room(self, record: bytes) -> str:
        """Where a record has room: here, behind the last one, or in the other half."""
        return "here" if self.tail + len(record) <= self.identity.half else "other"

    def missing(self, full: Mapping[str, object]) -> int:
        """How many bytes a database is short of, in a half of its own; 0 or below when it fits."""
        return len(pack_record(Record(0, 0, 0, full))) - (self.identity.half - SECTOR)

    # -- what the log holds

    def replayed(self) -> tuple[int, int, Replay]:
        """The half that counts, its sequence, and what it holds. Errors: `PoolError` for a damaged log; `OSError`."""
        mark = newest(self.marks())
        good = [(header.sequence, half, header) for half, header in enumerate(self._headers()) if header]
        sequence, half, header = max(good, key=lambda item: item[0], default=(0, 1, Header(0, 0, 0)))
        if sequence < mark.sequence:
            raise self._damaged(f"the header of half {mark.sequence} is lost")
        term = max(mark.term, header.term)
        if not sequence:
            return half, 0, Replay(term, 0, None, (), torn=False)
        data = self.disk.read(self.base(half), self.identity.half)
        first = unpack_record(data, SECTOR)
        if first is None or first[1] != SECTOR + header.length or not _fits(first[0], header):
            raise self._damaged(f"the full database of half {sequence} does not match its checksum")
        full, offset = first
        generation, deltas = full.generation, []
        while (found := unpack_record(data, offset)) and _fits(found[0], header):
            record, offset = found
            generation = record.generation
            deltas.append(record.payload)
        torn = any(data[offset : offset + len(END)])
        return half, sequence, Replay(term, generation, full.payload, tuple(deltas), torn)

    def _damaged(self, what: str) -> PoolError:
        return PoolError(
            f"{self.place}: damaged, {what}, so acknowledged changes may be lost; restore it, or move it"
            " away and begin a new log from the database of the host that was master"
        )

    # -- the rest of an adapter

    def read(self, operation: Operation) -> Outcome:
        """The port has no instant operations."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of disk")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """What stopped it leaves its outcome unknown."""
        self.error = error
        return "failed", {}


def _fits(record: Record, header: Header) -> bool:
    """The record is of this half, not of an older use of the same bytes."""
    return (record.sequence, record.term) == (header.sequence, header.term)
