"""Where the VMs of lost hosts run again, and when each may start.

Pure questions, asked by the acting master. At every turn of a restart:

- `place`: which live host has memory for which VM. Protected VMs first; best-effort VMs get what is left. Where there
  is plenty they are spread, so that the next host that is lost takes few with it; else they are packed.
- `turn`: whose turn it is. Groups of equal `order` start one after another, negative orders last,
  best-effort groups after all protected ones; a VM's `start_delay` holds back the next group, as xapi's
  sleep inside the start call does.

And when a plan is out of date, `exposure`: which one host more could be lost in vain.

**What `place` promises.** No host is ever given more than its free memory. Equal questions get equal
answers, also in another process: nothing depends on hashing or on the order of the arguments. A best-effort
VM never costs a protected one its place. Every VM has a target or a shortfall. As many protected VMs as
possible are placed where all of them have one size, and where no host can hold two of them; and all of them
whenever best-fit decreasing alone would place all.

**What it does not promise.** The greatest number in general: that is bin packing, which is NP-hard. Where
spreading does not place all it is best-fit in two orders, mended by chains of moves (a left-out VM takes the place of
another, which takes the place of a third, which finds room). Nor does it look at anything but memory: shared storage,
networks and failures to come belong to the planner proper.

A plan is made for all VMs at once, and a VM placed by it may only fit there because of where the others go:
keep a plan for as long as the hosts and the VMs are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from hosts.pool_file import PoolFile, VmEntry


@frozen
class Want:
    """A VM that wants to run. `memory`: MiB. `order`: lower first, negative last. `start_delay`: seconds."""

    name: str
    memory: int
    order: int = 0
    protected: bool = True
    start_delay: float = 0.0

    @classmethod
    def of(cls, vm: VmEntry) -> Want:
        """The want of a VM of a pool file."""
        return cls(vm.name, vm.memory, vm.order, vm.protected, vm.start_delay)

    @property
    def group(self) -> tuple[bool, bool, int]:
        """What sorts the groups: protected before best-effort, negative orders last, then by order."""
        return (not self.protected, self.order < 0, self.order)


@frozen
class Shortfall:
    """Why a VM has no target: `memory` MiB wanted, against the MiB `free` on each host beside the others."""

    memory: int
    free: Mapping[int, int]

    def sentence(self, names: Sequence[str] = ()) -> str:
        """The reason in words. `names`: of the hosts by index; "host 2" where there is none."""
        if not self.free:
            return f"it needs {self.memory} MiB, and there is no live host"
        most = sorted(self.free.items(), key=lambda item: (-item[1], item[0]))
        called = [f"{names[h] if h < len(names) else f'host {h}'} has {mib}" for h, mib in most[:4]]
        more = f", {len(most) - 4} more have no more" if len(most) > 4 else ""
        short = f"{self.memory - most[0][1]} MiB short at best"
        return f"it needs {self.memory} MiB; beside the other VMs {', '.join(called)}{more}: {short}"

    def __str__(self) -> str:
        return self.sentence()


@frozen
class Placement:
    """Every VM asked about, in one of two mappings: name -> host index, or name -> why it has none."""

    targets: Mapping[str, int]
    unplaced: Mapping[str, Shortfall]


@frozen
class Turn:
    """Whose turn it is.

    `names`: the VMs of the group that may start now (those already starting included). `again`: when to ask
    again (the clock of `now`) where only a start delay holds the next group back, else None.
    """

    names: frozenset[str]
    again: float | None


def place(hosts: Mapping[int, int], vms: Iterable[Want]) -> Placement:
    """A target for each VM, as the module's essay promises.

    Arguments:
        hosts: index of each live host -> its free MiB, all VMs that run there subtracted; below 0 is full.
        vms: the VMs to place, names unique.
    Errors: `ValueError` when a name occurs twice, or memory is not above 0.
    """
    wants = sorted(vms, key=lambda want: (want.group, want.name))
    if len({want.name for want in wants}) < len(wants) or any(want.memory <= 0 for want in wants):
        raise ValueError("VMs to place must have names that differ and memory above 0")
    protected = [want for want in wants if want.protected]
    others = [want for want in wants if not want.protected]
    empty = dict(sorted(hosts.items()))
    if spread := _spread(empty, _largest_first(protected) + _largest_first(others)):
        return Placement({want.name: spread[want] for want in wants}, {})
    best = _fill(_Room(dict(empty), {}), _largest_first(protected))
    if len(best.targets) < len(protected):
        smallest_first = _fill(_Room(empty, {}), sorted(protected, key=lambda want: want.memory))
        best = max(best, smallest_first, key=lambda room: room.worth(protected))
    best = _fill(best, _largest_first(others))
    free = {host: max(mib, 0) for host, mib in best.free.items()}
    return Placement(
        {want.name: best.targets[want][0] for want in wants if want in best.targets},
        {want.name: Shortfall(want.memory, free) for want in wants if want not in best.targets},
    )


def _largest_first(wants: Sequence[Want]) -> list[Want]:
    return sorted(wants, key=lambda want: -want.memory)


def _spread(hosts: Mapping[int, int], wants: Sequence[Want]) -> Mapping[Want, int]:
    """Each VM in its turn onto the host that then has the most memory left; empty when not all find room like that."""
    free, found = dict(hosts), dict[Want, int]()
    for want in wants:
        host = max(free, key=lambda host: (free[host], -host), default=None)
        if host is None or free[host] < want.memory:
            return {}
        found[want] = host
        free[host] -= want.memory
    return found


@frozen
class _Room:
    """A packing under way: free MiB of each host, and each placed VM's host with the size it takes there."""

    free: dict[int, int]
    targets: dict[Want, tuple[int, int]]

    def put(self, want: Want, host: int) -> None:
        if want in self.targets:
            old, memory = self.targets[want]
            self.free[old] += memory
        self.targets[want] = (host, want.memory)
        self.free[host] -= want.memory

    def worth(self, protected: Sequence[Want]) -> tuple[int, list[int]]:
        """The most protected VMs, and then the most of the earliest groups: later ones depend on them."""
        groups = sorted({want.group for want in protected})
        placed = [want.group for want in protected if want in self.targets]
        return len(placed), [placed.count(group) for group in groups]


def _fill(room: _Room, wants: Sequence[Want]) -> _Room:
    """Best fit in the given order; whoever is left out then tries a chain of moves. Returns the same room."""
    left_out = []
    for want in wants:
        fitting = [(free, host) for host, free in room.free.items() if free >= want.memory]
        if fitting:
            room.put(want, min(fitting)[1])
        else:
            left_out.append(want)
    for want in sorted(left_out, key=lambda want: want.memory):
        if not _move_others(room, want):
            break  # nor would a larger one: whatever it may take the place of, this one may too
    return room


_ROOM = "free memory"
"""The node at which every chain of moves ends."""


def _move_others(room: _Room, want: Want) -> bool:
    """Place `want` by the shortest chain of moves that ends in free memory; whether there is one.

    Every VM on the chain takes the place of the next; one VM stands for all of its size on its host. A
    shortest chain may visit a host twice, where the sums no longer hold; so it is tried on a copy, and
    dropped when it overfills anything.
    """
    import networkx as nx

    if sum(free for free in room.free.values() if free > 0) < want.memory:
        return False
    alike = {place: mover for mover, place in room.targets.items()}
    chains: Any = nx.DiGraph()
    chains.add_nodes_from([want, _ROOM])
    for mover in (want, *alike.values()):
        own = room.targets[mover][0] if mover in room.targets else None
        for host, free in room.free.items():
            if host != own and free >= mover.memory:
                chains.add_edge(mover, _ROOM, host=host)
        for (host, memory), other in alike.items():
            if host != own and room.free[host] + memory >= mover.memory:
                chains.add_edge(mover, other, host=host)
    try:
        chain = nx.shortest_path(chains, want, _ROOM)
    except nx.NetworkXNoPath:
        return False
    trial = _Room(dict(room.free), dict(room.targets))
    for mover, after in itertools.pairwise(chain):
        trial.put(mover, chains.edges[mover, after]["host"])
    fits = all(free >= 0 or free >= room.free[host] for host, free in trial.free.items())
    if fits:
        room.free.update(trial.free)
        room.targets.update(trial.targets)
    return fits


def elsewhere(
    placement: Placement, free: Mapping[int, int], wants: Mapping[str, Want], failed: Mapping[str, Collection[int]]
) -> Placement:
    """A placement in which VMs avoid hosts on which they have just failed to start, where that costs nobody a place.

    Arguments:
        placement: of some VMs; free: the MiB that it was made with, of each live host.
        wants: all VMs by name.
        failed: name -> hosts to avoid.
    """
    targets, left = dict(placement.targets), dict(free)
    for name, host in targets.items():
        left[host] -= wants[name].memory
    for name in sorted(targets.keys() & failed.keys()):
        memory, planned = wants[name].memory, targets[name]
        others = [host for host, mib in left.items() if host not in failed[name] and mib >= memory]
        if planned in failed[name] and others:
            targets[name] = max(others, key=lambda host: (left[host], -host))
            left[planned] += memory
            left[targets[name]] -= memory
    return Placement(targets, placement.unplaced)


@frozen
class Exposure:
    """A loss that would leave protected VMs without a place. `host`: the one lost; None where none need be."""

    host: int | None
    unplaced: Mapping[str, Shortfall]


def exposure(
    free: Mapping[int, int], running: Iterable[tuple[Want, int]], waiting: Iterable[Want] = ()
) -> Exposure | None:
    """The first host whose loss leaves a protected VM without a place, by this planner's packing; None if none does.

    Best-effort VMs stay where they run, and those of the lost host are not counted: they come after all protected ones.

    Arguments:
        free: index of each live host -> its free MiB.
        running: (VM, host) of those that run.
        waiting: VMs that have no place yet; they are placed before anything more fails.
    """
    at = [(want, host) for want, host in running if want.protected]
    due = [want for want in waiting if want.protected]
    for lost in (None, *sorted(free)):
        rest = {host: mib for host, mib in free.items() if host != lost}
        unplaced = place(rest, [*due, *(want for want, host in at if host == lost)]).unplaced
        if unplaced:
            return Exposure(lost, unplaced)
    return None


def turn(now: float, vms: Iterable[Want], started: Mapping[str, float], given_up: Collection[str] = ()) -> Turn:
    """Which VMs of one restart may start now.

    A group's turn comes when every VM of the groups before it has been started or given up, and `start_delay`
    seconds have gone by since each of those starts. Pure: the clock is an argument.

    Arguments:
        now: seconds, on the clock of `started`.
        vms: all VMs of this restart.
        started: name -> when its start ended well.
        given_up: names whose start has failed for good, or that have no target; they hold back nobody.
    """
    wants = sorted(vms, key=lambda want: want.group)
    held_until = float("-inf")
    for group in sorted({want.group for want in wants}):
        members = [want for want in wants if want.group == group]
        due = frozenset(want.name for want in members) - started.keys() - frozenset(given_up)
        if due:
            return Turn(due, None) if now >= held_until else Turn(frozenset(), held_until)
        ready = (started[want.name] + want.start_delay for want in members if want.name in started)
        held_until = max(held_until, *ready, float("-inf"))
    return Turn(frozenset(), None)


def misfits(pool: PoolFile) -> Mapping[str, str]:
    """The VMs of a described pool that fit on no host even while all hosts live: name -> why, in a sentence.

    The answer before anything is started: empty when all VMs have room at once.
    """
    names = [host.name for host in pool.hosts]
    free = {index: host.memory for index, host in enumerate(pool.hosts)}
    answer = place(free, (Want.of(vm) for vm in pool.vms))
    return {vm: shortfall.sentence(names) for vm, shortfall in answer.unplaced.items()}
