"""The promises about HA being switched on and off: all or nothing, clean, and quiet afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hosts.demo.evidence import Evidence
from hosts.demo.vms import Life
from hosts.demo.words import Moment, Verdict, Words, count, downs, quoted, seconds, told_fence


def quiet_after_disable(
    evidence: Evidence, words: Words, moments: tuple[Moment, ...], lives: Mapping[str, tuple[Life, ...]]
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
            return Verdict("S5", claim, "BROKEN", said, (quoted(moment.entry),))
    said = f"{count(len(later), 'row')} fired after it; none took the lock or started a VM"
    return Verdict("S5", claim, "held", said)


def clean_disable(evidence: Evidence, words: Words, moments: tuple[Moment, ...]) -> Verdict:
    """Disable completed, fenced nobody, and left no host that lives armed."""
    claim = "disable was clean"
    disable = evidence.disable
    if disable is None:
        return Verdict("L2", claim, "not exercised", "HA was not disabled")
    if disable.completed is None:
        return Verdict("L2", claim, "BROKEN", f"asked at {seconds(evidence, disable.asked)}, never completed")
    for fence in evidence.fences:
        if disable.asked <= fence.when <= disable.completed:
            return Verdict("L2", claim, "BROKEN", f"{fence.host} died during disable", (told_fence(evidence, fence),))
    down = downs(evidence, words)
    latest = {m.entry.host: m for m in moments if m.entry.time <= disable.completed}
    for host, moment in latest.items():
        if moment.armed and down.get(host, -math.inf) < moment.entry.time:
            return Verdict("L2", claim, "BROKEN", f"{host} is still armed", (quoted(moment.entry),))
    return Verdict("L2", claim, "held", f"completed {disable.completed - disable.asked:.2f} s after it was asked")


def all_or_nothing(evidence: Evidence, words: Words, moments: tuple[Moment, ...]) -> Verdict:
    """S9: HA is on only when every host is armed, and an enable that was undone leaves no living host armed."""
    claim = "enable is all or nothing"
    armed: dict[str, Moment] = {}
    done, undone, pending = 0, 0, False
    for moment in moments:
        if moment.armed is not None:
            armed[moment.entry.host] = moment
        match moment.entry.set.get(words.ha):
            case "enabling":
                pending = True
            case "on":
                bare = [host for host in evidence.hosts if host not in armed or not armed[host].armed]
                if bare and pending:
                    said = f"HA was on at {seconds(evidence, moment.entry.time)}, and {bare[0]} was not armed"
                    return Verdict("S9", claim, "BROKEN", said, (quoted(moment.entry),))
                done, pending, undone = done + pending, False, 0
            case "clearing" | "off" if pending:
                undone, pending = undone + 1, False
    if undone and not pending:
        down = downs(evidence, words)
        for host, moment in armed.items():
            if moment.armed and down.get(host, -math.inf) < moment.entry.time:
                said = f"an enable was undone, and {host} is still armed"
                return Verdict("S9", claim, "BROKEN", said, (quoted(moment.entry),))
    if not done and not undone:
        return Verdict("S9", claim, "not exercised", "no enable came to its end")
    return Verdict("S9", claim, "held", f"{done} done" + (f", {undone} undone since" if undone else ""))
