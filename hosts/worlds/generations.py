"""Two hosts, what is in force on their statefile, and what they do about it: pool state, mark, generation, exclusion.

membership and lock run whole on both; time is left out. HA is enabled, comes to be active, is invalidated by the master
and enabled anew as another generation, while hosts start, join or form, take the lock, leave, are excluded, die and
start again, in any order. Every write begins, and lands later; that of a daemon that dies lands at any time after it,
or never. What a read shows is computed by the books of the shipped daemon, what is in force by its shipped reader.

`CLAUSES` says what is taken for granted. Kinds of fault: boot (a host starts, the first time too), crash, stop (a
daemon is told to leave), ask (a host is proposed as master), invalidate (the master is told to switch HA off), enable
(a host whose daemon does not run makes a new generation), exclude (a daemon is told to leave excluded, or the operator
writes a notice where none runs), clear (the operator takes it back), late (joining takes too long).

Left out: lost statefiles and writes that fail, heartbeats, verdicts, three hosts; of the sectors of a host all but the
two newest, and of its notices all but the last, for they carry nothing that these do not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from attrs import define, evolve, field

from fsm.engine.turn import Effects, Event, Operation, Signal
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.layout import MarkWord, Phase, PoolState
from hosts.worlds.gathering_parts import subsets
from hosts.worlds.sectors import (
    CHANGING,
    SILENT,
    UNKNOWN,
    Disk,
    Host,
    Look,
    Note,
    Said,
    Scene,
    Shared,
    seen,
    view,
    words,
)

HOSTS = Domain("hosts")
NOBODY: frozenset[int] = frozenset()
STATES = {"init": PoolState.INIT, "active": PoolState.ACTIVE, "invalid": PoolState.INVALID}
PHASES = {"write_joining": Phase.JOINING, "write_live": Phase.LIVE, "write_bye": Phase.BYE}
CLAUSES = {
    "K1": "only a host that is down, disarmed, or has not armed its new incarnation yet is ever silent for D",
    "words": "generation, pool state and mark are the greatest of all records, and no sector that all hosts write",
    "numbers": "a mark is numbered by the request that was granted, not above the greatest mark that its host has seen",
    "sectors": "a new incarnation writes another sector than the one before",
    "ends": "a goodbye by message counts for reads that start after it has come",
}


@define(eq=False)
class GenerationWorld:
    """The world of some hosts and the words on their statefile.

    Arguments:
        n: how many hosts.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: not used, nobody calls.
        pool: the pool state at the beginning, when no daemon has run yet: init or active.
        formed: all are live at the beginning; turns one after the other lead there.
        bystanders: so many of the highest hosts are told nothing and never die, and their turns go without a break.
        brisk: the turns of all hosts go without a break, if the host does not die.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    pool: str = "init"
    formed: bool = False
    bystanders: int = 0
    brisk: bool = False
    clauses = CLAUSES
    faults = ("boot", "crash", "stop", "ask", "invalidate", "enable", "exclude", "clear", "late")

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.bystanders < self.n:
            raise ValueError("not all hosts are bystanders")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """armed: whose lease runs. quit: who left when the statefile said invalid. excluded: who is excluded there.
        promised: to whom an exclusion was confirmed, until its next life. misled: who shows as master a host that has
        not asked for the lock in its present life. invalid: the statefile says so. master, mark: who was told last that
        it is master in this generation; who is marked. back: a read has shown less than an earlier one."""
        sets = ("armed", "quit", "excluded", "promised", "misled")
        whom = Domain("host", optional=True)
        flags = {"invalid": Domain("bool"), "back": Domain("bool")}
        return dict.fromkeys(sets, HOSTS) | {"master": whom, "mark": whom} | flags

    def state_facts(self, w: Scene) -> Mapping[str, Value]:
        """The values of `facts`."""
        of, told = w.in_force()
        hosts = [(me, host) for me, host in enumerate(w.hosts)]
        return {
            "armed": frozenset(me for me, host in hosts if host.armed),
            "quit": frozenset(me for me, host in hosts if host.quit),
            "excluded": told.excluded,
            "promised": frozenset(me for me, host in hosts if host.promised == of),
            "misled": frozenset(me for me, host in hosts if host.armed and host.misled),
            "invalid": told.pool is PoolState.INVALID,
            "back": w.back,
            "master": w.master[1] if w.master and w.master[0] == of else None,
            "mark": told.mark.host,
        }

    def initial(self) -> Iterable[Scene]:
        """Host 0 has enabled HA, and nobody has started."""
        first = Note((1, 0), STATES[self.pool])
        shared = Shared(first.of, first.pool) if self.mirrored else None
        hosts, disks = (self.over(Host()),) * self.n, (Disk(note=first), *(Disk(),) * (self.n - 1))
        yield Scene(hosts, disks, shared, turn=0 if self.formed else None, forming=self.formed)

    @property
    def mirrored(self) -> bool:
        """The global section counts, as it did before words had versions."""
        return "words" in self.off

    def alive(self, w: Scene, host: int) -> bool:
        """Never: the timers that matter here are actions."""
        return False

    def view(self, w: Scene, host: int) -> Hashable:
        """No operation is instant."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """No operation is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")

    # -- what the machines want

    def perform(self, w: Scene, host: int, effects: Effects) -> Scene:
        """Signals change what the next write says; operations begin; a state without one is a pause, or the end."""
        mine = w.hosts[host]
        if "membership" in effects.abandoned:
            mine = evolve(mine, look=None, reading=False, paused=mine.armed)
        for signal in effects.signals:
            if signal.name == "granted":
                w = evolve(w, master=(mine.of, host))
            if signal.name == "arm":
                w = w.with_disk(host, incarnation=w.disks[host].incarnation + 1)
            if signal.name == "ask":
                w = w.with_disk(host, request=1 + self.greatest_number(w, host))
            mine = self.signalled(w, host, mine, signal)
        for operation in effects.operations:
            mine = evolve(mine, paused=False, reading=operation.name == "read", look=None)
            if operation.name != "read":
                mine = self.says(mine, operation)
            if operation.name == "write_bye":
                mine = evolve(mine, quit=w.in_force()[1].pool is PoolState.INVALID)
                w = w.with_disk(host, bye=w.disks[host].incarnation)
        if not (mine.armed or mine.reading or mine.writing):
            mine = self.over(mine)
        w = w.with_host(host, mine)
        return self.between(w, host) if w.turn == host and (mine.paused or not mine.running) else w

    def between(self, w: Scene, host: int) -> Scene:
        """The world once a turn that went without a break has ended; while the liveset forms, the next is at it."""
        everybody = frozenset(range(self.n))
        if all(h.mine and h.mine.phase is Phase.LIVE and h.mine.live == everybody for h in w.hosts):
            w = evolve(w, forming=False)
        return evolve(w, turn=(host + 1) % self.n if w.forming else None)

    def over(self, host: Host) -> Host:
        """A host whose daemon has ended."""
        unknown = (0,) * self.n
        return Host(quit=host.quit, promised=host.promised, known=unknown, request=unknown)

    def greatest_number(self, w: Scene, me: int) -> int:
        """The greatest number of a request that this host has taken or seen."""
        host = w.hosts[me]
        granted = host.mine.grant[1] if host.mine and host.mine.grant else 0
        return max(w.disks[me].request, *host.request, host.mark.version, granted)

    def signalled(self, w: Scene, me: int, host: Host, signal: Signal) -> Host:
        """The host after a signal to its statefile port or its guard."""
        disk, mine = w.disks[me], host.mine
        if signal.name == "arm":
            first = Said(host.of, disk.incarnation, Phase.JOINING, pool=host.pool, mark=host.mark)
            return evolve(host, armed=True, mine=first, based=False, moved=NOBODY)
        if signal.name == "drop":
            return evolve(host, armed=False, paused=False)
        if mine is None:
            return host
        match signal.name:
            case "ask":
                mine = evolve(mine, request=disk.request)
            case "withdraw":
                mine = evolve(mine, request=0)
            case "grant":
                to = signal.arguments["to"]
                assert to is None or isinstance(to, int)
                numbers = {**dict(enumerate(host.request)), me: mine.request}
                mine = evolve(mine, grant=None if to is None else (to, numbers[to]))
            case "mark":
                number = 1 + host.mark.version if "numbers" in self.off else mine.request
                mine = evolve(mine, mark=MarkWord(number, me))
                host = evolve(host, mark=mine.mark)
        return evolve(host, mine=mine)

    def says(self, host: Host, operation: Operation) -> Host:
        """The host once a write has begun."""
        assert host.mine is not None
        given = operation.arguments
        live = given.get("live", host.mine.live)
        assert isinstance(live, frozenset)
        said = evolve(
            host.mine,
            phase=PHASES[operation.name],
            live=live,
            listed=self.meant(host.mine, host.known, live),
            pool=max(STATES[str(given["pool"])], host.pool),
            mark=host.mark,
            excluded=bool(given.get("excluded", False)),
        )
        promised = None if said.phase is Phase.LIVE else host.promised
        return evolve(host, mine=said, writing=said, promised=promised)

    def meant(self, mine: Said, known: tuple[int, ...], live: frozenset[int]) -> tuple[int, ...]:
        """The incarnations that are listed with a liveset: as long as a host stays in it, the first that was known."""
        listed = mine.listed or (0,) * self.n
        return tuple((listed[p] or known[p]) if p in live else 0 for p in range(self.n))

    # -- what may happen

    def actions(self, w: Scene, pending: Pending) -> Iterator[Action[Scene]]:
        """Everything that may happen next; in the middle of a turn without a break, how it goes on or the death of its
        host; while the liveset forms, one thing."""
        if w.forming:
            assert w.turn is not None
            yield evolve(next(self.of_host(w, w.turn)), fault=None)
        elif w.turn is not None:
            host = w.hosts[w.turn]
            yield from self.operations(w, w.turn, host)
            if w.turn < self.n - self.bystanders and host.armed and host.mine and host.mine.phase is not Phase.JOINING:
                yield self.dies(w, w.turn, host)
        else:
            for me in range(self.n):
                yield from self.of_host(w, me)

    def of_host(self, w: Scene, me: int) -> Iterator[Action[Scene]]:
        """What may happen next at a host."""
        host = w.hosts[me]
        yield from self.lands_late(w, me)
        if not host.running:
            yield from self.offline(w, me)
            return
        yield from self.operations(w, me, host)
        if host.armed or host.mine is None:
            yield from self.orders(w, me, host, host.mine)

    def operations(self, w: Scene, me: int, host: Host) -> Iterator[Action[Scene]]:
        """The ends of what a host has under way."""
        if host.reading:
            yield from self.reads(w, me, host)
        if host.writing is not None:
            yield self.lands(w, me, host, host.writing)

    def orders(self, w: Scene, me: int, host: Host, mine: Said | None) -> Iterator[Action[Scene]]:
        """What a daemon that does not leave is told by its timers, its agent and the operator."""

        def told(what: str, kind: str | None, name: str, machine: str = "membership") -> Action[Scene]:
            return Action(f"host {me} {what}", w, kind, me, Event(machine, name))

        if host.paused:
            hasty = me if self.brisk or me >= self.n - self.bystanders or w.forming else None
            yield evolve(told("begins its next turn", None, "after"), world=evolve(w, turn=hasty))
        if me >= self.n - self.bystanders:
            return
        yield told("is told to leave", "stop", "stop")
        yield told("is told to leave excluded", "exclude", "exclude")
        if mine is None:
            return
        if mine.phase is Phase.JOINING:
            yield told("has tried to join for too long", "late", "after joining")
        else:
            yield told("is proposed as master", "ask", "propose", "lock")
            if w.master == (host.of, me) and mine.request:
                yield told("is told to switch HA off", "invalidate", "invalidate")
            yield self.dies(w, me, host)

    def dies(self, w: Scene, me: int, host: Host) -> Action[Scene]:
        """A host dies, and a write under way lands later."""
        late = {"late": host.writing} if host.writing else {}
        dead = w.with_host(me, evolve(self.over(host), quit=False)).with_disk(me, **late)
        return Action(f"host {me} dies", evolve(dead, turn=None), "crash", restart=(me,))

    def offline(self, w: Scene, me: int) -> Iterator[Action[Scene]]:
        """What happens to a host whose daemon does not run."""
        (number, creator), words = w.in_force()
        host, disk = w.hosts[me], w.disks[me]
        booted = w.with_host(me, evolve(self.over(host), running=True, of=(number, creator), quit=False))
        yield Action(f"host {me} starts", booted, "boot", me, Event("membership", "start"), (me,))
        if words.pool is PoolState.INVALID and disk.making is None:
            yield Action(f"host {me} enables HA anew", w.with_disk(me, making=(number + 1, me)), "enable")
        if words.pool is PoolState.ACTIVE:
            for kind, excluded in (("exclude", True), ("clear", False)):
                note = Note((number, creator), words.pool, excluded, disk.incarnation)
                noted = w.with_disk(me, note=note).with_host(me, evolve(host, promised=note.of if excluded else None))
                yield Action(f"the operator notes for host {me}: {kind}", noted, kind)

    def lands_late(self, w: Scene, me: int) -> Iterator[Action[Scene]]:
        """Writes that nobody waits for."""
        disk = w.disks[me]
        if disk.making is not None:
            note = Note(disk.making, PoolState.INIT, False, disk.incarnation)
            made = w.with_disk(me, making=None, note=note)
            shared = Shared(note.of, note.pool) if self.mirrored else None
            yield Action(f"the new generation of host {me} lands", evolve(made, shared=shared))
        if disk.late is not None:
            landed = w.landed(me, disk.late, "sectors" in self.off).with_disk(me, late=None)
            yield Action(f"a write of a former life of host {me} lands", landed)
        if disk.mirror is not None:
            landed = evolve(w.with_disk(me, mirror=None), shared=disk.mirror)
            yield Action(f"a write of host {me} to the global section lands", landed)

    def lands(self, w: Scene, me: int, host: Host, said: Said) -> Action[Scene]:
        """The write under way lands and is confirmed."""
        landed = w.landed(me, said, "sectors" in self.off)
        if said.phase is not Phase.BYE:
            landed = landed.with_host(me, evolve(host, writing=None))
            return self.outcome(landed, me, "wrote", deadline=0)
        promised = said.of if said.excluded else host.promised
        return self.outcome(landed.with_host(me, self.over(evolve(host, promised=promised))), me, "said")

    def reads(self, w: Scene, me: int, host: Host) -> Iterator[Action[Scene]]:
        """A read takes its snapshot and is told; apart where `ends` is off, for then it matters what comes between."""
        others = frozenset(range(self.n)) - {me}
        heard = frozenset(p for p in others if w.disks[p].bye >= max(host.known[p], 1))
        if host.look is not None:
            byes = tuple(disk.bye if p in heard else 0 for p, disk in enumerate(w.disks))
            yield from self.told(w, me, host, evolve(host.look, ended=byes))
            return
        silent = frozenset(p for p in others - host.news if "K1" in self.off or not w.hosts[p].armed)
        taken = evolve(host, news=NOBODY, moved=host.moved | (host.news if host.based else NOBODY))
        for ended in subsets(heard):
            look = w.look(me, silent, ended)
            if "ends" in self.off:
                looking = w.with_host(me, evolve(taken, look=look)).looked()
                yield Action(f"the read of host {me} takes its snapshot", looking)
            else:
                yield from self.told(w.looked(), me, taken, look)

    def told(self, w: Scene, me: int, host: Host, look: Look) -> Iterator[Action[Scene]]:
        """A read is told, with every way in which the others may have looked."""
        newest = tuple(disk.newest for disk in look.disks)
        shown_now = tuple(s.incarnation if s and p != me else 0 for p, s in enumerate(newest))
        after = evolve(
            host,
            look=None,
            reading=False,
            based=host.mine is not None,
            known=tuple(map(max, host.known, shown_now)),
            request=tuple(s.request if s and p != me and s.of == host.of else 0 for p, s in enumerate(newest)),
        )
        for silent in subsets(look.silent):
            how = tuple(SILENT if p in silent else CHANGING if p in host.moved else UNKNOWN for p in range(self.n))
            shown = view(me, host.of, host.mine, look, how)
            misled = shown.holder not in (None, me, *look.asks) and shown.holder == shown.mark.host
            payload = seen(me, host.of, host.mine, look, how)
            told = w.with_host(me, self.knows(evolve(after, misled=misled), look))
            yield self.outcome(told, me, "seen", **payload)

    def knows(self, host: Host, look: Look) -> Host:
        """The host with the words that a read of its own generation has shown."""
        of, told = words(look.disks, look.shared)
        if of != host.of:
            return host
        return evolve(host, pool=max(host.pool, told.pool), mark=max(host.mark, told.mark))

    def outcome(self, w: Scene, me: int, name: str, **payload: Value) -> Action[Scene]:
        """The end of an operation."""
        return Action(f"host {me}: {name}", w, host=me, event=Event("membership", f"statefile.{name}", payload))
