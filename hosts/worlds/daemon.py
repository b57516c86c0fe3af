"""The liveset daemons of all hosts and their statefile, without time: the half of the world that the clauses are
about. A value of `Daemons` is immutable; `drops`, `marks`, `fades` and `arrivals` are what the daemons do by
themselves, `answer_…` how an operation that a machine waits for may end.

Livesets shrink and grow at once for all daemons that can read the statefile; a disarmed one keeps its own.

The mark of a master stays on the statefile until another host is marked or a fresh one is written: a start that finds
"invalid" is told it. A daemon shows it to its agent only while its host is in the liveset and, as the last read showed,
holds the lock or asks for it (K7). So beside the mark stands whether it is shown: at once where its host asks, with a
lag where it is new or its host has lost the lock. It is the same for all hosts: none sees a mark longer than others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any

from attrs import evolve, frozen

OFF, STARTING, LIVE, DISARMED = "off", "starting", "live", "disarmed"
NOBODY: frozenset[int] = frozenset()
Answer = tuple[str, "Daemons", dict[str, Any]]


@frozen(cache_hash=True)
class Daemon:
    """One daemon: off, starting, live or disarmed, and the liveset it sees."""

    phase: str = OFF
    live: frozenset[int] = NOBODY


@frozen(cache_hash=True)
class Daemons:
    """All daemons. `statefile` are the hosts that can reach it; `state`, `mark`, `excluded` are on it; `shown`: the
    daemons show the mark; `lock` is the holder of the master lock; `deaf`: of each host those that it does not hear.

    patient: a start that could still succeed never fails, which leaves the emergency mode to other stories."""

    daemons: tuple[Daemon, ...]
    statefile: frozenset[int]
    state: str
    mark: int | None
    shown: bool
    lock: int | None
    patient: bool = False
    excluded: frozenset[int] = NOBODY
    deaf: tuple[frozenset[int], ...] = ()

    def those(self, *phases: str) -> frozenset[int]:
        """The hosts whose daemon is in one of these phases."""
        return frozenset(h for h, d in enumerate(self.daemons) if d.phase in phases)

    def put(self, host: int, daemon: Daemon) -> Daemons:
        """With another daemon on a host; the lock evaporates when its holder is in no liveset any more (K4)."""
        return self.with_daemons(tuple(daemon if h == host else d for h, d in enumerate(self.daemons))).settled()

    def with_daemons(self, daemons: tuple[Daemon, ...]) -> Daemons:
        """With other daemons; `evolve` takes five times as long, and a search does this at every step."""
        return Daemons(daemons, self.statefile, *self._rest)

    @property
    def _rest(self) -> tuple[Any, ...]:
        return self.state, self.mark, self.shown, self.lock, self.patient, self.excluded, self.deaf

    def settled(self) -> Daemons:
        """What follows from the livesets at once.

        The lock evaporates when its holder is in nobody else's liveset any more (K4), as their grants do; a holder that
        is alone keeps it as long as it lists itself. Once nobody lists a host, its mark is shown no more (K7)."""
        lock, shown = self.lock, self.shown
        if lock is not None and not any(lock in d.live for h, d in enumerate(self.daemons) if h != lock):
            alone = all(d.phase != LIVE for h, d in enumerate(self.daemons) if h != lock)
            lock = lock if alone and lock in self.daemons[lock].live else None
        if shown and not any(self.mark in d.live for d in self.daemons):
            shown = False
        return self if (lock, shown) == (self.lock, self.shown) else evolve(self, lock=lock, shown=shown)

    def started(self, host: int) -> Daemons:
        """Somebody starts the daemon; one that is there already is left alone."""
        return self.put(host, Daemon(STARTING)) if self.daemons[host].phase == OFF else self

    def reached_by(self, statefile: frozenset[int]) -> Daemons:
        """With these hosts able to reach the statefile."""
        return Daemons(self.daemons, statefile, *self._rest)

    def seen_by(self, host: int, fickle: bool) -> tuple[Daemons, ...]:
        """As they are; where the statefile is fickle, also with this host not reaching it."""
        return (self, self.reached_by(self.statefile - {host})) if fickle else (self,)

    def asked(self, host: int) -> Daemons:
        """A host asks for the lock: an old mark of it is shown again at once, for whoever looks before it is seen might
        as well have looked before it was asked."""
        again = self.mark == host and self.daemons[host].phase == LIVE and host in self.statefile
        return evolve(self, shown=True) if again and not self.shown else self

    def stopped(self, host: int) -> Daemons:
        """A clean goodbye: the lock is released with it."""
        return evolve(self, lock=None if self.lock == host else self.lock).put(host, Daemon())

    def dead(self, host: int) -> Daemons:
        """The daemon is gone without a word: the lock stays until the others drop the host."""
        return self.put(host, Daemon())

    def droppable(self, host: int, up: frozenset[int], off: frozenset[str]) -> bool:
        """Whether survivors may drop a host: K1, and K2."""
        gone = self.daemons[host].phase in (OFF, STARTING) or host not in up
        if not gone and "K1" not in off:
            return False
        told = self.state in ("invalid", "init") and self.those(LIVE) & self.statefile
        return not (told and "K2" not in off)

    def marked(self, off: frozenset[str]) -> frozenset[int]:
        """Who is marked as master, as the daemons show it."""
        return NOBODY if self.mark is None or not (self.shown or "K7" in off) else frozenset({self.mark})

    def drops(
        self, host: int, up: frozenset[int], off: frozenset[str], lag: bool = False
    ) -> Iterator[tuple[str, Daemons]]:
        """Survivors drop a host. Arguments: `up`, `off`: hosts with power; clauses that do not hold; `lag`: each for
        itself."""
        seers = frozenset(h for h in self.those(LIVE) & self.statefile if host in self.daemons[h].live and h != host)
        if not seers or not self.droppable(host, up, off):
            return
        for some in (frozenset({seer}) for seer in sorted(seers)) if lag else (seers,):
            of = f" of host {min(some)}" if lag else ""
            yield f"host {host} leaves the liveset{of}", self.dropped(host, some)

    def marks(self) -> Iterator[tuple[str, Daemons]]:
        """The mark follows the lock."""
        there = self.those(LIVE) & self.statefile
        if self.lock in there and (self.mark != self.lock or not self.shown):
            yield f"host {self.lock} is marked as master", evolve(self, mark=self.lock, shown=True)

    def fades(self, host: int, asks: bool, off: frozenset[str], unseen: bool = False) -> Iterator[tuple[str, Daemons]]:
        """The mark of a host that neither holds the lock nor asks for it fades (K7), as soon as another one reads the
        statefile; `unseen`: also where nobody does."""
        forsaken = self.shown and self.mark == host != self.lock and not asks
        if forsaken and (unseen or (self.those(LIVE) & self.statefile) - {host}) and "K7" not in off:
            yield f"the mark of host {host} fades", evolve(self, shown=False)

    def dropped(self, host: int, seers: frozenset[int]) -> Daemons:
        """Those who can read the statefile drop a host together."""
        daemons = tuple(Daemon(d.phase, d.live - {host}) if h in seers else d for h, d in enumerate(self.daemons))
        return self.with_daemons(daemons).settled()

    def arrivals(self) -> Iterator[tuple[str, Daemons]]:
        """Starting daemons form a liveset or join the one there is, and are no longer excluded then. A host that is
        excluded joins, but forms one only where all are: it has missed what the others did without it."""
        ready = self.those(STARTING) & self.statefile
        everybody = frozenset(range(len(self.daemons)))
        if self.state == "init" and ready == everybody and self.joined_up(everybody):
            formed = self.with_daemons((Daemon(LIVE, everybody),) * len(everybody))
            yield "all hosts form a liveset", evolve(formed, state="active", lock=None, excluded=NOBODY)
        if self.state != "active" or not ready:
            return
        if not self.those(LIVE, DISARMED):
            for host in sorted(ready if self.excluded == everybody else ready - self.excluded):
                yield f"host {host} forms a liveset", self.put(host, Daemon(LIVE, frozenset({host}))).counted(host)
            return
        for host in sorted(ready):
            if self.admits(host):
                live = self.members | {host}
                daemons = tuple(Daemon(LIVE, live) if h in live else d for h, d in enumerate(self.daemons))
                yield f"host {host} joins the liveset", self.with_daemons(daemons).counted(host)

    @property
    def members(self) -> frozenset[int]:
        """The hosts in any liveset."""
        return frozenset().union(*(self.daemons[h].live for h in self.those(LIVE, DISARMED)))

    def admits(self, host: int) -> bool:
        """Whether the liveset may grow by a host: all must hear each other, and all members read the statefile. One
        that is gone must be dropped first, also where it starts again, and a disarmed one admits nobody."""
        able = self.members <= self.those(LIVE) & self.statefile
        return able and not self.those(DISARMED) and self.joined_up(self.members | {host})

    def hear(self, one: int, other: int) -> bool:
        """Whether two hosts hear each other."""
        return not self.deaf or (other not in self.deaf[one] and one not in self.deaf[other])

    def joined_up(self, hosts: Collection[int]) -> bool:
        """Whether all of these hear each other."""
        return not any(self.deaf) or all(self.hear(one, other) for one, other in combinations(hosts, 2))

    def ruled_out(self) -> frozenset[int]:
        """The live hosts that some verdict does not keep: those that are not in every largest set of live hosts that
        read the statefile and hear each other."""
        live = self.those(LIVE) & self.statefile
        if self.joined_up(live):
            return NOBODY
        sizes = range(len(live), 0, -1)
        largest = next(kept for size in sizes if (kept := list(filter(self.joined_up, combinations(live, size)))))
        return live - frozenset.intersection(*map(frozenset, largest))

    def counted(self, host: int) -> Daemons:
        """With a host that is excluded no longer."""
        return evolve(self, excluded=self.excluded - {host}) if host in self.excluded else self

    def fenced(self, off: frozenset[str]) -> list[int]:
        """Hosts that may fence themselves: without the statefile while somebody has it, or a host is out of sight that
        is not excluded (K5); and those that a verdict rules out (K8).

        Nothing says when, so without the clauses they do not do it at all."""
        present = self.those(LIVE, DISARMED, STARTING)
        lost = NOBODY if "K5" in off else self.those(LIVE) - self.statefile
        if not present & self.statefile:
            missed = frozenset(range(len(self.daemons))) - self.excluded
            lost = frozenset(h for h in lost if any(m not in present or not self.hear(h, m) for m in missed - {h}))
        return sorted(lost if "K8" in off else lost | self.ruled_out())

    def answer_start(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """started, disarmed, invalid with the last mark, no_statefile, or failed (K6)."""
        phase = self.daemons[host].phase
        if phase in (LIVE, DISARMED):
            yield ("started" if phase == LIVE else "disarmed"), self, {}
        elif phase == OFF:
            yield "failed", self, {}
        elif host not in self.statefile:
            yield "no_statefile", self.dead(host), {}
        elif self.state == "invalid":
            yield "invalid", self.dead(host), {"master": self.mark}
        elif "K6" in off or self.state != "active" or self.hopeless(host) or (not self.patient and self.absent()):
            yield "failed", self.dead(host), {}

    def hopeless(self, host: int) -> bool:
        """Whether a starting host cannot get in as things are: nobody hears it, or it may not form a liveset."""
        return self.barred(host) or not self.joined_up(self.members | {host})

    def barred(self, host: int) -> bool:
        """Whether a starting host may form no liveset, being excluded, while no other that might is there."""
        everybody = frozenset(range(len(self.daemons)))
        others = self.those(STARTING, LIVE, DISARMED) - self.excluded
        return host in self.excluded != everybody and not others

    def absent(self) -> frozenset[int]:
        """The hosts whose daemon neither is live nor starts."""
        return frozenset(range(len(self.daemons))) - self.those(STARTING, LIVE)

    def answer_propose(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """granted if every member of the liveset grants; refused if another member holds the lock; else it blocks."""
        daemon = self.daemons[host]
        if daemon.phase in (OFF, STARTING):
            yield "gone", self, {}
        elif daemon.phase == LIVE and self.lock == host:  # it has it, with the statefile or without
            yield "granted", evolve(self, shown=self.shown or self.mark == host), {"live": daemon.live}
        elif (
            daemon.phase == DISARMED
            or host not in self.statefile
            or (self.lock is not None and self.lock != host and "K4" not in off)
        ):
            yield "refused", self, {}
        elif all(self.daemons[m].phase == LIVE and host in self.daemons[m].live for m in daemon.live):
            yield "granted", evolve(self, lock=host, shown=self.shown or self.mark == host), {"live": daemon.live}

    def answer_set_init(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """A fresh statefile: no mark, nobody excluded."""
        if host in self.statefile:
            yield "ok", evolve(self, state="init", mark=None, shown=False, excluded=NOBODY), {}
        else:
            yield "failed", self, {}

    def answer_set_invalid(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """A master's own mark comes first (K3)."""
        if host not in self.statefile:
            yield "failed", self, {}
        elif self.lock != host or self.mark == host or "K3" in off:
            yield "ok", evolve(self, state="invalid"), {}

    def answer_disarm(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """The daemon gives the lock away and fences no more; one that is not live has nothing to disarm."""
        daemon = self.daemons[host]
        if daemon.phase == LIVE:
            lock = None if self.lock == host else self.lock
            yield "disarmed", evolve(self, lock=lock).put(host, Daemon(DISARMED, daemon.live)), {}
        else:
            yield "disarmed", self if daemon.phase != STARTING else self.dead(host), {}

    def answer_exclude(self, host: int, off: frozenset[str]) -> Iterator[Answer]:
        """The daemon leaves and the flag is written; without the statefile, or where it is not active, nothing is."""
        if host in self.statefile and self.state == "active":
            yield "ok", evolve(self.stopped(host), excluded=self.excluded | {host}), {}
        else:
            yield "failed", self, {}
