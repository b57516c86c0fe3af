"""What of a run is worth a line, from the fault to the last step of the failover, with the sentence of each row.

Told are rows that change something in the machines that people follow, departures from livesets, deaths, and first
signs of life of VMs. What the same host does for several VMs, or several hosts do, in one breath is one line. Each line
belongs to a phase: the fault, detected, fenced, elected, restarted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from attrs import evolve, field, frozen

from hosts.demo.evidence import Entry, Evidence

Phase = Literal["fault", "detected", "fenced", "elected", "restarted"]

BREATH = 0.1
"""Seconds within which equal moments are told in one line."""
_NAMED = 4
"""So many VMs or hosts are named in a line; more are counted."""

_KEPT = ("role", "decisions")
"""Variables whose change is told."""


@frozen
class Moment:
    """A line of the timeline. `time`: CLOCK_BOOTTIME seconds. `subjects`: VMs that `did` it; none: the host did."""

    time: float
    hosts: tuple[str, ...]
    did: str
    why: str
    phase: Phase
    subjects: tuple[str, ...] = field(default=())

    @property
    def host(self) -> str:
        """The hosts in words."""
        return _listed(self.hosts)

    @property
    def what(self) -> str:
        """What happened in words."""
        return f"{_listed(self.subjects)} {self.did}" if self.subjects else self.did


@frozen
class Departure:
    """A daemon dropped hosts from its liveset. `gone`: their names."""

    time: float
    host: str
    gone: tuple[str, ...]
    why: str


def timeline(evidence: Evidence, fault: Moment | None) -> tuple[Moment, ...]:
    """The lines from the fault until HA was asked to be disabled, in the order of time; none without a fault.

    Arguments:
        fault: the moment of the fault, as it shall be told.
    """
    if fault is None:
        return ()
    limit = evidence.disable.asked if evidence.disable else evidence.end()
    told = [*_rows(evidence), *_deaths(evidence), *_departed(evidence), *_signs(evidence)]
    told = [moment for moment in told if fault.time <= moment.time <= limit]
    return tuple(_in_one_breath([fault, *sorted(told, key=lambda moment: moment.time)]))


def departures(evidence: Evidence) -> Iterator[Departure]:
    """Who was dropped from whose liveset, a daemon that leaves itself not counted."""
    live: dict[str, frozenset[int]] = {}
    for entry in evidence.daemons:
        if not entry.machine:
            live.pop(entry.host, None)
        if "live" not in entry.set:
            continue
        now = frozenset(entry.set["live"])
        gone = live.get(entry.host, now) - now
        live[entry.host] = now
        joining = entry.source.startswith("join_")  # what it hopes for, it is in none
        if gone and now and not joining:
            yield Departure(entry.time, entry.host, tuple(evidence.hosts[index] for index in sorted(gone)), entry.why)


def _departed(evidence: Evidence) -> Iterator[Moment]:
    for left in departures(evidence):
        yield Moment(left.time, (left.host,), f"{_listed(left.gone)} out of the liveset", left.why, "detected")


def _deaths(evidence: Evidence) -> Iterator[Moment]:
    for death in evidence.deaths():
        yield Moment(death.when, (death.host,), "dead", death.reason, "fenced")
    for stop in evidence.stops:
        yield Moment(stop.when, (stop.host,), f"{stop.vm or 'agent'} ended", f"by {stop.by}", "fault")


def _signs(evidence: Evidence) -> Iterator[Moment]:
    """The first line of each instance of a VM."""
    for vm, lines in evidence.lines.items():
        seen: set[tuple[str, int]] = set()
        for line in lines:
            if (line.host, line.incarnation) not in seen:
                seen.add((line.host, line.incarnation))
                yield Moment(line.time, (line.host,), "runs", "a first line is on its disk", "restarted", (vm,))


def _rows(evidence: Evidence) -> Iterator[Moment]:
    for entry in (*evidence.entries, *evidence.daemons):
        machine, _, instance = entry.machine.partition("[")
        phase = _phase(machine, entry)
        if phase:
            moved = [f"{entry.source} → {entry.target}"] if entry.source != entry.target else []
            kept = [f"{name} = {_value(evidence, value)}" for name, value in entry.set.items() if name in _KEPT]
            did = f"{', '.join(moved + kept)}" if instance else f"{machine}: {', '.join(moved + kept)}"
            yield Moment(entry.time, (entry.host,), did, entry.why, phase, (instance[:-1],) if instance else ())


def _phase(machine: str, entry: Entry) -> Phase | None:
    """Where a row belongs; None for one that is not told."""
    changes = entry.source != entry.target or bool(entry.set)
    match machine:
        case "monitor" if entry.target == "handed_over":
            return "detected"
        case "membership" if entry.target == "fencing":
            return "fenced"
        case "life" | "election" if changes:
            return "elected"
        case "restart" if entry.set:  # a claim, a place, a loss; the rest is looking and waiting
            return "restarted"
    return None


def _value(evidence: Evidence, value: object) -> str:
    """A value as people say it; a host is an index in a journal."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return evidence.hosts[value] if isinstance(value, int) and 0 <= value < len(evidence.hosts) else str(value)


def _in_one_breath(moments: Iterable[Moment]) -> list[Moment]:
    """Equal moments close to the first of them are one: of one host for several VMs, or of several hosts."""
    told: list[Moment] = []
    for moment in moments:
        for index, former in enumerate(told):
            alike = (former.did, former.why, former.phase) == (moment.did, moment.why, moment.phase)
            if not alike or moment.time - former.time > BREATH or bool(former.subjects) != bool(moment.subjects):
                continue
            if moment.subjects and former.hosts == moment.hosts:
                told[index] = evolve(former, subjects=tuple(sorted(_joined(former.subjects, moment.subjects))))
                break
            if not moment.subjects:
                told[index] = evolve(former, hosts=tuple(sorted(_joined(former.hosts, moment.hosts))))
                break
        else:
            told.append(moment)
    return told


def _joined(former: tuple[str, ...], latter: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(former + latter))


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return " ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
