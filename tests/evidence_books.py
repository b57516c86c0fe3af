"""Host 0 of three with its books, for the tests of evidence."""

from __future__ import annotations

from attrs import define, field

from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat
from hosts.daemon.layout import MarkWord, Phase, PoolState, Record
from hosts.daemon.statefile import Snapshot
from hosts.daemon.timing import Timing
from hosts.daemon.view import View

T = Timing.derive(2.0)
D, W, WS, H, S = T.drop, T.lease, T.statefile_lease, T.link, T.settle
ALL = frozenset({0, 1, 2})


def snapshot(
    *records: Record | None, obituaries: tuple[int, ...] = (0, 0, 0), excluded: frozenset[int] = frozenset()
) -> Snapshot:
    """A read of three hosts."""
    padded = (*records, None, None, None)[:3]
    return Snapshot(
        records=padded,
        incarnations=tuple(record.incarnation if record else 0 for record in padded),
        obituaries=obituaries,
        excluded=excluded,
        pool=PoolState.ACTIVE,
        mark=MarkWord(),
        damaged={},
    )


def live(sequence: int, incarnation: int = 1, live: frozenset[int] = ALL, **sets: frozenset[int]) -> Record:
    """A live record that lists everybody's first incarnation."""
    plain = Record(
        incarnation=incarnation, sequence=sequence, phase=Phase.LIVE, live=live,
        heard=sets.get("heard", ALL), stay=sets.get("stay", ALL), listed=dict.fromkeys(live, 1),
    )  # fmt: skip
    return plain


@define
class Books:
    """Host 0 of three with its books, in a liveset of all three at time 0."""

    books: Evidence = field(factory=lambda: Evidence(0, 3, T, 0.0))
    sequence: int = 1

    def __attrs_post_init__(self) -> None:
        self.books.begin(1)
        self.read(0.0, 0.0, snapshot(live(1), live(1), live(1)))
        self.books.track(ALL)

    def read(self, started: float, finished: float, seen: Snapshot, request: int = 0) -> View:
        self.books.read_started(started)
        return self.books.read_finished(finished, seen, ALL, ALL, request)

    def turn(self, at: float, *changed: int) -> View:
        """A read at `at` in which the records of `changed` have changed."""
        self.sequence += 1
        seen = [live(self.sequence if host in changed else 1) for host in (0, 1, 2)]
        return self.read(at, at, snapshot(*seen))


def beat(host: int, number: int, ack: int | None = None, incarnation: int = 1, no_statefile: bool = False) -> Heartbeat:
    """A heartbeat to host 0 that acknowledges its heartbeat `ack`."""
    acks = {} if ack is None else {0: (1, ack)}
    return Heartbeat(host=host, incarnation=incarnation, number=number, acks=acks, hears=ALL, no_statefile=no_statefile)
