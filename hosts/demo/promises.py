"""Whether a run kept the promises, judged from the evidence on disk and from nothing else.

No process of the pool is asked: a program that broke a promise would be the last to know. Each promise is a
function of the `Evidence` and answers with one of three words:

- *held*: the evidence has the case, and it went well.
- *BROKEN*: the evidence shows that it did not; the proof is quoted.
- *not exercised*: the case did not come up, so nothing is known. A run that exercises nothing proves
  nothing, and must not look as if it did.

What is left out: S6 to S10 of the design, which a single run cannot show, and whatever no file recorded. A
pool whose files are missing has kept nothing for certain; that is a row of its own at the end of the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from attrs import frozen

from hosts.demo.evidence import Entry, Evidence, Fence, Line, Stop

Word = Literal["held", "BROKEN", "not exercised"]

EVIDENCE = "E"
"""The short name of the last row of the table, which is about the files and no promise."""

STILL_WRITING = 1.0
"""Seconds: a VM writes ten lines a second, so one that has not written for this long does not run."""


@frozen
class Words:
    """What the specs call the things that promises speak of.

    life: the machine of a host's own life, and `serving` its states (also those that hold substates) in
    which a host that has the role acts as master. role, decisions, armed: the variables. starts: the rows that
    start a VM.
    """

    life: str = "life"
    serving: frozenset[str] = frozenset({"running", "plain"})
    role: str = "role"
    decisions: str = "decisions"
    armed: str = "armed"
    starts: frozenset[str] = frozenset()


@frozen
class Verdict:
    """One promise: its short name, what it claims, the word, one line of evidence, and lines quoted as proof."""

    promise: str
    claim: str
    word: Word
    evidence: str
    proof: tuple[str, ...] = ()


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


@frozen
class Reign:
    """`host` acted as master from `begin` until `end` (infinite when nothing ended it)."""

    host: str
    begin: float
    end: float


@frozen
class _Moment:
    """An entry with what is known of its host after it (None is unknown), and whether it took the role."""

    entry: Entry
    decisions: bool | None
    armed: bool | None
    took_role: bool

    @property
    def off(self) -> bool:
        """Whether decisions are known to be off."""
        return self.decisions is False


def judge(evidence: Evidence, words: Words) -> tuple[Verdict, ...]:
    """The table of promises, in the order in which it is shown. Errors: none."""
    lives = {vm: _lives(lines) for vm, lines in evidence.lines.items()}
    moments = tuple(_moments(evidence, words))
    return (
        one_master(evidence, reigns(evidence, words)),
        one_instance(evidence, lives),
        fenced_before_restart(evidence, lives),
        decisions_off(evidence, words, moments),
        quiet_after_disable(evidence, words, moments, lives),
        runs_again(evidence, lives),
        clean_disable(evidence, moments),
        whole_evidence(evidence),
    )


def one_master(evidence: Evidence, reigns: tuple[Reign, ...]) -> Verdict:
    """S1: no two reigns of different hosts overlap."""
    claim = "at most one acting master"
    for index, former in enumerate(reigns):
        for latter in reigns[index + 1 :]:
            if former.host != latter.host and latter.begin < former.end:
                both = f"{former.host} and {latter.host} both acted as master"
                spans = tuple(_reign(evidence, reign) for reign in (former, latter))
                return Verdict("S1", claim, "BROKEN", f"{both} from {_t(evidence, latter.begin)} on", spans)
    if not reigns:
        return Verdict("S1", claim, "not exercised", "no journal shows an acting master")
    return Verdict("S1", claim, "held", "; ".join(_reign(evidence, reign) for reign in reigns))


def one_instance(evidence: Evidence, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """S2: the lines of two instances of a VM overlap neither in time nor in the file."""
    claim = "at most one running instance of a VM"
    for vm, lived in lives.items():
        proof = _interleaved(evidence.lines[vm]) or _two_writers(lived) or _overlap(lived)
        if proof:
            hosts = " and ".join(dict.fromkeys(line.host for line in proof))
            said = f"{vm} ran twice at once on {hosts} at {_t(evidence, proof[-1].time)}"
            return Verdict("S2", claim, "BROKEN", said, tuple(f"{line.at}  {line.text}" for line in proof))
    again = [vm for vm, lived in lives.items() if len(lived) > 1]
    if not again:
        return Verdict("S2", claim, "not exercised", "no VM had a second instance")
    gaps = [(b.first.time - a.last.time, b.first.vm) for vm in again for a, b in pairwise(lives[vm])]
    gap, vm = min(gaps)
    said = f"{_count(len(again), 'VM')} ran again; the smallest gap is {gap:.2f} s ({vm})"
    return Verdict("S2", claim, "held", said)


def fenced_before_restart(evidence: Evidence, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """S3: between two instances of a VM on different hosts the former host died, or the former one was stopped."""
    claim = "no VM restarted before its former host is fenced or cleanly down"
    margins = []
    for former, latter in (pair for lived in lives.values() for pair in pairwise(lived)):
        if former.first.host == latter.first.host:
            continue  # its own host knows of its own processes
        end = _ended(evidence, former, latter)
        if end is None:
            vm, old, new = former.first.vm, former.first.host, latter.first.host
            said = f"{vm} ran on {new} at {_t(evidence, latter.first.time)}, and {old} was not down by then"
            proof = [f"{line.at}  {line.text}" for line in (former.last, latter.first)]
            proof += [_fence(evidence, fence) for fence in evidence.deaths() if fence.host == old]
            return Verdict("S3", claim, "BROKEN", said, tuple(proof))
        margins.append((latter.first.time - end.when, former.first.vm, end))
    if not margins:
        return Verdict("S3", claim, "not exercised", "no VM moved to another host")
    margin, vm, end = min(margins, key=lambda found: found[0])
    said = f"{_count(len(margins), 'restart')}; the closest, {vm}, {margin:.2f} s after {end.host} was down"
    return Verdict("S3", claim, "held", said)


def decisions_off(evidence: Evidence, words: Words, moments: tuple[_Moment, ...]) -> Verdict:
    """S4: while decisions are off on a host, no row of it takes the role or starts a VM."""
    claim = "a host with decisions off takes no lock and restarts nothing"
    off = [moment for moment in moments if moment.off]
    for moment in off:
        if moment.took_role or moment.entry.row in words.starts:
            did = "became master" if moment.took_role else "started a VM"
            said = f"{moment.entry.host} {did} at {_t(evidence, moment.entry.time)} with decisions off"
            return Verdict("S4", claim, "BROKEN", said, (_quoted(moment.entry),))
    if not off:
        return Verdict("S4", claim, "not exercised", "decisions were never off on any host")
    hosts = ", ".join(dict.fromkeys(moment.entry.host for moment in off))
    return Verdict("S4", claim, "held", f"{_count(len(off), 'row')} with decisions off, on {hosts}")


def quiet_after_disable(
    evidence: Evidence, words: Words, moments: tuple[_Moment, ...], lives: Mapping[str, tuple[Life, ...]]
) -> Verdict:
    """S5: after disable has completed no VM is started and nobody takes the role."""
    claim = "after disable nobody takes a failover action"
    completed = evidence.disable.completed if evidence.disable else None
    if completed is None:
        return Verdict("S5", claim, "not exercised", "disable was not completed")
    for line in (life.first for lived in lives.values() for life in lived):
        if line.time > completed:
            said = f"{line.vm} started on {line.host} {line.time - completed:.2f} s after disable"
            return Verdict("S5", claim, "BROKEN", said, (f"{line.at}  {line.text}",))
    later = [moment for moment in moments if moment.entry.time > completed]
    for moment in later:
        if moment.took_role or moment.entry.row in words.starts:
            did = "became master" if moment.took_role else "started a VM"
            said = f"{moment.entry.host} {did} {moment.entry.time - completed:.2f} s after disable"
            return Verdict("S5", claim, "BROKEN", said, (_quoted(moment.entry),))
    said = f"{_count(len(later), 'row')} fired after it; none took the lock or started a VM"
    return Verdict("S5", claim, "held", said)


def runs_again(evidence: Evidence, lives: Mapping[str, tuple[Life, ...]]) -> Verdict:
    """L1: every protected VM writes on at the end of the run, unless there was no host for it."""
    claim = "every protected VM that fits runs again"
    silent: list[str] = []
    homeless: list[str] = []
    for vm in evidence.protected:
        last = max((life.last.time for life in lives.get(vm, ())), default=None)
        if last is not None and evidence.end() - last <= STILL_WRITING:
            continue
        since = "has never run" if last is None else f"is silent since {_t(evidence, last)}"
        homeless.append(vm) if vm in evidence.unplaced else silent.append(f"{vm} {since}")
    fitting = len(evidence.protected) - len(homeless)
    if silent:
        return Verdict("L1", claim, "BROKEN", f"{len(silent)} of {fitting} do not run", tuple(silent))
    if not fitting:
        return Verdict("L1", claim, "not exercised", "no protected VM fits" if homeless else "no VM is protected")
    moved = sum(len(lives.get(vm, ())) > 1 for vm in evidence.protected)
    said = f"{_count(fitting, 'protected VM')} running at the end, {moved} of them again"
    return Verdict("L1", claim, "held", said + (f"; no host for {', '.join(homeless)}" if homeless else ""))


def clean_disable(evidence: Evidence, moments: tuple[_Moment, ...]) -> Verdict:
    """Disable completed, fenced nobody, and left no host that lives armed."""
    claim = "disable was clean"
    disable = evidence.disable
    if disable is None:
        return Verdict("L2", claim, "not exercised", "HA was not disabled")
    if disable.completed is None:
        return Verdict("L2", claim, "BROKEN", f"asked at {_t(evidence, disable.asked)}, never completed")
    for fence in evidence.fences:
        if disable.asked <= fence.when <= disable.completed:
            return Verdict("L2", claim, "BROKEN", f"{fence.host} died during disable", (_fence(evidence, fence),))
    dead = {fence.host: fence.when for fence in evidence.deaths()}
    latest = {m.entry.host: m for m in moments if m.entry.time <= disable.completed}
    for host, moment in latest.items():
        if moment.armed and dead.get(host, 0.0) <= moment.entry.time:
            return Verdict("L2", claim, "BROKEN", f"{host} is still armed", (_quoted(moment.entry),))
    return Verdict("L2", claim, "held", f"completed {disable.completed - disable.asked:.2f} s after it was asked")


def whole_evidence(evidence: Evidence) -> Verdict:
    """Every file could be read; lines that make no sense are counted, for they are left out of everything above."""
    claim = "the evidence is whole"
    if evidence.missing:
        said = f"{_count(len(evidence.missing), 'file')} cannot be read"
        return Verdict(EVIDENCE, claim, "BROKEN", said, evidence.missing)
    read = sum(map(len, evidence.lines.values()))
    said = f"{_count(read, 'line')} of VMs and {_count(len(evidence.entries), 'row')} of agents read"
    if evidence.troubles:
        said += f", {_count(len(evidence.troubles), 'line')} damaged"
    return Verdict(EVIDENCE, claim, "held", said, evidence.troubles[:4])


def reigns(evidence: Evidence, words: Words) -> tuple[Reign, ...]:
    """Who acted as master, and when, in the order of beginning.

    A host acts while its journal says that the role is its own and its life serves. It ends with an entry
    that says otherwise, with the death of the host, or with that of its agent.
    """
    deaths: list[Fence | Stop] = [*evidence.deaths(), *(stop for stop in evidence.stops if not stop.vm)]
    events: list[tuple[float, Entry | Fence | Stop]] = [(entry.time, entry) for entry in evidence.entries]
    events += [(death.when, death) for death in deaths]
    role: dict[str, bool] = {}
    serving: dict[str, bool] = {}
    since: dict[str, float] = {}
    found = []
    for time, event in sorted(events, key=lambda pair: pair[0]):
        host = event.host
        if not isinstance(event, Entry):
            serving[host] = False
        else:
            if words.role in event.set:
                role[host] = _is_me(evidence, event.host, event.set[words.role])
            if not event.machine:
                serving[host] = False  # its program begins, or gave up
            elif event.machine == words.life:
                serving[host] = any(state in words.serving for state in event.target.split("."))
        acts = role.get(host, False) and serving.get(host, False)
        if acts:
            since.setdefault(host, time)
        elif host in since and (begin := since.pop(host)) < time:  # the rows of one turn happen at once
            found.append(Reign(host, begin, time))
    found += [Reign(host, begin, math.inf) for host, begin in since.items()]
    return tuple(sorted(found, key=lambda reign: reign.begin))


def _moments(evidence: Evidence, words: Words) -> Iterator[_Moment]:
    """Each entry with what is known after it.

    The role is taken by a row that changes it to the host itself. A host boots in the role it had, which takes
    nothing; where the role before is unknown, only an answer of the daemon counts.
    """
    role: dict[str, bool] = {}
    decisions: dict[str, bool] = {}
    armed: dict[str, bool] = {}
    for entry in evidence.entries:
        took = False
        if words.role in entry.set:
            mine = _is_me(evidence, entry.host, entry.set[words.role])
            took = mine and bool(entry.machine) and not role.get(entry.host, not entry.event.startswith("daemon."))
            role[entry.host] = mine
        if words.decisions in entry.set:
            decisions[entry.host] = entry.set[words.decisions] is True
        if words.armed in entry.set:
            armed[entry.host] = entry.set[words.armed] is True
        yield _Moment(entry, decisions.get(entry.host), armed.get(entry.host), took)


def _is_me(evidence: Evidence, host: str, said: object) -> bool:
    """Whether the value of `role` on `host` names the host itself: by index, by name, or as "me"."""
    return said in ("me", host) or (type(said) is int and said == evidence.hosts.index(host))


def _lives(lines: Sequence[Line]) -> tuple[Life, ...]:
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


def _ended(evidence: Evidence, former: Life, latter: Life) -> Fence | Stop | None:
    """What ended `former` before `latter` began. A line written after an obituary disproves the obituary, one that is
    written when `latter` runs disproves an announcement."""
    host, begun, last, limit = former.first.host, former.first.time, former.last.time, latter.first.time
    if former.last.stopped and last <= limit:
        return Stop(host, last, "its supervisor", former.first.vm)
    for death in evidence.deaths():
        earliest = last if death.confirmed else begun
        if death.host == host and earliest <= death.when <= limit and last <= limit:
            return death
    for stop in evidence.stops:
        if (stop.host, stop.vm) == (host, former.first.vm) and begun <= stop.when <= limit:
            return stop
    return None


def _t(evidence: Evidence, time: float) -> str:
    """A time as it stands in the timeline: seconds since the fault."""
    return f"{time - evidence.fault:+.2f} s"


def _reign(evidence: Evidence, reign: Reign) -> str:
    until = "" if math.isinf(reign.end) else f" to {_t(evidence, reign.end)}"
    return f"{reign.host} from {_t(evidence, reign.begin)}{until}"


def _fence(evidence: Evidence, fence: Fence) -> str:
    how = "was dead" if fence.confirmed else "announced its end"
    return f"{fence.host} {how} at {_t(evidence, fence.when)}: {fence.reason}"


def _quoted(entry: Entry) -> str:
    return f"{entry.at}  {entry.row}: {entry.why}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
