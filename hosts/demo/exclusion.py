"""S6: a host that has been excluded runs no VM and is no master.

That is said of every host that the others count out, whether it was fenced or lost, or left on purpose: it is out when
a daemon that goes on drops it from its liveset while it is in HA: it is armed, or an operator has taken it out
(withdrawn). Hosts that leave because HA is switched off are not armed any more. It ends when it is in a liveset again,
when HA is off for the pool, or where an operator makes it serve by force.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from attrs import frozen

from hosts.demo.evidence import Entry, Evidence
from hosts.demo.timeline import Departure, departures
from hosts.demo.vms import Life
from hosts.demo.words import Reign, Verdict, Words, seconds


@frozen
class Exclusion:
    """`host` was dropped by `by` at `begin`, and was back, or free, at `end`."""

    host: str
    by: str
    begin: float
    end: float


def excluded_idle(
    evidence: Evidence, words: Words, reigns: tuple[Reign, ...], lives: Mapping[str, tuple[Life, ...]]
) -> Verdict:
    """S6: no line of a VM and no reign of a host lies within its exclusion."""
    claim = "an excluded host runs no VM and is no master"
    found = tuple(exclusions(evidence, words))
    for out in found:
        dropped = f"{out.by} dropped {out.host} at {seconds(evidence, out.begin)}"
        for line in (line for lived in lives.values() for life in lived for line in life.lines):
            if line.host == out.host and out.begin < line.time < out.end:
                said = f"{out.host} ran {line.vm} at {seconds(evidence, line.time)}, dropped"
                return Verdict("S6", claim, "BROKEN", said, (dropped, f"{line.at}  {line.text}"))
        for reign in reigns:
            if reign.host == out.host and reign.begin < out.end and out.begin < reign.end:
                said = f"{out.host} was master at {seconds(evidence, max(reign.begin, out.begin))}, dropped"
                return Verdict("S6", claim, "BROKEN", said, (dropped,))
    if not found:
        return Verdict("S6", claim, "not exercised", "no host was dropped")
    return Verdict("S6", claim, "held", f"dropped: {', '.join(dict.fromkeys(_told(evidence, out) for out in found))}")


def _told(evidence: Evidence, out: Exclusion) -> str:
    """A host that was dropped, and whether it had died: others have left on purpose, or their end was not noted."""
    died = any(fence.host == out.host and fence.when <= out.begin for fence in evidence.deaths())
    return f"{out.host} (fenced)" if died else out.host


def exclusions(evidence: Evidence, words: Words) -> Iterator[Exclusion]:
    """Who was excluded, and until when."""
    for left in departures(evidence):
        for host in left.gone:
            if _in_ha(evidence, words, host, left.time):
                yield Exclusion(host, left.host, left.time, _end(evidence, words, host, left))


def _in_ha(evidence: Evidence, words: Words, host: str, time: float) -> bool:
    """Whether a host was armed, or withdrawn, as its journal says at that time."""
    known = {words.armed: False, words.withdrawn: False}
    for entry in evidence.entries:
        if entry.time > time:
            break
        if entry.host == host:
            known |= {name: entry.set[name] is True for name in known if name in entry.set}
    return any(known.values())


def _end(evidence: Evidence, words: Words, host: str, left: Departure) -> float:
    ends = [entry.time for entry in evidence.daemons if entry.host == host and words.joined & {entry.row}]
    ends += [entry.time for entry in evidence.entries if _frees(words, host, entry)]
    return min((time for time in ends if time > left.time), default=math.inf)


def _frees(words: Words, host: str, entry: Entry) -> bool:
    """Whether a row ends an exclusion: HA is off for the pool, or the host serves by force."""
    if entry.set.get(words.ha) in ("off", "clearing"):
        return True
    return entry.host == host and entry.set.get(words.forced) is True
