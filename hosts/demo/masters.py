"""The promises about masters: one at a time, and none whose failover decisions are off."""

from __future__ import annotations

import math

from hosts.demo.evidence import Evidence
from hosts.demo.words import Moment, Reign, Verdict, Words, count, quoted, seconds


def one_master(evidence: Evidence, reigns: tuple[Reign, ...]) -> Verdict:
    """S1: no two reigns of different hosts overlap."""
    claim = "at most one acting master"
    for index, former in enumerate(reigns):
        for latter in reigns[index + 1 :]:
            if former.host != latter.host and latter.begin < former.end:
                both = f"{former.host} and {latter.host} both acted as master"
                spans = tuple(_reign(evidence, reign) for reign in (former, latter))
                return Verdict("S1", claim, "BROKEN", f"{both} from {seconds(evidence, latter.begin)} on", spans)
    if not reigns:
        return Verdict("S1", claim, "not exercised", "no journal shows an acting master")
    return Verdict("S1", claim, "held", "; ".join(_reign(evidence, reign) for reign in reigns))


def decisions_off(evidence: Evidence, words: Words, moments: tuple[Moment, ...]) -> Verdict:
    """S4: while decisions are off on a host, no row of it takes the role or starts a VM."""
    claim = "a host with decisions off takes no lock and restarts nothing"
    off = [moment for moment in moments if moment.off]
    for moment in off:
        if moment.took_role or moment.entry.row in words.starts:
            did = "became master" if moment.took_role else "started a VM"
            said = f"{moment.entry.host} {did} at {seconds(evidence, moment.entry.time)} with decisions off"
            return Verdict("S4", claim, "BROKEN", said, (quoted(moment.entry),))
    if not off:
        return Verdict("S4", claim, "not exercised", "decisions were never off on any host")
    hosts = ", ".join(dict.fromkeys(moment.entry.host for moment in off))
    return Verdict("S4", claim, "held", f"{count(len(off), 'row')} with decisions off, on {hosts}")


def _reign(evidence: Evidence, reign: Reign) -> str:
    until = "" if math.isinf(reign.end) else f" to {seconds(evidence, reign.end)}"
    return f"{reign.host} from {seconds(evidence, reign.begin)}{until}"
