"""The port `statefile` of a daemon: reads and writes in a thread of their own, one at a time.

It keeps what the machines do not: the sequence of the record, the numbers of requests and grants, the words of pool
state and mark, and when each I/O started. An operation that hangs holds up the next one, whichever it is: there are
never two I/Os of this daemon under way, so never two writes on one sector.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from attrs import define, evolve, field

from fsm.language.domains import Value
from hosts.daemon.evidence import Evidence
from hosts.daemon.layout import MarkWord, Phase, PoolState, Record
from hosts.daemon.statefile import Snapshot, Statefile
from hosts.daemon.view import STATES, View, payload

T = TypeVar("T")
Outcome = tuple[str, Mapping[str, Value]]
ELEMENT_TURNS = 10
"""xhad's tools are shown a record that says nothing new only every so many turns: they judge by tens of seconds."""


@define
class Published:
    """What the machines hold; all but the liveset goes into the record beside what a write is given."""

    live: frozenset[int]
    heard: frozenset[int]
    stay: frozenset[int]


@define(eq=False)
class StatefilePort:
    """The statefile of one daemon.

    Arguments:
        statefile: the open file.
        evidence: the books that the reads are entered in.
        me, n: this host and the number of configured hosts.
        now: the clock, seconds of CLOCK_BOOTTIME.
        held: what the machines hold now.
        nudge: has the others read soon.
    """

    statefile: Statefile
    evidence: Evidence
    me: int
    n: int
    now: Callable[[], float]
    held: Callable[[], Published]
    nudge: Callable[[], None]
    hurried: bool = field(default=False, init=False)
    cut: bool = field(default=False, init=False)
    view: View | None = field(default=None, init=False)
    snapshot: Snapshot | None = field(default=None, init=False)
    invalid_written: asyncio.Event = field(factory=asyncio.Event, init=False)
    excluded_written: bool = field(default=False, init=False)
    _thread: ThreadPoolExecutor = field(init=False)
    _sequence: int = field(default=0, init=False)
    _number: int = field(default=0, init=False)
    _request: int = field(default=0, init=False)
    _grant: tuple[int, int] | None = field(default=None, init=False)
    _mark: MarkWord = field(default=MarkWord(), init=False)
    _last: Record | None = field(default=None, init=False)
    _shown: Record | None = field(default=None, init=False)
    _turns: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "statefile")

    # -- operations

    async def read(self) -> Outcome:
        """`seen` with what the whole file shows, or `failed`."""
        self.evidence.read_started(self.now())
        try:
            snapshot = await self._io(self.statefile.read)
        except OSError:
            return "failed", {}
        held = self.held()
        self.snapshot = snapshot
        self.view = self.evidence.read_finished(self.now(), snapshot, held.live, held.stay, self._request)
        if not snapshot.foreign:
            self._mark = max(self._mark, snapshot.mark)
        return "seen", payload(self.view, self.me, self.n, held.live)

    async def write(self, phase: Phase, live: frozenset[int], word: str, excluded: bool) -> Outcome:
        """`wrote` with the deadline that counts from the start of the write, or `failed`."""
        record, hurried = self._record(phase, live, word, excluded), self.hurried
        self._last, self.hurried = record, False
        try:
            started = await self._io(lambda: self._written(record))
        except OSError:
            return "failed", {}
        if hurried:
            self.nudge()
        if record.pool is PoolState.INVALID:
            self.invalid_written.set()
        return "wrote", {"deadline": self.evidence.wrote(started)}

    async def write_bye(self, word: str, excluded: bool) -> Outcome:
        """`said` once the goodbye is on the disk, or `failed`."""
        record = self._record(Phase.BYE, self.held().live, word, excluded)
        try:
            await self._io(lambda: self._written(record))
            self.excluded_written = record.excluded
            if record.pool is PoolState.INVALID:
                self.invalid_written.set()
            await self._io(lambda: self._show(record, frozenset()))
        except OSError:
            return "failed", {}
        return "said", {}

    async def show(self) -> None:
        """Show the record to xhad's tools if it says anything new, or has not been shown for some turns."""
        record = self._last
        self._turns += 1
        news = self._shown is None or (record and evolve(record, sequence=self._shown.sequence) != self._shown)
        if record and (news or self._turns >= ELEMENT_TURNS):
            self._turns, self._shown = 0, record
            fresh = self.view.fresh if self.view else frozenset()
            try:
                await self._io(lambda: self._show(record, fresh))
            except OSError:
                self._shown = None

    @property
    def incarnation_shown(self) -> int:
        """The highest incarnation of this host on the statefile, as the last read showed it."""
        assert self.snapshot is not None
        return self.snapshot.incarnations[self.me]

    def begin(self, incarnation: int) -> None:
        """From now on this host writes as this incarnation."""
        self.evidence.begin(incarnation)
        # Numbers of requests never repeat, so that a grant to an earlier incarnation is one of another request.
        self._number = incarnation << 32

    # -- signals

    def ask(self) -> None:
        """Ask for the master lock under a new number, above all that this host has seen: marks are ordered by it."""
        records = [record for record in self.snapshot.records if record] if self.snapshot else []
        granted = self._grant[1] if self._grant else 0
        self._number = 1 + max([self._number, granted, self._mark.version, *(record.request for record in records)])
        self._request = self._number

    def withdraw(self) -> None:
        """Ask no longer."""
        self._request = 0

    def grant(self, to: int | None) -> None:
        """Grant the lock to the request that a host, or this one, makes now; to nobody with None."""
        if to is None:
            self._grant = None
        elif to == self.me:
            self._grant = (self.me, self._request)
        else:
            record = self.snapshot.records[to] if self.snapshot else None
            self._grant = (to, record.request) if record else None

    def mark(self) -> None:
        """This host has taken the lock: from the next write on it is marked as master."""
        self._mark = MarkWord(self._request, self.me)

    # -- the record

    def _record(self, phase: Phase, live: frozenset[int], word: str, excluded: bool) -> Record:
        self._sequence += 1
        held = self.held()
        known = self.snapshot.pool if self.snapshot and not self.snapshot.foreign else PoolState.NONE
        return Record(
            incarnation=self.evidence.incarnation,
            sequence=self._sequence,
            phase=phase,
            live=live,
            heard=held.heard,
            stay=held.stay,
            listed=dict(self.evidence.listed) | ({self.me: self.evidence.incarnation} if self.me in live else {}),
            request=self._request,
            grant=self._grant,
            excluded=excluded,
            pool=max(STATES[word], known),
            mark=self._mark,
        )

    def _written(self, record: Record) -> float:
        started = self.now()
        self.statefile.write_record(self.me, record)
        return started

    def _show(self, record: Record, fresh: frozenset[int]) -> None:
        self.statefile.write_element(self.me, record, fresh)
        foreign = self.snapshot is not None and self.snapshot.foreign
        if not foreign and (self.me == min(record.live, default=None) or record.pool is PoolState.INVALID):
            self.statefile.write_global(record.pool, record.mark)

    async def _io(self, call: Callable[[], T]) -> T:
        def guarded() -> T:
            if self.cut:
                raise OSError(errno.EIO, "the statefile is cut off by a test")
            return call()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)
