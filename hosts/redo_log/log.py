"""The writer and the reader of the redo log; its rules are in the package's essay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from attrs import frozen

from hosts.errors import PoolError
from hosts.redo_log.disk import Disk, FileDisk
from hosts.redo_log.format import (
    END,
    HALVES,
    SECTOR,
    SMALLEST,
    VERSION,
    Header,
    Identity,
    Mark,
    Record,
    pack_header,
    pack_identity,
    pack_mark,
    pack_record,
    unpack_header,
    unpack_mark,
    unpack_record,
)
from hosts.redo_log.identity import checked_identity, pool_uuid, refuse_used, reported


class StaleTerm(PoolError):
    """A master with a higher term, or another one with the same, has the log: this writer must stop."""


class RedoLogBroken(PoolError):
    """A write failed, its outcome is unknown: nothing is acknowledged until a full database is written."""


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


class RedoLog:
    """One process's handle on the redo log. All calls block; one call at a time.

    Made by `create` or `open`; reading needs nothing more. To write, a master takes it over: `claim` with a
    term that the log has not seen, then `begin` with a full database (`begin` alone does both, for a master
    that has the newest database already), then `append`.

    Arguments:
        disk: where the log is.
        identity: its first sector.
        place: what messages call it.

    Attributes: `place`, as given; `broken`, why nothing is acknowledged, None while all is well.
    """

    def __init__(self, disk: Disk, identity: Identity, place: str) -> None:
        self._disk, self._identity, self.place = disk, identity, place
        self._writer = uuid4().bytes  # tells two masters apart that claim one term at once
        self._term = 0
        self._slot = 0  # of the mark that this handle knows to be durable
        self._half, self._sequence = 1, 0  # the half that this handle knows to be durable
        self._generation = 0  # of the last record in it that counts
        self._tail: int | None = None  # where the next record goes; None: `begin` comes first
        self.broken: str | None = None

    @classmethod
    def create(cls, path: str | os.PathLike[str], pool: str, size: int) -> RedoLog:
        """Make an empty log for a pool, preallocated.

        Arguments:
            path: a name that is free, an empty or zeroed file, or a zeroed block device of at least `size`
            bytes.
            pool: its uuid.
            size: bytes, at least 28 KiB; each half must hold the whole database, with room for deltas.

        Errors: PoolError when anything else is there already, even a log of this pool: it may hold changes
        that were acknowledged; nothing is overwritten.
        """
        place = f"{os.fspath(path)}: redo log"
        identity = Identity(VERSION, pool_uuid(place, pool), size)
        if size < SMALLEST:
            raise PoolError(f"{place}: {size} bytes are too few, give at least {SMALLEST}")
        with reported(place, "cannot be created", "name a writable place with room for it"):
            disk = FileDisk(path, create=True)
            try:
                refuse_used(disk, identity, place)
                disk.preallocate(size)
                disk.write(0, pack_identity(identity))
            except BaseException:
                disk.close()
                raise
        return cls(disk, identity, place)

    @classmethod
    def open(cls, path: str | os.PathLike[str], pool: str) -> RedoLog:
        """Open the log of a pool; nothing is written.

        Arguments:
            path: of the file or block device.
            pool: its uuid.

        Errors: PoolError when it is missing, no redo log, of another pool or version, damaged in its first
        sector, or shorter than it was made.
        """
        place = f"{os.fspath(path)}: redo log"
        uuid = pool_uuid(place, pool)
        with reported(place, "cannot be opened", "check the path and its permissions"):
            disk = FileDisk(path)
            try:
                identity = checked_identity(disk.read(0, SECTOR), uuid, place)
                if disk.size < identity.size:
                    raise PoolError(
                        f"{place}: truncated to {disk.size} of {identity.size} bytes; restore it, or extend"
                        f" it to {identity.size} bytes to replay the whole records that it still holds"
                    )
            except BaseException:
                disk.close()
                raise
        return cls(disk, identity, place)

    @property
    def term(self) -> int:
        """The term under which this handle has claimed the log; 0 before it did."""
        return self._term

    def close(self) -> None:
        """Give the file back; the log stays and can be replayed."""
        self._disk.close()

    def read(self) -> Replay:
        """Replay to the last whole record; a torn tail is dropped.

        Errors: PoolError when the log cannot be read, or is damaged so that acknowledged changes are lost.
        """
        with reported(self.place, "cannot be read", "check the storage"):
            return self._replay()[2]

    def claim(self, term: int) -> Replay:
        """Take the log for a new master: raise its term durably, then replay it.

        From then on an older writer acknowledges nothing more. A claim whose writer has not begun since, or
        whose log broke, may be repeated by the same handle.

        Arguments:
            term: the new master's, above every term that the log has seen.

        Errors: StaleTerm for a term that is not; RedoLogBroken when a write failed; PoolError as `read`.
        """
        with reported(self.place, "cannot be read", "check the storage"):
            half, sequence, replay = self._replay()
            slot, mark = self._best_mark()
        mine = (mark.term, mark.writer) == (term, self._writer) and self._tail is None
        if term < replay.term or (term == replay.term and not mine):
            raise StaleTerm(f"{self.place}: term {term} is refused, it has seen term {replay.term}; raise it above")
        again = mine and term == self._term
        if not again:
            with self._writing():
                self._tail, self._slot = None, 1 - slot if mine else slot
                self._write_mark(Mark(term, sequence, self._writer))
            # What counts is what is there after the mark: the old writer may have acknowledged until then.
            with reported(self.place, "cannot be read", "check the storage"):
                half, sequence, replay = self._replay()
            # A repeated claim keeps what this handle knows of its own tenure: after a failed write the page
            # cache may show what the disk does not have.
            self._term, self._half, self._sequence = term, half, sequence
            self._generation = replay.generation
        return replay

    def begin(self, term: int, generation: int, full: Mapping[str, object]) -> None:
        """Start writing under a term: a full database into the other half. Also what mends a broken log.

        Arguments:
            term: one that this handle has claimed and not begun (or that broke), else it is claimed now.
            generation: of the database, not below that of the log.
            full: the database, a JSON object.

        Errors: StaleTerm as `claim`; RedoLogBroken when a write failed; PoolError when the log holds a newer
        database than this one, or when a half cannot hold it.
        """
        claimed = term == self._term > 0 and self._tail is None and not self.broken
        if not claimed:
            self.claim(term)
        if generation < self._generation:
            raise PoolError(
                f"{self.place}: it holds generation {self._generation}, this database is only at"
                f" {generation}; replay the log first"
            )
        self._write_half(generation, full)

    def append(
        self,
        term: int,
        generation: int,
        delta: Mapping[str, object],
        full: Callable[[], Mapping[str, object]],
    ) -> None:
        """Make one change durable: on return it survives any failover.

        Arguments:
            term: the caller's; refused unless it is the one under which this handle has begun.
            generation: of the database after the change: one above the last.
            delta: the change, a JSON object.
            full: gives the database after the change; called when the half is full and the other one is
            begun.

        Errors: StaleTerm when a newer master has claimed the log; RedoLogBroken when this write failed or an
        earlier one did (the change may or may not turn up in a replay; it is not acknowledged); PoolError
        when the half is full and the database fits no half; TypeError or ValueError for what is not JSON, or
        a wrong generation.
        """
        tail = self._writable(term)
        if generation != self._generation + 1:
            raise ValueError(f"generation {generation} does not follow {self._generation}")
        record = pack_record(Record(self._sequence, term, generation, delta))
        room = self._identity.half - tail
        if len(record) > room:
            self._write_half(generation, full())
            return
        with self._writing():
            self._disk.write(self._base(self._half) + tail, (record + END)[:room])
            self._check()
        self._tail, self._generation = tail + len(record), generation

    def _writable(self, term: int) -> int:
        """Where the next record of a writer with this term goes; an error when it may not write."""
        if self._tail is None and self.broken is None:
            raise RedoLogBroken(f"{self.place}: not begun by this writer; begin it with a full database")
        if term < self._term:
            raise StaleTerm(f"{self.place}: term {term} is refused, it was begun in term {self._term}")
        with self._writing():
            self._check()
        if self._tail is None or term != self._term:
            reason = self.broken or f"not begun in term {term}"
            raise RedoLogBroken(f"{self.place}: {reason}; begin it again with a full database")
        return self._tail

    def _write_half(self, generation: int, full: Mapping[str, object]) -> None:
        """A full database into the half that does not count; from its header on it does."""
        target, sequence = 1 - self._half, self._sequence + 1
        body = pack_record(Record(sequence, self._term, generation, full))
        room = self._identity.half - SECTOR
        if len(body) > room:
            raise PoolError(
                f"{self.place}: the database takes {len(body)} bytes, a half holds {room}; make a larger log"
            )
        base = self._base(target)
        with self._writing():
            self._check()
            # A try before this one may have left its header there, though its write was reported as failed.
            self._disk.write(base, bytes(SECTOR))
            self._disk.write(base + SECTOR, (body + END)[:room])
            self._check()
            self._disk.write(base, pack_header(Header(sequence, self._term, len(body))))
            self._half, self._sequence = target, sequence
            self._write_mark(Mark(self._term, sequence, self._writer))
            self._check()
        self._tail, self._generation, self.broken = SECTOR + len(body), generation, None

    def _write_mark(self, mark: Mark) -> None:
        self._disk.write((2 - self._slot) * SECTOR, pack_mark(mark))
        self._slot = 1 - self._slot

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Whatever stops the inside leaves the log broken, for nobody knows how much of it was written."""
        try:
            yield
        except OSError as error:
            self._tail, self.broken = None, f"a write failed ({error.strerror or error})"
            raise RedoLogBroken(f"{self.place}: {self.broken}; mend the storage, then begin again") from error
        except BaseException as error:
            self._tail = None
            self.broken = f"a write was stopped by {type(error).__name__}"
            raise

    def _check(self) -> None:
        """This handle's mark still counts. Looked at before a write and again before it is acknowledged."""
        mark = self._best_mark()[1]
        if mark.writer != self._writer and mark.term >= self._term:
            raise StaleTerm(
                f"{self.place}: term {self._term} is refused, it was claimed with term {mark.term}; step down"
            )
        if mark.term < self._term:
            raise OSError(f"the mark of term {self._term} is gone from the log")

    def _base(self, half: int) -> int:
        return HALVES + half * self._identity.half

    def _best_mark(self) -> tuple[int, Mark]:
        """The mark that counts, and its slot; one that was torn counts for nothing."""
        marks = [unpack_mark(self._disk.read((1 + slot) * SECTOR, 64)) or Mark() for slot in (0, 1)]
        slot = int(marks[1] > marks[0])
        return slot, marks[slot]

    def _replay(self) -> tuple[int, int, Replay]:
        """The half that counts, its sequence, and what it holds."""
        mark = self._best_mark()[1]
        headers = {half: unpack_header(self._disk.read(self._base(half), 64)) for half in (0, 1)}
        good = [(header.sequence, half, header) for half, header in headers.items() if header]
        sequence, half, header = max(good, key=lambda item: item[0], default=(0, 1, Header(0, 0, 0)))
        if sequence < mark.sequence:
            raise self._damaged(f"the header of half {mark.sequence} is lost")
        term = max(mark.term, header.term)
        if not sequence:
            return half, 0, Replay(term, 0, None, (), torn=False)
        data = self._disk.read(self._base(half), self._identity.half)
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


def _fits(record: Record, header: Header) -> bool:
    """The record is of this half, not of an older use of the same bytes."""
    return (record.sequence, record.term) == (header.sequence, header.term)
