"""The port `database`, and the store of the pool variables: the reign of this host as master.

A reign begins with a term that is higher than any that this host or the redo log has seen, and that no other host ever
claims (`RedoLog.own_term`). It is kept here, claimed in the log (from then on an older master writes no more), told to
every host of the liveset, each of which keeps it before it answers (from then on none of them obeys an older master),
and only then is the log begun for writing. A reign ends with the process, or with the next one: nothing is written in a
term that has been left.

With HA off there is no lock, so it is the log that says who has reigned: where it has seen a later reign than the one
that a host holds to be its own, and that was another host's, the host is superseded and gets nothing. Whose a reign was
its term says. What a host has wanted to claim says nothing: a claim may fail, and be followed by another host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import define, field

from fsm import Operation, Signal
from fsm.drivers.adapters import Declined, Outcome
from hosts.database import Database, DatabaseStore
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.redo_log import Hears, RedoLog, RedoLogBroken, Replay, writer_node
from hosts.rpc import TermKeeper, as_term

_STARTS = 1_000_000
"""More starts of VMs than there are in one reign: an incarnation is term * this + how many were before."""
_NEXT = 1
"""A candidate may have been decided on for the next term, so who is named by force takes one after it."""


@define(eq=False)
class Reign:
    """What this host is as master: its term, and the store of the database while it may write there.

    Arguments:
        terms: the highest term known here.
        patience: seconds that a write may take.
    """

    terms: TermKeeper
    patience: float = 10.0
    store: DatabaseStore | None = None
    term: int = 0
    _starts: int = field(default=0, init=False)

    def begin(self, term: int) -> None:
        """From now on this host commands in this term."""
        self.term, self._starts = term, 0

    def incarnation(self) -> int:
        """A number for the start of a VM, higher than any that a master of the pool gave before."""
        self._starts += 1
        return self.term * _STARTS + self._starts

    async def commit(self, values: Mapping[str, Any]) -> None:
        """Make pool variables durable.

        Errors: `Declined` while the redo log is broken, which a write that takes longer than `patience` makes it;
        `PoolError` when this host is no master, or another one is.
        """
        store = self.store
        if store is None:
            raise PoolError(f"{', '.join(values)}: only the master writes the pool database; take it over first")
        write = asyncio.ensure_future(asyncio.to_thread(store.commit, {"variables": dict(values)}))
        done, _ = await asyncio.wait({write}, timeout=self.patience)
        if not done and store.overdue():
            write.add_done_callback(lambda late: late.cancelled() or late.exception())  # nobody asks for it any more
            raise Declined("the redo log does not answer")
        try:
            await write
        except RedoLogBroken as error:
            raise Declined(str(error)) from error


@define(eq=False)
class DatabasePort:
    """The pool database of `pool`.

    Arguments:
        me: this host.
        reign: what it is as master; this port begins it.
        tell_term: makes the term of the reign known to a host; whether it answered that it has kept it.
        load: gives the driver the pool variables; awaits that it has them.
        alerts: who hears that the log is broken, and healed.
    """

    pool: PoolDir
    me: int
    reign: Reign
    tell_term: Callable[[int], Awaitable[bool]]
    load: Callable[[Mapping[str, Any]], Awaitable[None]]
    alerts: Hears | None = None
    _log: RedoLog | None = field(default=None, init=False)

    async def perform(self, operation: Operation) -> Outcome:
        """Read the newest database; take it over, under a new term; or keep all others from it."""
        if operation.name == "read":
            database, term, _ = await asyncio.to_thread(self._read)
            await self.load(database.variables)
            return "ok", {"term": term}
        reign, self.reign.store = self.reign, None
        if operation.name == "seize":
            await asyncio.to_thread(self._claim, 0, _NEXT)
            return "ok", {"term": reign.term}
        live, held = operation.arguments["live"], as_term(operation.arguments["reign"])
        if not live and await asyncio.to_thread(self._superseded, held):
            return "superseded", {}
        log, database = await asyncio.to_thread(self._claim, held, 0)
        told = await asyncio.gather(*(self.tell_term(host) for host in sorted(live - {self.me})))
        if not all(told):
            return "failed", {}
        store = await asyncio.to_thread(DatabaseStore.start, log, reign.term, database)
        await self.load(store.database.variables)
        reign.store = store
        return "ok", {"term": reign.term}

    def _read(self) -> tuple[Database, int, bool]:
        """The newest database, the newest term that the log has seen, and whether that one is this host's own."""
        log = RedoLog.open(
            self.pool.redo_log, str(self.pool.uuid), self.me, writer_node(self.pool.timeout), self.alerts
        )
        try:
            replay = log.read()
            return self._database(log, replay), replay.term, log.is_own(replay.term)
        finally:
            log.close()

    def _superseded(self, held: int) -> bool:
        """Whether the log has seen a later reign than the one that this host holds to be its own, of another host."""
        _, term, own = self._read()
        return term > held and not own

    def _claim(self, held: int, ahead: int) -> tuple[RedoLog, Database]:
        """Raise the term here and in the log, by more than `ahead`, and read what the log holds."""
        if self._log is not None:
            self._log.close()
        log = self._log = RedoLog.open(
            self.pool.redo_log, str(self.pool.uuid), self.me, writer_node(self.pool.timeout), self.alerts
        )
        term = log.own_term(max(self.reign.terms.term, log.read().term, held) + ahead)
        self.reign.terms.raise_to(term)
        self.reign.begin(term)
        return log, self._database(log, log.claim(term))

    def _database(self, log: RedoLog, replay: Replay) -> Database:
        database = Database.from_replay(replay, log.place)
        if database is None:
            raise PoolError(f"{log.place}: it holds no database; make the pool anew")
        return database

    def read(self, operation: Operation) -> Outcome:
        """None of them is instant."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of database")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """It was neither read nor taken."""
        return "failed", {}
