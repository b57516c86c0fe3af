"""S8: no commit of a new master without its proposal, one address at a time, and proposals expire.

What a host has promised is told by the calls that its journal says it took: a proposal that it accepted, an abort, a
new life, which forgets. What its variables say is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from hosts.demo.evidence import Entry, Evidence
from hosts.demo.words import ENDS, Verdict, Words, count, is_me, quoted, seconds

_PROMISE, _CANDIDATE = "promise", "handover"


@define
class _Promises:
    """Whom each host has promised itself to, and when, as far as it has been read."""

    words: Words
    given: dict[str, tuple[str, float]] = field(factory=dict)

    def follow(self, evidence: Evidence, entry: Entry) -> str | None:
        """What is wrong with a row, if anything; the promises after it."""
        if entry.event in ENDS and not entry.machine:
            self.given.pop(entry.host, None)
        if entry.machine != _PROMISE or "address" not in entry.payload:
            return None
        address, before = str(evidence.hosts[entry.payload["address"]]), self.given.get(entry.host)
        match entry.event:
            case "host.propose" if entry.reply == "ok":
                self.given[entry.host] = (address, entry.time)
                if before and before[0] != address and entry.time - before[1] < self.words.promise_life:
                    return f"{entry.host} promised itself to {address}, and to {before[0]} before"
            case "host.decide" | "host.commit" if entry.target != entry.source:
                if self.given.pop(entry.host, (None, 0.0))[0] != address:
                    return f"{entry.host} accepted {address} as master, which it had not promised"
            case "host.abort" if before and before[0] == address:
                del self.given[entry.host]
        return None


def proposed_first(evidence: Evidence, words: Words) -> Verdict:
    """S8: every commit, and every master in order, has the proposals that it needs."""
    claim = "no new master in order that was not proposed"
    promises, commits = _Promises(words), 0
    for entry in evidence.entries:
        wrong = promises.follow(evidence, entry) or next(_alone(evidence, words, entry), None)
        if wrong:
            said = f"{wrong}, at {seconds(evidence, entry.time)}"
            return Verdict("S8", claim, "BROKEN", said, (quoted(entry),))
        commits += _is_master(evidence, words, entry)
    if not commits:
        return Verdict("S8", claim, "not exercised", "no master was changed in order")
    return Verdict("S8", claim, "held", f"{count(commits, 'change')} of master, each proposed to all")


def _is_master(evidence: Evidence, words: Words, entry: Entry) -> bool:
    """Whether a candidate has become master by a row, in order."""
    named = entry.machine == _CANDIDATE and entry.target == "committing" and words.role in entry.set
    return named and is_me(evidence, entry.host, entry.set[words.role])


def _alone(evidence: Evidence, words: Words, entry: Entry) -> Iterator[str]:
    """The hosts that have not accepted the proposal of a candidate that is master now, since it was ordered."""
    if not _is_master(evidence, words, entry):
        return
    former = [row for row in evidence.entries if row.time <= entry.time and row.machine in (_PROMISE, _CANDIDATE)]
    orders = (row.time for row in former if (row.host, row.event) == (entry.host, "hand_over"))
    ordered, me = max(orders, default=entry.time), evidence.hosts.index(entry.host)
    agreed = {
        row.host
        for row in former
        if row.event == "host.propose"
        and row.time >= ordered
        and row.reply == "ok"
        and row.payload.get("address") == me
    }
    for host in evidence.hosts:
        if host != entry.host and host not in agreed:
            yield f"{entry.host} became master, and {host} had not accepted its proposal"
