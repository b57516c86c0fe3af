"""Who holds the master lock, as a read shows it."""

from __future__ import annotations

from hosts.daemon.layout import Phase, Record
from hosts.daemon.partition import holder_of


def record(request: int = 0, grant: tuple[int, int] | None = None) -> Record:
    """The record of a live member."""
    return Record(incarnation=1, sequence=1, phase=Phase.LIVE, request=request, grant=grant)


def test_a_joiner_that_grants_itself_sees_who_holds_the_lock() -> None:
    """Its own grant is missing from the holder's for ever; the mark says who it is, while his request stands."""
    records = {0: record(5, (0, 5)), 1: record(3, (1, 3)), 2: record(0, (1, 3))}
    assert holder_of(records, {1, 2}) == 1
    assert holder_of(records, {0, 1, 2}) is None
    assert holder_of(records, {0, 1, 2}, marked=1) == 1
    assert holder_of(records, {0, 1, 2}, marked=2) is None  # withdrawn
    assert holder_of(records, {0, 2}, marked=1) is None  # no member
