"""Hosts that start, join, live and are dropped, in ticks of one clock: one owns a lease, the others never end.

What K1 says is said of two hosts, the one that is dropped and the one that drops; but whether a host goes live, and by
whose acknowledgements it lives, is a matter of all. So here are all of a small pool, and the time of one. Host `owner`
may be slow, frozen, cut off or dead at any moment, its lease is timed, and every other host watches its silence. Of the
others nothing ends: take the first moment at which K1 is broken anywhere, and call that host the owner; until then K1
holds for the others, so that none of them is silent once its first record has been seen. The same moment says who
breaks it, so that where somebody is live already one `watcher` is enough: until then no other takes the owner for gone,
and its silence is not counted there. What the owner hears of such a host cannot harm, so it always has just heard it.

What is forgotten, and what is left out where hosts are `brisk`, stands in `gathering_parts`.

One thing alone is urgent: a lease that has run out ends its owner before the next tick. Messages are lost or pass at
once, for one that is late brings older evidence and a younger sign of life. Writes of the owner start, land and are
confirmed, each at any time; a read takes its ages when it starts, sees the file, and ends. Those of the others see the
file when they end, and their writes land when they are confirmed, but for `slow`.

What a read shows is computed by the books of the shipped daemon (`books.gathered`), and so is evidence by network.
The story ends with the owner.

Faults: stop and exclude (the owner is told to leave). Left out: a second life of any host, clocks that drift, failed
operations (one that does not end says no less), lost links and verdicts, survival rule 2, pool states but active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from attrs import define, evolve, field

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.parted import Parts, Source, Then, Update
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.layout import Phase
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, Hosts
from hosts.worlds import books
from hosts.worlds.gathering_parts import CLAUSES, Clock, Disk, Host, ends, kept, looks, needed, put
from hosts.worlds.instantless import InParts

HOSTS = Domain("hosts")
FREE = ALL = -1
Act = Callable[[Parts, Pending], Iterator[Then]]


@define(eq=False)
class Gathering(InParts):
    """The world of `n` hosts, one of which has a lease.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls.
        owner: the host whose lease is timed.
        life: A = W + K, ticks. drop: D, ticks. cap: Ws + K, ticks. stranger: silence after which a host that has never
            been in a liveset with another takes that for gone, ticks.
        network: whether heartbeats pass.
        slow: what the others read is not what stands on the disk when they end reading.
        brisk: a turn of another host goes without a break up to the start of its read; the highest of them ends that
            at once, too. Less is remembered, and more may be found.
        formed: so many hosts, from the lowest on, are live at the beginning; a script leads there.
        watcher: the one host that finds the owner silent, and whose reads take time though turns are brisk; -1 for all.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    owner: int = 0
    life: int = 1
    drop: int = 2
    cap: int = 2
    stranger: int = 3
    network: bool = True
    slow: bool = False
    brisk: bool = False
    formed: int = 0
    watcher: int = ALL
    timing: Timing = field(init=False)
    watching: Hosts = field(init=False)
    busy: int = field(init=False)
    disks: tuple[int, ...] = field(init=False)
    everything: tuple[int, ...] = field(init=False)
    script: tuple[tuple[int, Event], ...] = field(init=False)
    sources: tuple[Source, ...] = field(init=False)
    clauses = CLAUSES
    faults = ("stop", "exclude")

    def __attrs_post_init__(self) -> None:
        if self.owner not in range(self.n) or not 1 <= self.life <= min(self.drop, self.cap):
            raise ValueError("the owner is a host; life is at least 1 tick, and neither drop nor cap is less")
        if self.watcher != ALL and (self.watcher not in self.others or not self.formed):
            raise ValueError("the watcher is another host than the owner, and somebody is live")
        self.watching = frozenset(self.others if self.watcher == ALL else {self.watcher})
        # parts: the clock, the hosts, their records, and which host is in the middle of a brisk turn
        self.busy, self.disks = 1 + 2 * self.n, tuple(map(self.disk, range(self.n)))
        self.everything = tuple(range(self.busy + 1))
        self.timing = books.ticks(self.life, self.drop, self.cap, self.stranger)
        self.script = tuple(books.way_to_a_liveset(self.timing, self.n, tuple(range(self.formed))))
        self.sources = tuple(self._sources())

    def host(self, host: int) -> int:
        """The part of a host."""
        return 1 + host

    def disk(self, host: int) -> int:
        """The part of its record."""
        return 1 + self.n + host

    def _sources(self) -> Iterator[Source]:
        """All that may happen, for as long as the owner has not ended; in the middle of a brisk turn, nothing else."""
        hosts, mine = tuple(map(self.host, range(self.n))), self.host(self.owner)

        def source(p: int | None, of: tuple[int, ...], hears: tuple[int, ...], act: Act, statefile: bool) -> Source:
            def free(w: Parts, pending: Pending) -> Iterator[Then]:
                return act(w, pending) if w[self.busy] in (FREE, p) else iter(())

            return Source((*of, self.busy), hears, free, "statefile" if statefile else "", statefile)

        yield Source(self.everything, (), self.scripted)
        yield source(None, (0, mine), (), self.time, False)
        yield source(None, (0, *hosts), (), self.acked, False)
        yield source(None, (mine,), (), self.orders, False)
        for p in range(self.n):
            yield source(p, (self.host(p),), (p,), partial(self.turns, p), False)
            if p in self.watching and self.network:
                yield source(None, (0, self.host(p), mine), (), partial(self.beats, p), False)
            yield source(p, (0, self.host(p), *self.disks), (p,), partial(self.reads, p), True)
            yield source(p, (0, *hosts, self.disk(p)), (p,), partial(self.writes, p), True)

    @property
    def facts(self) -> Mapping[str, Domain]:
        """The owner; the owner while it has a lease; the owner if somebody found it silent while it was live."""
        return dict.fromkeys(("owner", "bound", "misjudged"), HOSTS)

    def state_facts(self, w: Parts) -> Mapping[str, Value]:
        """The values of `facts`."""
        me = frozenset({self.owner})
        clock: Clock = w[0]
        return {"owner": me, "bound": me if clock.bound else NOBODY, "misjudged": me if clock.misjudged else NOBODY}

    def initial(self) -> Iterable[Parts]:
        """Nobody has started."""
        clock = Clock(got=(self.old,) * self.n, noted=(self.old,) * self.n)
        yield (clock, *(Host() for _ in range(self.n)), *(Disk() for _ in range(self.n)), self.after_step(-1))

    def after_step(self, step: int) -> int:
        """What is under way after a step of the script."""
        return FREE if step + 1 == len(self.script) else FREE - 2 - step

    def scripted(self, w: Parts, pending: Pending) -> Iterator[Then]:
        """The next step on the way to a liveset of `formed`."""
        step = FREE - 1 - w[self.busy]
        if step >= 0:
            host, event = self.script[step]
            label = f"on the way to a liveset, host {host}: {event.name}"
            yield Then(Action(label, w, host=host, event=event), (Update(self.everything, self.stepped, (step,)),))

    def stepped(self, w: Parts, step: int) -> Parts:
        """The world after a step of the script; after the last, a new lease for the owner if it is a member."""
        if self.after_step(step) != FREE:
            return put(w, {self.busy: self.after_step(step)})
        members = frozenset(range(self.formed))
        clock = w[0]
        if self.owner in members:
            clock = evolve(clock, bound=True, left=self.life, confirmed=0 if self.network else None)
            ages = tuple(0 if p in members - {self.owner} else self.old for p in range(self.n))
            clock = evolve(clock, noted=ages, got=ages if self.network else clock.got)
        member = Host(started=True, phase=Phase.LIVE, live=members, begun=True, looked=not self.brisk)
        word, moved = books.Word(Phase.LIVE, members, 1), NOBODY if self.brisk else members
        parts: dict[int, object] = {0: clock, self.busy: FREE}
        for p in members:
            parts |= {self.host(p): evolve(member, moved=moved - {p}), self.disk(p): Disk(word)}
        return put(w, parts)

    @property
    def others(self) -> tuple[int, ...]:
        """All hosts but the owner."""
        return tuple(p for p in range(self.n) if p != self.owner)

    @property
    def old(self) -> int:
        """An age at which all ages are alike."""
        return max(self.drop, self.stranger)

    # -- what a turn wants done

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """The lease after the signals to its guard; then what is begun."""
        found: list[Update] = []
        at = (0, self.host(host), self.busy)
        for signal in effects.signals:
            if host == self.owner and signal.name in ("drop", "fence"):
                return [Update(self.everything, self.over)]
            if signal.port == "supervisor":
                found.append(Update(at, self.supervised, (host, signal.name, signal.arguments.get("deadline"))))
        for operation in effects.operations:
            found.append(Update(at, self.begins, (host, operation.name, operation.arguments.get("live"))))
        return found

    def supervised(self, w: Parts, host: int, name: str, left: int | None) -> Parts:
        """arm, renew, drop, fence."""
        if w[self.busy] < FREE:
            return w
        clock, me = w[0], w[self.host(host)]
        if name == "arm":
            me = evolve(me, begun=True, looked=False, moved=NOBODY)
        if host == self.owner:
            if name == "arm" and "armed" not in self.off:
                clock = evolve(clock, bound=True, left=self.life)
            elif name == "renew" and left is not None:
                clock = evolve(clock, bound=True, left=max(clock.left, left))
        return put(w, {0: clock, self.host(host): me})

    def over(self, w: Parts) -> Parts:
        """The end of the story: the owner has no lease any more."""
        end = Host(started=True, phase=Phase.BYE)
        return (Clock(over=True), *(end,) * self.n, *(Disk(),) * self.n, FREE)

    def begins(self, w: Parts, host: int, operation: str, live: Hosts | None) -> Parts:
        """An operation starts."""
        if w[self.busy] < FREE:
            return w
        clock, me = w[0], w[self.host(host)]
        if operation == "read":
            reading = evolve(me, reading=True, quiet=self.silent(clock, host, me))
            busy = FREE if self.waits(host, me) else w[self.busy]
            return put(w, {0: clock, self.host(host): reading, self.busy: busy})
        if host == self.owner and operation != "write_bye":
            clock = evolve(clock, write=0, landed=False)
        phase = books.PHASES[operation]
        asked = me.asked if phase is Phase.LIVE else NOBODY  # a joiner has no evidence by network
        writing = evolve(me, phase=phase, live=me.live if live is None else live, asked=asked)
        if not self.brisk and phase is Phase.LIVE and writing.live == frozenset(range(self.n)):
            writing = evolve(writing, moved=writing.live - {host})  # nobody is left who might join
        return put(w, {0: clock, self.host(host): writing})

    def silent(self, clock: Clock, host: int, me: Host) -> bool:
        """Whether the owner is silent for a host now."""
        silence = min(clock.got[host] if "beats" not in self.off else self.old, clock.noted[host])
        return host in self.watching and books.finds_silent(self.timing, silence, me.phase is Phase.LIVE)

    # -- what may happen

    def time(self, w: Parts, pending: Pending) -> Iterator[Then]:
        """A tick, or the end of the lease before it."""
        clock: Clock = w[0]
        if clock.over:
            return
        if clock.bound and clock.left == 0:
            label = "the lease of the owner ends"
            yield Then(Action(label, w, restart=(self.owner,)), (Update(self.everything, self.over),))
            return
        after = put(w, {0: clock.older(self.life, self.cap, self.old)})
        yield Then(Action("a tick", after), tuple(Update((0, self.host(p)), self.kept, (p,)) for p in self.others))

    def kept(self, w: Parts, p: int) -> Parts:
        """The world without the ages of the owner, as host p sees it, on which nothing depends any more."""
        if w[0].over or "beats" in self.off:
            return w
        enough = self.drop if w[self.host(p)].phase is Phase.LIVE else self.old
        return put(w, {0: kept(w[0], p, p in self.watching, enough, self.drop, self.life, self.old)})

    def beats(self, p: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """A heartbeat of the owner reaches another host."""
        clock, me = w[0], w[self.host(self.owner)]
        counts = me.phase is Phase.LIVE and p in me.live | me.asked  # evidence may come of it
        if clock.bound and w[self.host(p)].started and clock.got[p] and (counts or not self.brisk or self.life > 1):
            reached = put(w, {0: clock.with_("got", p, 0)})
            yield Then(Action(f"a heartbeat of the owner reaches host {p}", reached))

    def acked(self, w: Parts, pending: Pending) -> Iterator[Then]:
        """The acknowledgements of everybody who is asked give a longer lease."""
        clock, me = w[0], w[self.host(self.owner)]
        asked = me.live | me.asked if "everybody" not in self.off else me.live
        others = sorted(asked - {self.owner})
        if not clock.bound or me.phase is not Phase.LIVE or clock.confirmed is None or not others:
            return
        if not all(w[self.host(p)].begun for p in others):
            return
        ages = tuple(clock.got[p] if p in self.watching else 0 for p in others)
        if "everybody" in self.off:
            ages = (min(ages),)
        left = books.by_acknowledgements(self.timing, ages, clock.confirmed if "capped" not in self.off else 0)
        if left > clock.left:
            event = Event("membership", "network.acked", {"deadline": left})
            yield Then(Action("the owner is acknowledged by all", w, host=self.owner, event=event))

    def orders(self, w: Parts, pending: Pending) -> Iterator[Then]:
        """The owner is told to leave."""
        me: Host = w[self.host(self.owner)]
        for name in ("stop", "exclude"):
            if name in self.may and me.begun and me.phase is not Phase.BYE:
                event = Event("membership", name)
                yield Then(Action(f"the owner is told: {name}", w, name, self.owner, event))

    def turns(self, p: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """A daemon starts; its next turn begins."""
        me: Host = w[self.host(p)]
        if not me.started:
            begun = put(w, {self.host(p): evolve(me, started=True), self.busy: self.hasty(p)})
            noted = (Update((0,), self.unheard, (p,)),)
            start = Event("membership", "start")
            yield Then(Action(f"the daemon of host {p} starts", begun, host=p, event=start), noted)
        elif me.begun and not pending[p] and me.phase is not Phase.BYE:
            after = Event("membership", "after")
            begun = put(w, {self.busy: self.hasty(p)})
            yield Then(Action(f"host {p} begins its next turn", begun, host=p, event=after))

    def hasty(self, p: int) -> int:
        """The host, if its turns are brisk."""
        return p if self.brisk and p != self.owner else FREE

    def waits(self, p: int, me: Host) -> bool:
        """Whether a read under way may take time."""
        hasty = p == self.others[-1] if self.watcher == ALL else p not in (self.owner, self.watcher)
        return me.begun and not (self.brisk and hasty)

    def unheard(self, w: Parts, p: int) -> Parts:
        """Host p has heard nothing of the owner since now."""
        noted = 0 if p in self.watching else self.old
        return put(w, {0: w[0].with_("got", p, self.old).with_("noted", p, noted)})

    def writes(self, p: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """A write lands and is confirmed."""
        me, clock = w[self.host(p)], w[0]
        names = [name.removeprefix("statefile.") for _, name in pending[p]]
        if clock.over or not any(name.startswith("write") for name in names):
            return
        # that a host has moved is known once and for all, if it matters at all; of the owner it matters when
        watching = self.watching if p == self.owner else NOBODY
        running = frozenset(r for r in range(self.n) if r != p and w[self.host(r)].started
                            and (r in watching or not (self.brisk or p in w[self.host(r)].moved)))  # fmt: skip
        landed = put(w, {self.disk(p): Disk(books.Word(me.phase, me.live, 1), running)})
        said = "said" if me.phase is Phase.BYE else "wrote"
        if p != self.owner or said == "said":
            yield Then(ends(landed, p, said, deadline=self.life))
        elif not clock.landed:
            yield Then(Action("the owner's write lands", put(landed, {0: evolve(clock, landed=True)})))
        elif clock.write is not None:
            age = clock.write if "start" not in self.off else 0
            confirmed = min(age, self.cap) if self.network else None
            over = evolve(clock, write=None, landed=False, confirmed=confirmed)
            yield Then(ends(put(w, {0: over}), p, said, deadline=books.by_write(self.timing, age)))

    def reads(self, p: int, w: Parts, pending: Pending) -> Iterator[Then]:
        """A read sees the file, and ends."""
        me: Host = w[self.host(p)]
        if not me.reading or ("membership", "statefile.read") not in pending[p]:
            return
        if me.shown is None:
            disks = [w[at] for at in self.disks]
            news = frozenset(r for r, disk in enumerate(disks) if p in disk.unread)
            seen = {at: evolve(d, unread=d.unread - {p}) for at, d in zip(self.disks, disks, strict=True)}
            words = tuple(d.word for d in disks)
            unsure = frozenset(self.others) if self.brisk else NOBODY
            shown = evolve(me, shown=needed(me, words, news, unsure) if p == self.owner else (words, news))
            taken = put(w, {**seen, self.host(p): shown})
            if p == self.owner or self.slow:
                yield Then(Action(f"the read of host {p} sees the file", taken))
                return
            w, me = taken, shown
        yield from self.finished(p, w, me)

    def finished(self, p: int, w: Parts, me: Host) -> Iterator[Then]:
        """A read ends, with every way in which those it has never heard may have been silent, and joiners near."""
        assert me.shown is not None
        words, news = me.shown
        clock: Clock = w[0]
        if "read" in self.off:
            me = evolve(me, quiet=self.silent(clock, p, me))
        mute = frozenset({self.owner}) if me.quiet and p != self.owner else NOBODY
        mute -= news if "records" not in self.off else NOBODY
        moved = me.moved | (news if me.looked and not self.brisk else NOBODY)
        look = evolve(me, reading=False, quiet=False, shown=None, looked=me.begun and not self.brisk, moved=moved)
        owner = frozenset({self.owner}) - {p}
        stale = owner if clock.noted[p] >= self.drop else NOBODY
        freshes = [moved - (stale - news)] if p in self.watching or not owner else [moved, moved - owner]
        for silent, fresh, near in looks(p, me, words, owner, None if self.brisk else freshes, mute):
            payload = books.gathered(self.timing, p, words, me.live, fresh, silent, near, me.begun)
            after = evolve(look, asked=(near & self.watching) - me.live if self.network and p == self.owner else NOBODY)
            judged = self.judged(w, clock, p, payload["gone"], news)
            busy = FREE if me.begun else w[self.busy]
            read = put(w, {0: judged, self.host(p): after, self.busy: busy})
            yield Then(ends(read, p, "seen", **payload))

    def judged(self, w: Parts, clock: Clock, p: int, gone: Value, news: Hosts) -> Clock:
        """What a finished read of host p notes of the owner."""
        if p == self.owner:
            return clock
        assert isinstance(gone, frozenset)
        begun = w[self.host(p)].begun
        sight = w[self.disk(self.owner)].word.phase is not None and books.first_sight_counts(self.timing)
        if p in self.watching and ((self.owner in news) if begun else sight):
            clock = clock.with_("noted", p, 0)
        wrong = clock.bound and self.owner in gone and w[self.disk(self.owner)].word.phase is Phase.LIVE
        return evolve(clock, misjudged=clock.misjudged or wrong)
