"""Three hosts or more that start, join, are taken out of HA and die, any number of times: who may form a liveset.

As `generations`, but that HA is active and stays so and nobody asks for the master lock: so all words but who is
excluded are the same all the time, and what only they need is left out. Besides, far fewer states say as much:

- A host rests only where it matters to others: while a write that changes its record is under way, and while it reads.
  In the pause between two turns, and while it writes what stands there already, it goes on at once; what it is told
  then, it may be told just after.
- Whether a record has changed between two reads is not remembered: any that there is may be taken for changed. That is
  no less than what is found.
- What a host knows of the others' incarnations is forgotten once it has been written down with its liveset: the next
  read shows them. The record before the newest is forgotten, for it carries nothing that this does not.
- Incarnations are numbered without gaps, among those that anybody remembers, so that no number needs a bound.

Kinds of fault that happen: boot, crash, stop, exclude, clear, late, as in `generations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, evolve, field

from fsm.engine.turn import Effects, Event
from fsm.explore.world import Action, Pending
from hosts.daemon.layout import Phase
from hosts.worlds.gathering_parts import subsets
from hosts.worlds.generations import GenerationWorld
from hosts.worlds.sectors import CHANGING, SILENT, UNKNOWN, Disk, Host, Look, Said, Scene, seen

Places = tuple[Mapping[int, int], ...]


@define(eq=False)
class Exclusion(GenerationWorld):
    """The world of some hosts, any of which may be excluded. Arguments: n, off, faults, routes, formed: as of
    `GenerationWorld`."""

    pool: str = "active"
    bystanders: int = field(default=0, init=False)
    brisk: bool = field(default=False, init=False)

    def perform(self, w: Scene, host: int, effects: Effects) -> Scene:
        """What a turn wants done, and nothing remembered that nobody needs."""
        return self.numbered(super().perform(w, host, effects))

    # -- what may happen

    def actions(self, w: Scene, pending: Pending) -> Iterator[Action[Scene]]:
        """Everything that may happen next; where a host goes on at once, nothing else; while the liveset forms, one
        thing."""
        if w.forming:
            assert w.turn is not None
            yield evolve(next(self.of_host(w, w.turn)), fault=None)
            return
        for me in [p for p in range(self.n) if self.hasty(w, p)][:1] or range(self.n):
            for action in self.of_host(w, me):
                yield action if action.event else evolve(action, world=self.numbered(action.world))

    def hasty(self, w: Scene, me: int) -> bool:
        """Whether a host goes on at once: it begins its next turn, or writes what its record says already."""
        host = w.hosts[me]
        return host.paused or (host.writing is not None and host.writing == w.disks[me].newest)

    def of_host(self, w: Scene, me: int) -> Iterator[Action[Scene]]:
        """What may happen next at a host."""
        host = w.hosts[me]
        if host.paused:
            yield Action(f"host {me} begins its next turn", w, host=me, event=Event("membership", "after"))
        elif self.hasty(w, me):
            yield from self.operations(w, me, host)
        else:
            yield from super().of_host(w, me)

    def orders(self, w: Scene, me: int, host: Host, mine: Said | None) -> Iterator[Action[Scene]]:
        """What a daemon that does not leave is told by its timers, its agent and the operator; its death."""
        told = {"stop": "stop", "exclude": "exclude"}
        if mine is not None and mine.phase is Phase.JOINING:
            told |= {"late": "after joining"}
        for kind, name in told.items():
            yield Action(f"host {me} is told: {name}", w, kind, me, Event("membership", name))
        if mine is not None:
            yield self.dies(w, me, host)

    def reads(self, w: Scene, me: int, host: Host) -> Iterator[Action[Scene]]:
        """A read takes its snapshot and is told, with every way in which the others may have looked."""
        others = frozenset(range(self.n)) - {me}
        here = frozenset(p for p in others if not said_goodbye(w.disks[p]))
        dead = frozenset(p for p in here if "K1" in self.off or not w.hosts[p].armed)
        for ended in subsets(frozenset(p for p in here if w.disks[p].bye)):
            for silent in subsets(dead):
                written = self.in_sight(w, host, here - silent)
                for stale in subsets(written):
                    yield self.shown(w, me, w.look(me, silent, ended), silent, written - stale)

    def in_sight(self, w: Scene, host: Host, others: frozenset[int]) -> frozenset[int]:
        """Of some others, whose record matters to what a host does next: to a live one only who joins."""
        live = host.mine is not None and host.mine.phase is Phase.LIVE
        records = ((p, w.disks[p].newest) for p in others)
        return frozenset(p for p, record in records if record and not (live and record.phase is Phase.LIVE))

    def shown(self, w: Scene, me: int, look: Look, silent: frozenset[int], fresh: frozenset[int]) -> Action[Scene]:
        """The end of a read that finds these silent and those fresh."""
        host = w.hosts[me]
        how = tuple(SILENT if p in silent else CHANGING if p in fresh else UNKNOWN for p in range(self.n))
        known = tuple(d.newest.incarnation if d.newest and p != me else 0 for p, d in enumerate(look.disks))
        read = w.with_host(me, evolve(host, known=known))
        # verdicts and links, which nothing here depends on, are as if all heard each other
        everybody = {"mutual": frozenset(range(self.n)) - {me}, "decided": frozenset(range(self.n))}
        return self.outcome(read, me, "seen", **{**seen(me, host.of, host.mine, look, how), **everybody})

    # -- what is remembered

    def numbered(self, w: Scene) -> Scene:
        """The world without what nobody needs, and with the incarnations of each host numbered without gaps."""
        hosts = tuple(self.bare(host) for host in w.hosts)
        disks = tuple(map(_bare, w.disks))
        used = [{0} for _ in range(self.n)]
        for p, (host, disk) in enumerate(zip(hosts, disks, strict=True)):
            used[p] |= {disk.incarnation, disk.bye} | ({disk.note.incarnation} if disk.note else set())
            for said in filter(None, (host.mine, host.writing, disk.newest, disk.late)):
                used[p].add(said.incarnation)
                for q, listed in enumerate(said.listed):
                    used[q].add(listed)
            for q, known in enumerate(host.known):
                used[q].add(known)
        bare = Scene(hosts, disks, w.shared, w.high, w.back, w.master, w.turn, w.forming)
        if all(max(numbers) < len(numbers) for numbers in used):
            return bare
        places = tuple({number: place for place, number in enumerate(sorted(numbers))} for numbers in used)
        return evolve(
            bare,
            hosts=tuple(_host(p, host, places) for p, host in enumerate(hosts)),
            disks=tuple(_disk(p, disk, places[p], places) for p, disk in enumerate(disks)),
        )

    def bare(self, host: Host) -> Host:
        """A host without what nobody needs of it."""
        nothing = (0,) * self.n
        known = host.known if host.paused else nothing
        return Host(
            host.running, host.armed, host.paused, host.of, host.mine, host.pool, host.mark, known, nothing,
            host.writing, host.reading, promised=host.promised,
        )  # fmt: skip


def said_goodbye(disk: Disk) -> bool:
    """Whether the newest record of a host is a goodbye: then nothing else that is seen of it matters."""
    return disk.newest is not None and disk.newest.phase is Phase.BYE


def _bare(disk: Disk) -> Disk:
    newest = disk.newest
    bye = disk.bye if newest and newest.incarnation == disk.bye and not said_goodbye(disk) else 0
    return Disk(newest, None, disk.note, None, disk.late, None, disk.incarnation, 0, bye, 0)


def _said(p: int, said: Said | None, places: Places) -> Said | None:
    if said is None:
        return None
    listed = tuple(places[q][number] for q, number in enumerate(said.listed))
    return evolve(said, incarnation=places[p][said.incarnation], listed=listed)


def _host(p: int, host: Host, places: Places) -> Host:
    known = tuple(places[q][number] for q, number in enumerate(host.known))
    return evolve(host, mine=_said(p, host.mine, places), writing=_said(p, host.writing, places), known=known)


def _disk(p: int, disk: Disk, own: Mapping[int, int], places: Places) -> Disk:
    note = disk.note and evolve(disk.note, incarnation=own[disk.note.incarnation])
    newest, late = _said(p, disk.newest, places), _said(p, disk.late, places)
    return evolve(disk, newest=newest, late=late, note=note, incarnation=own[disk.incarnation], bye=own[disk.bye])
