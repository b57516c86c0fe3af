"""Two hosts and the redo log that they share: the shipped writer runs on both, on a disk that does its worst.

Either host takes the log over at any moment, whoever has it; each makes changes while it may. A write goes in two
steps: it looks at the marks and begins; it lands, looks again and is reported. It may fail, whether it landed or not,
or land later, or in part. A process may die at any moment, its write lands then, later, in part or
never; or somebody loses patience with it while it goes on.

`CLAUSES` are what the machines do not keep by themselves; that a former master's writes end, its fence sees to;
that terms are unique, who gives them out (`RedoLog.own_term`).

Kinds of fault: commit (a change is made), takeover (a host takes the log under a new term), again
(it repeats its claim, or takes the log with the database that it has), crash, failure
(an operation fails), slow (one takes too long), close (a host stops using the log).

Left out: damage to what was written well; a read that sees half of a write, which the fence rules out as well; caches.
Updates are few (setting `updates`); everything else happens any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation, Signal
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.worlds.redo_disk import Database, Disk, Write, disk_numbers, places, renumbered

CLAUSES = {
    "look": "a write looks at the marks again when it has ended",
    "ended": "the log is read for a new master only once nothing of a full database is under way, and a full database "
    "is written into a half only once nothing is under way to that half",
    "serial": "a writer's disk does one thing after another, however long it takes",
    "unique": "a term is one host's, and never used twice",
}
CLOSED, CLAIMED, BEGUN = "closed", "claimed", "begun"
READS = ("survey", "recheck", "replay")


@frozen
class Job:
    """What the machines of a host wait for. `place`: the half, or the host of a mark; `what`: which full database, or
    known; `write` once it has begun."""

    machine: str
    name: str
    place: int = 0
    what: str = ""
    write: Write | None = None


@frozen(cache_hash=True)
class Host:
    """One host and the process that may write.

    Arguments:
        seen: the highest term that it knows of; the only thing that survives its process.
        phase: what its caller was told last: closed, claimed, begun.
        term: that it has claimed, or tries to.
        sequence: of the half that it knows to count. records: how many follow the full database there.
        found: the updates in the log as it has read them. database: those in its own database.
        update: the change that it is about to make durable.
        job: what it waits for. late: a write that nobody waits for any more; `hung`, if its process is still in it.
    """

    seen: int = 0
    phase: str = CLOSED
    term: int = 0
    sequence: int = 0
    records: int = 0
    found: Database = ()
    database: Database = ()
    update: int | None = None
    job: Job | None = None
    late: Write | None = None
    hung: bool = False

    def gone(self) -> Host:
        """The same without its process; what it was writing is under way still."""
        under_way = self.job.write if self.job and self.job.write else None
        return Host(seen=self.seen, late=self.late or under_way)

    @property
    def writes(self) -> Iterator[Write]:
        """Its writes that are under way."""
        if self.late is not None:
            yield self.late
        if self.job is not None and self.job.write is not None:
            yield self.job.write


@frozen(cache_hash=True)
class Pair:
    """One world: the disk, the hosts, how many updates there were, and the host that acknowledged each, in order."""

    disk: Disk = field(factory=Disk)
    hosts: tuple[Host, Host] = (Host(), Host())
    updates: int = 0
    acknowledged: tuple[tuple[int, int], ...] = ()

    def host(self, me: int, host: Host) -> Pair:
        """The same with one host changed."""
        return evolve(self, hosts=(host, self.hosts[1]) if me == 0 else (self.hosts[0], host))


def numbered(w: Pair) -> Pair:
    """The same, terms and sequence numbers moved together."""
    terms, sequences = disk_numbers(w.disk)
    for host in w.hosts:
        terms |= {host.seen, host.term, *(write.term for write in host.writes)}
        sequences |= {host.sequence, *(write.sequence for write in host.writes)}
    term, sequence = places(terms), places(sequences)
    if all(key == value for place in (term, sequence) for key, value in place.items()):
        return w
    first, second = (_moved(host, term.__getitem__, sequence.__getitem__) for host in w.hosts)
    return evolve(w, disk=renumbered(w.disk, term.__getitem__, sequence.__getitem__), hosts=(first, second))


def _moved(host: Host, term: Callable[[int], int], sequence: Callable[[int], int]) -> Host:
    def write(old: Write | None) -> Write | None:
        return old and evolve(old, term=term(old.term), sequence=sequence(old.sequence))

    return evolve(
        host,
        seen=term(host.seen),
        term=term(host.term),
        sequence=sequence(host.sequence),
        job=host.job and evolve(host.job, write=write(host.job.write)),
        late=write(host.late),
    )


@define(eq=False)
class RedoWorld:
    """The world of two hosts that may both want to write the redo log.

    Arguments:
        n: 2.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: not used, nobody calls.
        updates: how many changes are tried.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    updates: int = 2
    clauses = CLAUSES
    faults = ("commit", "takeover", "again", "crash", "failure", "slow", "close")

    def __attrs_post_init__(self) -> None:
        if self.n != 2:
            raise ValueError("a pair has 2 hosts")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """durable: a replay yields every acknowledged update; whole: it yields no update twice or in part;
        acknowledged: how many there are, by: the host of the newest; owner: the host whose mark counts."""
        return {
            "durable": Domain("bool"),
            "acknowledged": Domain("int", low=0, high=self.updates),
            "by": Domain("host", optional=True),
            "owner": Domain("host", optional=True),
        }

    def state_facts(self, w: Pair) -> Mapping[str, Value]:
        """The values of `facts`."""
        found = w.disk.replayed()
        return {
            "durable": found is not None and {update for update, _ in w.acknowledged} <= {*found[2]},
            "acknowledged": len(w.acknowledged),
            "by": w.acknowledged[-1][1] if w.acknowledged else None,
            "owner": w.disk.mark.writer if w.disk.mark.term else None,
        }

    def initial(self) -> Iterable[Pair]:
        """The log was made, and never begun."""
        yield Pair()

    def alive(self, w: Pair, host: int) -> bool:
        """Always: a process that dies begins anew at once."""
        return True

    def view(self, w: Pair, host: int) -> Hashable:
        """No operation is instant."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """No operation is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")

    # -- what the machines want

    def perform(self, w: Pair, me: int, effects: Effects) -> Pair:
        """Operations begin, or nobody waits for them any more; the caller hears what came of its call."""
        host = w.hosts[me]
        if host.job is not None and host.job.machine in effects.abandoned:
            hung = host.job.write is not None
            host = evolve(host, job=None, late=host.job.write or host.late, hung=hung or host.hung)
        for signal in effects.signals:
            w, host = self.heard(w, me, host, signal)
        for asked in effects.operations:
            place = asked.arguments.get("half", me)
            assert isinstance(place, int)
            what = "known" if asked.arguments.get("known") else str(asked.arguments.get("what", ""))
            job = Job(asked.machine, asked.name, place, what)
            host = evolve(host, job=job)
            if job.name not in READS and self.may_begin(w, me, host, job) and not self.counts(w, me, host, job):
                host = evolve(host, job=evolve(job, write=self.write(me, host, job)))
            if host.update == w.updates and asked.name in ("append", "wipe"):
                w = evolve(w, updates=w.updates + 1)
        return numbered(w.host(me, host))

    def heard(self, w: Pair, me: int, host: Host, signal: Signal) -> tuple[Pair, Host]:
        """What the caller makes of an answer."""
        match signal.name:
            case "claimed":
                return w, evolve(host, phase=CLAIMED, database=host.found)
            case "older":
                return w, evolve(host, phase=CLAIMED)
            case "begun":
                return w, evolve(host, phase=BEGUN, found=())
            case "acknowledged":
                assert host.update is not None
                w = evolve(w, acknowledged=(*w.acknowledged, (host.update, me)))
                return w, evolve(host, database=(*host.database, host.update), update=None)
            case "refused" | "stale" | "too_large":
                return w, evolve(host, update=None)
        return w, host

    # -- what may happen

    def actions(self, w: Pair, pending: Pending) -> Iterator[Action[Pair]]:
        """Everything that may happen next."""
        for me, host in enumerate(w.hosts):
            if host.job is None:
                yield from self.takeovers(w, me, host)
            else:
                yield from self.goes_on(w, me, host, host.job)
                abandoned = Event("redo_log", "overdue")
                yield Action(f"host {me} loses patience", w, "slow", me, abandoned)
            if host.phase == BEGUN and host.update is None and w.updates < self.updates:
                yield from self.changes(w, me, host)
            if host.late is not None:
                yield from self.lands_late(w, me, host, host.late)
            if host.phase != CLOSED or host.job is not None:
                gone = numbered(w.host(me, host.gone()))
                yield Action(f"the process of host {me} dies", gone, "crash", restart=(me,))
                yield Action(f"host {me} closes the log", gone, "close", me, Event("redo_log", "close"))

    def takeovers(self, w: Pair, me: int, host: Host) -> Iterator[Action[Pair]]:
        """The caller claims the log, or begins it."""
        term = max(w.disk.mark.term, host.seen) + 1
        term += (term + me) % 2 if "unique" not in self.off else 0
        fresh = w.host(me, evolve(host, term=term, seen=term, phase=CLOSED))
        older = len(host.database) < len(host.found)

        def event(name: str, order: str) -> Event:
            payload: dict[str, Value] = {"term": "a term", "order": order}
            return Event("redo_log", name, payload | ({"older": older} if name == "begin" else {}))

        yield Action(f"host {me} takes the log", fresh, "takeover", me, event("claim", "higher"))
        if host.database:
            yield Action(f"host {me} brings its database", fresh, "again", me, event("begin", "higher"))
        if host.phase == CLAIMED:
            yield Action(f"host {me} begins the log", w, None, me, event("begin", "same"))
        if host.phase != CLOSED:
            yield Action(f"host {me} takes the log again", w, "again", me, event("claim", "same"))

    def changes(self, w: Pair, me: int, host: Host) -> Iterator[Action[Pair]]:
        """The caller commits an update, which fits behind the last one, or does not."""
        for room in ("here", "other"):
            event = Event("redo_log", "commit", {"order": "same", "room": room})
            label = f"host {me} makes update {w.updates}: room {room}"
            yield Action(label, w.host(me, evolve(host, update=w.updates)), "commit", me, event)

    def lands_late(self, w: Pair, me: int, host: Host, late: Write) -> Iterator[Action[Pair]]:
        """A write that nobody waits for lands, in part, or never."""
        label, over = f"late {late.name} of host {me}", w.host(me, evolve(host, late=None, hung=False))
        yield Action(f"{label}: lands", numbered(evolve(over, disk=w.disk.after(late))))
        if late.tears:
            yield Action(f"{label}: is torn", numbered(evolve(over, disk=w.disk.after(late, torn=True))))
        yield Action(f"{label}: is lost", numbered(over))

    def goes_on(self, w: Pair, me: int, host: Host, job: Job) -> Iterator[Action[Pair]]:
        """What is asked for begins or ends."""
        if job.write is not None:
            yield from self.ends(w, me, host, job, job.write)
        elif job.name in READS:
            if self.may_begin(w, me, host, job):
                yield from self.reads(w, me, host, job)
        elif self.may_begin(w, me, host, job):
            yield from self.begins(w, me, host, job)

    def told(
        self, w: Pair, me: int, host: Host, job: Job, outcome: str, fault: str | None = None, **said: Value
    ) -> Action[Pair]:
        """The end of an operation."""
        event = Event(job.machine, f"disk.{outcome}", said)
        after = numbered(w.host(me, evolve(host, job=None)))
        return Action(f"{job.name} of host {me}: {outcome}", after, fault, me, event)

    def reads(self, w: Pair, me: int, host: Host, job: Job) -> Iterator[Action[Pair]]:
        """A look at the marks, or at everything."""
        best, found = w.disk.mark, w.disk.replayed()
        ours = (best.term, best.writer) == (host.term, me)
        if job.name == "replay" and found is not None:
            half, sequence, database = found
            newer = len(database) > len(host.database)
            read = evolve(host, found=database, sequence=host.sequence if job.what == "known" else sequence)
            yield self.told(w, me, read, job, "replayed", found=half, newer=newer)
        elif job.name == "survey":
            outcome = "mine" if ours else "free" if host.term > best.term else "stale"
            yield self.told(w, me, host, job, outcome)
        elif job.name == "recheck":
            outcome = "ours" if ours else "gone" if host.term > best.term else "stale"
            yield self.told(w, me, host, job, outcome)
        yield self.told(w, me, host, job, "failed", "failure")

    def counts(self, w: Pair, me: int, host: Host, job: Job) -> str:
        """What a look at the marks says to a writer: that it may go on (""), or how its write ends."""
        best = w.disk.mark
        if best.writer != me and best.term >= host.term:
            return "stale"
        return "failed" if best.term < host.term and job.machine != "claim" else ""

    def may_begin(self, w: Pair, me: int, host: Host, job: Job) -> bool:
        """Whether an operation need not wait for a write that is under way."""
        if host.hung and "serial" not in self.off:
            return False
        if job.name not in ("replay", "wipe") or "ended" in self.off:
            return True
        under_way = [*w.hosts[1 - me].writes, *([] if host.late is None else [host.late])]
        if job.name == "replay":
            return not any(write.name in ("wipe", "fill", "seal") for write in under_way)
        return not any(write.name != "mark" and write.place == job.place for write in under_way)

    def begins(self, w: Pair, me: int, host: Host, job: Job) -> Iterator[Action[Pair]]:
        """A write that had to wait looks and begins, or is refused."""
        said = self.counts(w, me, host, job)
        if said:
            yield self.told(w, me, host, job, said)
            return
        label = f"{job.name} of host {me}: begins"
        begun = evolve(host, job=evolve(job, write=self.write(me, host, job)))
        yield Action(label, numbered(w.host(me, begun)))

    def write(self, me: int, host: Host, job: Job) -> Write:
        """What a job writes."""
        if job.name in ("mark", "append"):
            update = 0 if host.update is None else host.update
            at = host.records if job.name == "append" else 0
            return Write(job.name, job.place, host.term, host.sequence, me, at=at, update=update)
        database: Database = ()
        if job.name == "fill":
            database = host.database
            if job.what == "committed" and host.update is not None:
                database = (*database, host.update)
        return Write(job.name, job.place, host.term, host.sequence + 1, me, database)

    def ends(self, w: Pair, me: int, host: Host, job: Job, write: Write) -> Iterator[Action[Pair]]:
        """A write lands and is reported, or fails and may land later."""
        landed = evolve(w, disk=w.disk.after(write))
        said = self.counts(landed, me, host, job) if "look" not in self.off else ""
        if said:
            yield self.told(landed, me, host, job, said)
        else:
            yield self.told(landed, me, _known(host, job), job, "written")
        if host.late is None:
            yield self.told(w, me, evolve(host, late=write), job, "failed", "failure")
        else:
            yield self.told(w, me, host, job, "failed", "failure")


def _known(host: Host, job: Job) -> Host:
    """What a writer knows of the half that counts after a write of its own."""
    if job.name == "seal":
        return evolve(host, sequence=host.sequence + 1, records=0)
    return evolve(host, records=host.records + 1) if job.name == "append" else host
