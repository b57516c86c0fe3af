"""What a judgement of a run is made of: the words for it, who acted as master when, and what hosts knew of themselves.

Used by the promises (promises.py and its neighbours), which are all judged from the evidence on disk alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from hosts.demo.evidence import Entry, Evidence, Fence, Stop

Word = Literal["held", "BROKEN", "not exercised"]

ENDS = ("boot", "failed")
"""Events of entries without a machine: before the one, and after the other, the program does not run."""


@frozen
class Words:
    """What the specs call the things that promises speak of.

    life: the machine of a host's own life, and `serving` its states (also those that hold substates) in
    which a host that has the role acts as master. role, decisions, armed, withdrawn, forced, ha: the variables.
    starts: the rows that start a VM. joined: the daemon's rows by which a host enters a liveset. down: the rows that
    end a host in order. changes: the machines of a planned change of master, which is no failover. taken: the rows,
    up to a label, by which a master has the database. stopped: the event that all VMs of a host have been stopped in
    order. promise_life: seconds after which a host may promise itself to another candidate.
    """

    life: str = "life"
    serving: frozenset[str] = frozenset({"running", "plain"})
    role: str = "role"
    decisions: str = "decisions"
    armed: str = "armed"
    withdrawn: str = "withdrawn"
    forced: str = "forced"
    ha: str = "ha"
    starts: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset({"handover", "promise", "follow"})
    taken: str = "life.taking_over/database.ok"
    stopped: str = "toolstack.stopped"
    promise_life: float = math.inf


@frozen
class Verdict:
    """One promise: its short name, what it claims, the word, one line of evidence, and lines quoted as proof."""

    promise: str
    claim: str
    word: Word
    evidence: str
    proof: tuple[str, ...] = ()


@frozen
class Reign:
    """`host` acted as master from `begin` until `end` (infinite when nothing ended it)."""

    host: str
    begin: float
    end: float


@frozen
class Moment:
    """An entry with what is known of its host after it (None is unknown), and whether it took the role."""

    entry: Entry
    decisions: bool | None
    armed: bool | None
    took_role: bool

    @property
    def off(self) -> bool:
        """Whether decisions are known to be off."""
        return self.decisions is False


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
                role[host] = is_me(evidence, event.host, event.set[words.role])
            if event.event in ENDS:
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


def moments_of(evidence: Evidence, words: Words) -> Iterator[Moment]:
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
            mine = is_me(evidence, entry.host, entry.set[words.role])
            before = role.get(entry.host, not entry.event.startswith("daemon."))
            took = mine and not before and entry.machine not in ("", *words.changes)
            role[entry.host] = mine
        if words.decisions in entry.set:
            decisions[entry.host] = entry.set[words.decisions] is True
        if words.armed in entry.set:
            armed[entry.host] = entry.set[words.armed] is True
        yield Moment(entry, decisions.get(entry.host), armed.get(entry.host), took)


def downs(evidence: Evidence, words: Words) -> dict[str, float]:
    """When hosts were down last: dead, or ended in order, of which there is no obituary."""
    ends = [(fence.when, fence.host) for fence in evidence.deaths()]
    ends += [(entry.time, entry.host) for entry in evidence.entries if entry.row in words.down]
    return {host: time for time, host in sorted(ends)}


def is_me(evidence: Evidence, host: str, said: object) -> bool:
    """Whether the value of `role` on `host` names the host itself: by index, by name, or as "me"."""
    return said in ("me", host) or (type(said) is int and said == evidence.hosts.index(host))


def seconds(evidence: Evidence, time: float) -> str:
    """A time as it stands in the timeline: seconds since the fault."""
    return f"{time - evidence.fault:+.2f} s"


def told_fence(evidence: Evidence, fence: Fence) -> str:
    """A death as it is quoted."""
    how = "was dead" if fence.confirmed else "announced its end"
    return f"{fence.host} {how} at {seconds(evidence, fence.when)}: {fence.reason}"


def quoted(entry: Entry) -> str:
    """A row of a journal as it is quoted."""
    return f"{entry.at}  {entry.row}: {entry.why}"


def count(number: int, what: str) -> str:
    """So many of a kind."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
