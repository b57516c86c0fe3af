"""The promises about VMs: one instance at a time, none before its former host is down, and all run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from attrs import frozen

from hosts.demo.evidence import Evidence, Fence, Line, Stop
from hosts.demo.words import Verdict, Words, count, seconds, told_fence

STILL_WRITING = 1.0
"""Seconds: a VM writes ten lines a second, so one that has not written for this long does not run."""


@frozen
class Life:
    """One instance of a VM: all lines that one (host, incarnation) wrote."""

    lines: tuple[Line, ...]

    @property
    def first(self) -> Line:
        """The earliest line by its time."""
        return min(self.lines, key=lambda line: line.time)

    @property
    def last(self) -> Line:
        """The latest line by its time."""
        return max(self.lines, key=lambda line: line.time)


def one_instance(evidence: Evidence, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """S2: the lines of two instances of a VM overlap neither in time nor in the file."""
    claim = "at most one running instance of a VM"
    for vm, lived in lives.items():
        proof = _interleaved(evidence.lines[vm]) or _two_writers(lived) or _overlap(lived)
        if proof:
            hosts = " and ".join(dict.fromkeys(line.host for line in proof))
            said = f"{vm} ran twice at once on {hosts} at {seconds(evidence, proof[-1].time)}"
            return Verdict("S2", claim, "BROKEN", said, tuple(f"{line.at}  {line.text}" for line in proof))
    again = [vm for vm, lived in lives.items() if len(lived) > 1]
    if not again:
        return Verdict("S2", claim, "not exercised", "no VM had a second instance")
    gaps = [(b.first.time - a.last.time, b.first.vm) for vm in again for a, b in pairwise(lives[vm])]
    gap, vm = min(gaps)
    said = f"{count(len(again), 'VM')} ran again; the smallest gap is {gap:.2f} s ({vm})"
    return Verdict("S2", claim, "held", said)


def fenced_before_restart(evidence: Evidence, words: Words, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """S3: between two instances of a VM on different hosts the former host died, or the former one was stopped."""
    claim = "no VM restarted before its former host is fenced or cleanly down"
    margins = []
    for former, latter in (pair for lived in lives.values() for pair in pairwise(lived)):
        if former.first.host == latter.first.host:
            continue  # its own host knows of its own processes
        end = _ended(evidence, words, former, latter)
        if end is None:
            vm, old, new = former.first.vm, former.first.host, latter.first.host
            said = f"{vm} ran on {new} at {seconds(evidence, latter.first.time)}, and {old} was not down by then"
            proof = [f"{line.at}  {line.text}" for line in (former.last, latter.first)]
            proof += [told_fence(evidence, fence) for fence in evidence.deaths() if fence.host == old]
            return Verdict("S3", claim, "BROKEN", said, tuple(proof))
        margins.append((latter.first.time - end.when, former.first.vm, end))
    if not margins:
        return Verdict("S3", claim, "not exercised", "no VM moved to another host")
    margin, vm, end = min(margins, key=lambda found: found[0])
    said = f"{count(len(margins), 'restart')}; the closest, {vm}, {margin:.2f} s after {end.host} was down"
    return Verdict("S3", claim, "held", said)


def runs_again(evidence: Evidence, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """L1: every protected VM writes on at the end of the run, unless there was no host for it."""
    claim = "every protected VM that fits runs again"
    silent: list[str] = []
    homeless: list[str] = []
    for vm in evidence.protected:
        last = max((life.last.time for life in lives.get(vm, ())), default=None)
        if last is not None and evidence.end() - last <= STILL_WRITING:
            continue
        since = "has never run" if last is None else f"is silent since {seconds(evidence, last)}"
        homeless.append(vm) if vm in evidence.unplaced else silent.append(f"{vm} {since}")
    fitting = len(evidence.protected) - len(homeless)
    if silent:
        return Verdict("L1", claim, "BROKEN", f"{len(silent)} of {fitting} do not run", tuple(silent))
    if not fitting:
        return Verdict("L1", claim, "not exercised", "no protected VM fits" if homeless else "no VM is protected")
    moved = sum(len(lives.get(vm, ())) > 1 for vm in evidence.protected)
    said = f"{count(fitting, 'protected VM')} running at the end, {moved} of them again"
    return Verdict("L1", claim, "held", said + (f"; no host for {', '.join(homeless)}" if homeless else ""))


def lives_of(lines: Sequence[Line]) -> tuple[Life, ...]:
    """The instances that wrote to a disk, in the order of their first lines."""
    wrote: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        wrote.setdefault((line.host, line.incarnation), []).append(line)
    return tuple(sorted((Life(tuple(of)) for of in wrote.values()), key=lambda life: life.first.time))


def _interleaved(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Proof that an instance wrote again behind another one in the file, else nothing."""
    latest: dict[tuple[str, int], Line] = {}
    before: Line | None = None
    for line in lines:
        key = (line.host, line.incarnation)
        if before and (before.host, before.incarnation) != key and key in latest:
            return latest[key], before, line
        latest[key] = before = line
    return ()


def _two_writers(lived: Sequence[Life]) -> tuple[Line, ...]:
    """Proof that two processes wrote as one instance: its counter does not rise. Else nothing."""
    for life in lived:
        for former, latter in pairwise(life.lines):
            if latter.counter <= former.counter:
                return former, latter
    return ()


def _overlap(lived: Sequence[Life]) -> tuple[Line, ...]:
    """Proof that an instance began before another one's last line, else nothing."""
    for index, latter in enumerate(lived):
        for former in lived[:index]:
            if former.last.time >= latter.first.time:
                return latter.first, former.last
    return ()


def _ended(evidence: Evidence, words: Words, former: Life, latter: Life) -> Fence | Stop | None:
    """What ended `former` before `latter` began. A line written after an obituary disproves the obituary, one that is
    written when `latter` runs disproves an announcement."""
    host, begun, last, limit = former.first.host, former.first.time, former.last.time, latter.first.time
    if former.last.stopped and last <= limit:
        return Stop(host, last, "its supervisor", former.first.vm)
    for death in evidence.deaths():
        earliest = last if death.confirmed else begun
        if death.host == host and earliest <= death.when <= limit and last <= limit:
            return death
    for entry in evidence.entries:  # a host that goes down in order, or out of HA, stops all its VMs before
        if (entry.host, entry.event) == (host, words.stopped) and last <= entry.time <= limit:
            return Stop(host, entry.time, "its agent", former.first.vm)
    for stop in evidence.stops:
        if (stop.host, stop.vm) == (host, former.first.vm) and begun <= stop.when <= limit:
            return stop
    return None
