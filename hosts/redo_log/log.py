"""One process's handle on the redo log: calls become events of its machines, and what they say becomes the answer.

Which half is written, when it is switched, what breaks the log, what may be acknowledged, and that a broken log is
tried again with a full database: all of that is decided by the rows of `redo_log`, `claim` and `flush`. The bytes are
written by `hosts.redo_log.port`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Lock
from typing import Protocol

from fsm import Event, Node, Operation, Signal
from fsm.drivers.adapters import Outcome, SyncAdapter
from fsm.drivers.clock import Clock
from fsm.drivers.journal import Records
from fsm.drivers.sync import SyncDriver
from fsm.language.domains import Value
from hosts.errors import PoolError
from hosts.redo_log.disk import Disk, FileDisk
from hosts.redo_log.format import SECTOR, VERSION, Identity, Record, pack_identity, pack_record
from hosts.redo_log.identity import checked_identity, pool_uuid, refuse_used, reported
from hosts.redo_log.machine import writer_node
from hosts.redo_log.port import Content, DiskPort, Replay, newest

_READS = ("survey", "recheck", "replay")


class StaleTerm(PoolError):
    """A master with a higher term, or another one with the same, has the log: this writer must stop."""


class RedoLogBroken(PoolError):
    """A write failed, its outcome is unknown: nothing is acknowledged until a full database is written."""


class Hears(Protocol):
    """Who hears the alerts of a log, from any thread: `log_broken` and `log_healed`."""

    def signal(self, signal: Signal) -> None:
        """Take an alert, without blocking."""


class _SignalsOnly:
    """The part of an adapter that a port without operations never uses."""

    def perform(self, operation: Operation) -> Outcome:
        raise AssertionError(f"{operation.name} is no operation of {operation.port}")

    def read(self, operation: Operation) -> Outcome:
        raise AssertionError(f"{operation.name} is no operation of {operation.port}")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        raise AssertionError(f"{operation.name} is no operation of {operation.port}")


class _Caller(_SignalsOnly):
    """The port `caller`: keeps what the machines say until the call looks."""

    def __init__(self) -> None:
        self.heard: SimpleQueue[str] = SimpleQueue()

    def signal(self, signal: Signal) -> None:
        self.heard.put(signal.name)


class _Alerts(_SignalsOnly):
    """The port `alerts`: the log notes that it has healed, and passes everything on."""

    def __init__(self, log: RedoLog, listener: Hears | None) -> None:
        self.log, self.listener = log, listener

    def signal(self, signal: Signal) -> None:
        if signal.name == "log_healed":
            self.log.broken = None
        if self.listener is not None:
            self.listener.signal(signal)


class RedoLog:
    """One process's handle on the redo log. All calls block; one call at a time.

    Made by `create` or `open`; reading needs nothing more. To write, a master takes it over: `claim` with a term that
    the log has not seen, then `begin` with a full database (`begin` alone does both, for a master that has the newest
    database already), then `append`. A log that breaks is tried again with the newest full database, by a thread of its
    own, until it works or is closed.

    Arguments:
        disk: where the log is.
        identity: its first sector.
        place: what messages call it.
        me: this host's index.
        node: the machines of a writer; those of the specs by default.
        clock: of the pauses between two tries; a thread by default.
        alerts: who hears that the log is broken, and healed; nobody by default.
        journal: where every step is written; nowhere by default.

    Attributes: `place`, as given; `broken`, why nothing is acknowledged, None while all is well.
    """

    def __init__(
        self,
        disk: Disk,
        identity: Identity,
        place: str,
        me: int = 0,
        node: Node | None = None,
        clock: Clock | None = None,
        alerts: Hears | None = None,
        journal: Records | None = None,
    ) -> None:
        self.place, self._term = place, 0
        self.broken: str | None = None
        self._calling = Lock()
        self._port, self._caller = DiskPort(disk, identity, place, me), _Caller()
        adapters: dict[str, SyncAdapter] = {"disk": self._port, "caller": self._caller, "alerts": _Alerts(self, alerts)}
        self._driver = SyncDriver(node or writer_node(), adapters, clock=clock, journal=journal)

    @classmethod
    def create(cls, path: str | os.PathLike[str], pool: str, size: int, hosts: int = 2) -> RedoLog:
        """Make an empty log for a pool, preallocated.

        Arguments:
            path: a name that is free, an empty or zeroed file, or a zeroed block device of at least `size`
            bytes.
            pool: its uuid.
            size: bytes, at least 20 KiB and 8 for each host; each half must hold the whole database, with room for
            deltas.
            hosts: how many hosts the pool has.

        Errors: PoolError when anything else is there already, even a log of this pool: it may hold changes
        that were acknowledged; nothing is overwritten.
        """
        place = f"{os.fspath(path)}: redo log"
        identity = Identity(VERSION, pool_uuid(place, pool), size, hosts)
        if size < identity.smallest:
            raise PoolError(f"{place}: {size} bytes are too few, give at least {identity.smallest}")
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
    def open(
        cls,
        path: str | os.PathLike[str],
        pool: str,
        me: int = 0,
        node: Node | None = None,
        alerts: Hears | None = None,
    ) -> RedoLog:
        """Open the log of a pool; nothing is written.

        Arguments:
            path: of the file or block device.
            pool: its uuid.
            me, node, alerts: as those of the class.

        Errors: PoolError when it is missing, no redo log, of another pool or version, damaged in its first
        sector, or shorter than it was made, or has no mark for this host.
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
                if me >= identity.hosts:
                    raise PoolError(f"{place}: made for {identity.hosts} hosts, and this is host {me}; make a new one")
            except BaseException:
                disk.close()
                raise
        return cls(disk, identity, place, me, node, alerts=alerts)

    @property
    def term(self) -> int:
        """The term under which this handle has claimed the log; 0 before it did."""
        return self._term

    def own_term(self, above: int) -> int:
        """The lowest term over `above` that is this host's own.

        Two hosts that read the log at once must not claim one term: neither would be the newer master, to the log or to
        any host, and the log would lose what one of them has acknowledged. So terms are dealt out by index, as the
        numbers of ballots are: of n hosts, host i has those that leave i when divided by n.
        """
        return above + 1 + (self._port.me - above - 1) % self._port.identity.hosts

    def is_own(self, term: int) -> bool:
        """Whether a term is this host's own: then no other has ever claimed the log with it."""
        return term % self._port.identity.hosts == self._port.me

    @property
    def state(self) -> str:
        """The state of the machine redo_log."""
        return self._driver.node.state(self._driver.local, "redo_log")

    def close(self) -> None:
        """Give the file back; the log stays and can be replayed."""
        self._driver.post(Event("redo_log", "close"))
        self._driver.stop()
        self._port.disk.close()

    def read(self) -> Replay:
        """Replay to the last whole record; a torn tail is dropped.

        Errors: PoolError when the log cannot be read, or is damaged so that acknowledged changes are lost.
        """
        with reported(self.place, "cannot be read", "check the storage"):
            return self._port.replayed()[2]

    def claim(self, term: int) -> Replay:
        """Take the log for a new master: raise its term durably, then replay it.

        From then on an older writer acknowledges nothing more. A claim whose writer has not begun since, or
        whose log broke, may be repeated by the same handle.

        Arguments:
            term: the new master's, above every term that the log has seen.

        Errors: StaleTerm for a term that is not; RedoLogBroken when a write failed; PoolError as `read`.
        """
        self._port.contents.pop("offered", None)
        self._answered(term, self._ask("claim", {"term": term, "order": self._order(term)}, "claimed"))
        assert self._port.replay is not None
        return self._port.replay

    def begin(self, term: int, generation: int, full: Mapping[str, object]) -> None:
        """Start writing under a term: a full database into the other half. Also what mends a broken log at once.

        Arguments:
            term: one that this handle has claimed and not begun (or that broke), else it is claimed now.
            generation: of the database, not below that of the log.
            full: the database, a JSON object.

        Errors: StaleTerm as `claim`; RedoLogBroken when a write failed; PoolError when the log holds a newer
        database than this one, or when a half cannot hold it.
        """
        self._check_size(full)
        offered = self._port.contents["offered"] = Content(generation, lambda: full)
        payload = {"term": term, "order": self._order(term), "older": generation < self._port.generation}
        try:
            self._answered(term, self._ask("begin", payload, "begun", "older"), generation)
        finally:
            self._port.contents.pop("offered", None)
        self._port.contents["newest"], self._port.generation, self.broken = offered, generation, None

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
            begun, or when the log has broken later.

        Errors: StaleTerm when a newer master has claimed the log; RedoLogBroken when this write failed or an
        earlier one did (the change may or may not turn up in a replay; it is not acknowledged); PoolError
        when the half is full and the database fits no half; TypeError or ValueError for what is not JSON, or
        a wrong generation.
        """
        port = self._port
        if self.state == "open" and generation != port.generation + 1:
            raise ValueError(f"generation {generation} does not follow {port.generation}")
        port.record = pack_record(Record(port.sequence, term, generation, delta))
        committed = port.contents["committed"] = Content(generation, full)
        room = port.room(port.record)
        if room == "other" and port.missing(full()) > 0:
            room = "nowhere"
        answer = self._ask("commit", {"order": self._order(term), "room": room}, "acknowledged", "too_large")
        if answer == "too_large":
            self._check_size(full())
        self._answered(term, answer)
        port.contents["newest"], port.generation = committed, generation

    def overdue(self) -> bool:
        """What is under way takes too long: it is given up, and the log is broken. From any thread.

        Returns: False where it has ended just in time, so that its call returns.
        """
        self._driver.send(Event("redo_log", "overdue"))
        if self.state != "broken":
            return False
        self.broken = "a write takes too long"
        return True

    # -- what was said

    def _order(self, term: int) -> str:
        """How a term stands to the one that is held."""
        return "lower" if term < self._term else "same" if term == self._term else "higher"

    def _ask(self, event: str, payload: Mapping[str, Value], *answers: str) -> str:
        """Send an event and wait until the machines have answered it. Errors: `RedoLogBroken` while a call of another
        thread, that has taken too long, is not over."""
        if not self._calling.acquire(blocking=False):
            raise RedoLogBroken(f"{self.place}: {self.broken or 'busy'}; wait until the storage answers")
        try:
            return self._asked(event, payload, answers)
        finally:
            self._calling.release()

    def _asked(self, event: str, payload: Mapping[str, Value], answers: tuple[str, ...]) -> str:
        heard = self._caller.heard
        while not heard.empty():
            heard.get()  # of a log that has mended itself, or failed to
        self._port.error = None
        self._driver.send(Event("redo_log", event, dict(payload)))
        while (answer := heard.get()) not in (*answers, "refused", "stale"):
            pass
        return answer

    def _answered(self, term: int, answer: str, generation: int = 0) -> None:
        """Return for a good answer. Errors: as the calls say."""
        port = self._port
        if self.state in ("claimed", "open", "broken"):
            self._term = port.term
        if answer == "older":
            raise PoolError(
                f"{self.place}: it holds generation {port.generation}, this database is only at {generation};"
                " replay the log first"
            )
        if answer == "stale":
            with reported(self.place, "cannot be read", "check the storage"):
                seen = newest(port.marks()).term
            if self.state == "superseded" and term == self._term:
                what = f"it was claimed with term {seen}; step down"
            else:
                what = f"it has seen term {max(seen, self._term)}; raise it above"
            raise StaleTerm(f"{self.place}: term {term} is refused, {what}")
        if answer == "refused":
            raise self._refused()

    def _refused(self) -> PoolError:
        """Why a call was refused."""
        error = self._port.error
        if isinstance(error, PoolError):
            return error
        if self._port.asked in _READS and error is not None and self.state != "broken":
            return PoolError(f"{self.place}: cannot be read: {_said(error)}; check the storage")
        if error is not None:
            stopped = not isinstance(error, OSError)
            self.broken = f"a write was stopped by {_said(error)}" if stopped else f"a write failed ({_said(error)})"
            return RedoLogBroken(f"{self.place}: {self.broken}; mend the storage, then begin again")
        if self.broken is None:
            return RedoLogBroken(f"{self.place}: not begun by this writer; begin it with a full database")
        return RedoLogBroken(f"{self.place}: {self.broken}; begin it again with a full database")

    def _check_size(self, full: Mapping[str, object]) -> None:
        """Errors: `PoolError` for a database that fits no half."""
        missing, room = self._port.missing(full), self._port.identity.half - SECTOR
        if missing > 0:
            raise PoolError(
                f"{self.place}: the database takes {room + missing} bytes, a half holds {room}; make a larger log"
            )


def _said(error: BaseException) -> str:
    """An error in a few words."""
    return str(error.strerror or error) if isinstance(error, OSError) else type(error).__name__
