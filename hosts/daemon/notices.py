"""What the operator's commands of a host write to the statefile while its daemon does not run: its notices.

Each is one sector of that host's own. A host writes them one after the other, each numbered above the one before and in
another sector, and each carries the pool state on, so that a notice that lands late takes no word back.

What it leaves out: making a statefile, which begins a generation by a notice too (`statefile.py`); what a daemon that
runs writes into its record instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hosts.daemon.layout import Identity, Notice, PoolState
from hosts.daemon.statefile import INVALID, NO_STATEFILE, Snapshot, StatefileError, open_statefile

ALONE = "I made sure that all other hosts of this pool are switched off"
"""What an operator promises who lets an excluded host form a liveset."""

Written = Sequence[tuple[int, int]]
"""Incarnation and sequence of each host's record, which every write of a host changes."""


def declare(path: Path, identity: Identity, owner: int, state: PoolState) -> None:
    """Set the pool state for a host whose daemon does not run.

    Raises:
        StatefileError: the file cannot be used, or the pool state would go back (a generation only goes forward:
            an invalid pool is enabled anew by `create_statefile`).
    """

    def changed(snapshot: Snapshot) -> Notice:
        if state < snapshot.pool:
            raise StatefileError(
                f"{path}: the pool state is {snapshot.pool.name.lower()} and cannot go back to"
                f" {state.name.lower()}; enable HA again",
                INVALID,
            )
        return _notice(snapshot, owner, owner in snapshot.excluded, state)

    _notify(path, identity, owner, changed)


def exclude(path: Path, identity: Identity, owner: int) -> None:
    """Exclude a host whose daemon does not run, until it joins or forms a liveset again.

    Raises:
        StatefileError: the file cannot be used, or HA is not active.
    """
    _notify(path, identity, owner, lambda snapshot: _exclusion(path, snapshot, owner, True))


def watched(path: Path, identity: Identity, promise: str) -> Written:
    """What every host has written by now, for `clear_excluded` to compare D later.

    Arguments:
        promise: `ALONE`, word by word.

    Raises:
        StatefileError: another promise; the file cannot be used.
    """
    if promise != ALONE:
        raise StatefileError(f"{path}: whoever takes an exclusion back promises: {ALONE}", INVALID)
    statefile = open_statefile(path, identity)
    try:
        return _numbers(statefile.read())
    except OSError as error:
        raise StatefileError(f"{path}: the statefile failed: {error.strerror}", NO_STATEFILE) from None
    finally:
        statefile.close()


def clear_excluded(path: Path, identity: Identity, owner: int, before: Written) -> None:
    """Take the exclusion of a host back, so that it may form a liveset by itself. Its daemon does not run.

    It is the operator's way out when all hosts that are not excluded are gone for good. What this host knows of the
    pool may be old, and hosts that live without the statefile (survival rule 2) do not count an excluded host, so that
    they would go on beside it: whoever clears it says that there are none. A host that writes is seen, and refuses it.

    Arguments:
        before: what was `watched` D ago.

    Raises:
        StatefileError: a host that lives, one that is not excluded; the file cannot be used, or HA is not active.
    """

    def cleared(snapshot: Snapshot) -> Notice:
        notice = _exclusion(path, snapshot, owner, False)
        if owner not in snapshot.excluded:
            raise StatefileError(f"{path}: this host is not excluded; start it", INVALID)
        now = _numbers(snapshot)
        moved = [host for host in range(len(now)) if host != owner and now[host] != before[host]]
        if moved:
            raise StatefileError(f"{path}: the host with index {moved[0]} lives; start this one, and it joins", INVALID)
        return notice

    _notify(path, identity, owner, cleared)


def _numbers(snapshot: Snapshot) -> Written:
    return [(record.incarnation, record.sequence) if record else (0, 0) for record in snapshot.records]


def _exclusion(path: Path, snapshot: Snapshot, owner: int, excluded: bool) -> Notice:
    if snapshot.pool is not PoolState.ACTIVE:
        raise StatefileError(f"{path}: the pool state is {snapshot.pool.name.lower()}, so nobody is excluded", INVALID)
    return _notice(snapshot, owner, excluded, snapshot.pool)


def _notice(snapshot: Snapshot, owner: int, excluded: bool, state: PoolState) -> Notice:
    number, incarnation = snapshot.notices[owner] + 1, snapshot.incarnations[owner]
    return Notice(number=number, incarnation=incarnation, excluded=excluded, pool=state)


def _notify(path: Path, identity: Identity, owner: int, changed: Callable[[Snapshot], Notice]) -> None:
    statefile = open_statefile(path, identity)
    try:
        snapshot = statefile.read()
        if snapshot.foreign:
            raise StatefileError(f"{path}: HA has just been enabled anew; ask again", INVALID)
        notice = changed(snapshot)
        statefile.write_notice(owner, notice)
        statefile.write_global(notice.pool, snapshot.mark)
    except OSError as error:
        raise StatefileError(f"{path}: the statefile failed: {error.strerror}", NO_STATEFILE) from None
    finally:
        statefile.close()
