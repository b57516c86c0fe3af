"""What the published records say of links, verdicts and the master lock: pure functions of one snapshot.

Each live host publishes the set `heard` of hosts it exchanges heartbeats with. A link exists when both ends publish
it. The links are *settled* when they are symmetric (a dead host never publishes that it misses anybody, so a crash
does not look like a partition) and the same for a while. Of settled links that are no full mesh one host, the lowest
of the liveset, makes a verdict: the largest set of hosts that all hear each other, ties to the lowest indices.
A verdict decides only who fences itself, so a wrong one costs hosts, never safety.

Members are meant by incarnation: a record of another incarnation than the listed one says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from attrs import frozen

from hosts.daemon.layout import Phase, Record

Records = Mapping[int, Record]
"""The records of hosts by index, only those of the incarnation meant."""

_EXACT = 16  # hosts; 2^16 sets take a moment once in a partition, 2^20 would take a lease


@frozen
class Links:
    """The links among the hosts that may stay.

    Arguments:
        heard: what each of them publishes, restricted to them; sorted by host.
    """

    heard: tuple[tuple[int, frozenset[int]], ...]

    @property
    def hosts(self) -> frozenset[int]:
        """The hosts among which these are the links."""
        return frozenset(host for host, _ in self.heard)

    @property
    def split(self) -> bool:
        """Somebody misses somebody."""
        return any(self.hosts - {host} - heard for host, heard in self.heard)

    @property
    def symmetric(self) -> bool:
        """Whoever is missed misses back."""
        table = dict(self.heard)
        return all((a in table[b]) == (b in table[a]) for a, b in combinations(table, 2))


def links_of(records: Records, members: Iterable[int]) -> Links:
    """The links among those `members` that are live; a joiner has published none yet and is left out."""
    live = sorted(host for host in members if host in records and records[host].phase is Phase.LIVE)
    among = frozenset(live)
    return Links(tuple((host, records[host].heard & among) for host in live))


def largest_clique(links: Links) -> frozenset[int]:
    """The largest set of hosts that all hear each other, of equal ones the one with the lowest indices.

    Exact up to 16 hosts; above, hosts with the fewest links are taken out until the rest is a full mesh.
    """
    table = dict(links.heard)
    linked = {a: frozenset(b for b in table if b != a and b in table[a] and a in table[b]) for a in table}
    hosts = sorted(linked)
    if len(hosts) <= _EXACT:
        for size in range(len(hosts), 0, -1):
            for clique in combinations(hosts, size):  # in the order of their indices
                if all(b in linked[a] for a, b in combinations(clique, 2)):
                    return frozenset(clique)
    left = set(hosts)
    while any(left - {host} - linked[host] for host in left):
        left.remove(min(left, key=lambda host: (len(linked[host] & left), -host)))
    return frozenset(left)


def closure(records: Records, online: Iterable[int]) -> frozenset[int]:
    """Everybody in the livesets of the online hosts, of the live members of those, and so on."""
    found: set[int] = set()
    ahead = list(online)
    while ahead:
        host = ahead.pop()
        if host not in found:
            found.add(host)
            if host in records and records[host].phase is Phase.LIVE:
                ahead.extend(records[host].live)
    return frozenset(found)


def grants_of(records: Records, live: Iterable[int], host: int) -> frozenset[int]:
    """The members of `live` that grant the lock to the current request of `host`."""
    number = records[host].request if host in records else 0
    if not number:
        return frozenset()
    return frozenset(p for p in live if p in records and records[p].grant == (host, number))


def holder_of(records: Records, live: Iterable[int], marked: int | None = None) -> int | None:
    """The member of `live` whose request everybody there grants; else the one that is `marked` and still asks.

    Who has joined after the lock was taken grants it to nobody, or to itself. It would wait for ever for the grant of
    the holder, whose request stands; so the mark on the statefile tells it. A wrong mark costs a refusal, never K4."""
    members = frozenset(live)
    holder = next((host for host in sorted(members) if grants_of(records, members, host) == members), None)
    if holder is None and marked in members and marked in records and records[marked].request:
        return marked
    return holder
