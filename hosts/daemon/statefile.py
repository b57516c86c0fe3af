"""The statefile on disk: make it, open it, read all of it, write one sector of it.

It is the pool's second channel beside the network, and the place of everything that must outlive a daemon: pool
state, exclusion, incarnations, obituaries. Its bytes are described in `layout.py`.

Rules. Nothing is ever overwritten that is neither empty nor this pool's. One call is one I/O, so that a caller can keep
one in flight. What a single host wrote wrong is *no record* of that host, named in the snapshot; what makes the file
as a whole unusable (gone, truncated, another pool's) is an error. HA is enabled anew by a new generation in the global
section: older records become strangers, but their incarnations still count, so numbers never repeat.

What it leaves out: retries, deadlines and threads, which are the daemon's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from hosts.daemon.device import Device
from hosts.daemon.layout import (
    FILE_SIZE,
    NOTICE_AT,
    OBITUARY_AT,
    RECORD_AT,
    RECORDS,
    SECTION,
    SECTOR,
    Damaged,
    Identity,
    MarkWord,
    Notice,
    PoolState,
    Record,
    pack_notice,
    pack_obituary,
    pack_record,
    tag_of,
    unpack_notice,
    unpack_obituary,
    unpack_record,
)
from hosts.daemon.mirror import Label, label_of, pack_element, pack_global, unpack_global
from hosts.errors import PoolError

T = TypeVar("T")

NO_STATEFILE, OF_NO_POOL, OF_ANOTHER, INVALID = 8, 9, 10, 11


class StatefileError(PoolError):
    """A statefile that cannot be used; `code` is the exit code that xhad has for the case (8, 9, 10 or 11)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@frozen(kw_only=True)
class Snapshot:
    """What one read of the statefile shows; tuples have one entry for each configured host.

    Arguments:
        records: each host's newest record of this generation, None when it has none.
        incarnations: highest incarnation on disk, of whatever generation; 0 when there never was one.
        obituaries: incarnation that its supervisor declared dead, 0 for none.
        excluded: hosts that are excluded.
        pool: the pool state in force.
        mark: who took the master lock last.
        damaged: hosts with a sector that cannot be believed, and what is wrong with it.
        foreign: HA has been enabled anew since the file was opened: everything here is another generation's.
    """

    records: tuple[Record | None, ...]
    incarnations: tuple[int, ...]
    obituaries: tuple[int, ...]
    excluded: frozenset[int]
    pool: PoolState
    mark: MarkWord
    damaged: Mapping[int, str]
    foreign: bool = False


class Statefile:
    """An open statefile of one pool; every method is one blocking I/O. Get one from `open_statefile`.

    All methods raise OSError when the storage fails: the outcome of a write is then unknown, it may land later.
    """

    def __init__(self, device: Device, identity: Identity) -> None:
        self._device = device
        self.identity = identity

    def read(self) -> Snapshot:
        """The sections of all configured hosts, in one read.

        Raises:
            OSError: also when the file has been truncated or wiped since it was opened.
        """
        length = SECTION * (1 + len(self.identity.hosts))
        data = self._device.read(0, length)
        try:
            label = unpack_global(data[:SECTOR]) if len(data) == length else None
        except Damaged as error:
            raise OSError(errno.EIO, f"the statefile is damaged: {error}", str(self._device.path)) from None
        if label is None:
            raise OSError(errno.EIO, "the statefile has been wiped or truncated", str(self._device.path))
        return _snapshot(self.identity, label, data)

    def write_record(self, owner: int, record: Record) -> None:
        """Write the record of `owner` into the sector of its incarnation."""
        sector = RECORD_AT + SECTOR * (record.incarnation % RECORDS)
        self._device.write(_at(owner, sector), pack_record(owner, self.identity.tag, record))

    def write_notice(self, owner: int, notice: Notice) -> None:
        """Write the notice of `owner`, whose daemon does not run."""
        self._device.write(_at(owner, NOTICE_AT), pack_notice(owner, self.identity.tag, notice))

    def write_element(self, owner: int, record: Record, fresh: frozenset[int]) -> None:
        """Show `record` to xhad's tools; `fresh` are the hosts whose records are seen to change."""
        self._device.write(_at(owner, 0), pack_element(self.identity, owner, record, fresh))

    def write_global(self, state: PoolState, mark: MarkWord) -> None:
        """Show pool state and mark to xhad's tools."""
        self._device.write(0, pack_global(self.identity, state, mark))

    def close(self) -> None:
        """Close the file."""
        self._device.close()


def _at(owner: int, offset: int) -> int:
    return SECTION * (1 + owner) + offset


def _snapshot(identity: Identity, label: Label, data: bytes) -> Snapshot:
    hosts = range(len(identity.hosts))
    elements = [_element(host, identity.tag, data[_at(host, 0) : _at(host + 1, 0)]) for host in hosts]
    return Snapshot(
        records=tuple(element.record for element in elements),
        incarnations=tuple(element.incarnation for element in elements),
        obituaries=tuple(element.obituary for element in elements),
        excluded=frozenset(host for host in hosts if elements[host].excluded),
        pool=max(label.state, *(element.pool for element in elements)),
        mark=max(element.mark for element in elements),
        damaged={host: elements[host].damage for host in hosts if elements[host].damage},
        foreign=not label.matches(identity),
    )


@frozen(kw_only=True)
class _Element:
    record: Record | None
    incarnation: int
    obituary: int
    excluded: bool
    pool: PoolState
    mark: MarkWord
    damage: str


def _element(host: int, tag: bytes, element: bytes) -> _Element:
    """What one host element says, a damaged sector counted as an empty one."""
    damage: list[str] = []

    def believed(unpack: Callable[[int, bytes], T], offset: int, otherwise: T) -> T:
        try:
            return unpack(host, element[offset : offset + SECTOR])
        except Damaged as error:
            damage.append(f"sector at {_at(host, offset)}: {error}")
            return otherwise

    found = [believed(unpack_record, RECORD_AT + SECTOR * k, None) for k in range(RECORDS)]
    records = [record for mark, record in filter(None, found) if mark == tag]
    obituary = believed(unpack_obituary, OBITUARY_AT, 0)
    noticed = believed(unpack_notice, NOTICE_AT, None)
    notice = noticed[1] if noticed and noticed[0] == tag else None
    newest = max(records, key=lambda record: record.incarnation, default=None)
    numbers = [record.incarnation for _, record in filter(None, found)]
    if notice and (newest is None or newest.incarnation <= notice.incarnation):
        excluded = notice.excluded
    else:
        excluded = newest is not None and newest.excluded
    return _Element(
        record=newest,
        incarnation=max([0, obituary, *numbers]),
        obituary=obituary,
        excluded=excluded,
        pool=max([PoolState.NONE, *(record.pool for record in records), *([notice.pool] if notice else [])]),
        mark=max([MarkWord(), *(record.mark for record in records)]),
        damage="; ".join(damage),
    )


def create_statefile(path: Path, identity: Identity) -> None:
    """Make the statefile of a pool for a new generation; its pool state is INIT.

    A file of the same pool stays as it is but for its global section: what older generations wrote there no longer
    counts, except that incarnations go on.

    Arguments:
        path: a block device, an empty or missing file, or a statefile of the same pool.
        identity: pool, the new generation, hosts.

    Raises:
        StatefileError: it cannot be made, or holds something else; nothing was overwritten.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StatefileError(
            f"{path}: cannot make the statefile: {error.strerror}; make its directory writable", NO_STATEFILE
        ) from None
    try:
        with os.fdopen(fd, "r+b", buffering=0) as file:
            _claim(path, file.read(FILE_SIZE), identity)
            end = file.seek(0, os.SEEK_END)
            if end < FILE_SIZE:
                file.write(bytes(FILE_SIZE - end))
            os.fsync(fd)
        statefile = Statefile(Device(path, FILE_SIZE), identity)
        try:
            statefile.write_global(PoolState.INIT, MarkWord())
        finally:
            statefile.close()
    except OSError as error:
        raise StatefileError(f"{path}: cannot make the statefile: {error.strerror}", NO_STATEFILE) from None


def _claim(path: Path, content: bytes, identity: Identity) -> None:
    """Raise StatefileError unless `content` is empty or a statefile of the same pool."""
    if not any(content):
        return
    label = _label(path, content)
    if label.pool != identity.pool:
        raise StatefileError(
            f"{path}: statefile of another pool ({label.pool}); nothing was overwritten, use another file",
            OF_ANOTHER,
        )


def _label(path: Path, content: bytes) -> Label:
    """The label of a file's content; StatefileError when it is no whole statefile."""
    try:
        label = unpack_global(content[:SECTOR].ljust(SECTOR, b"\0"))
    except Damaged as error:
        raise StatefileError(
            f"{path}: not a statefile, or corrupted: {error}; nothing was overwritten, restore it or move it away",
            OF_NO_POOL,
        ) from None
    if label is None:
        raise StatefileError(f"{path}: no statefile has been made there; enable HA to make it", OF_NO_POOL)
    if len(content) < FILE_SIZE:
        raise StatefileError(
            f"{path}: truncated statefile, {len(content)} of {FILE_SIZE} bytes; nothing was overwritten,"
            " restore it or move it away",
            OF_NO_POOL,
        )
    return label


def read_label(path: Path) -> Label:
    """Whose statefile it is, and of which generation: what an agent must know before it can open it.

    Raises:
        StatefileError: it is missing, truncated or corrupted.
    """
    device, content = _open_device(path)
    device.close()
    return _label(path, content)


def _open_device(path: Path) -> tuple[Device, bytes]:
    try:
        device = Device(path, FILE_SIZE)
    except OSError as error:
        raise StatefileError(f"{path}: cannot open the statefile: {error.strerror}", NO_STATEFILE) from None
    try:
        return device, device.read(0, FILE_SIZE)
    except OSError as error:
        device.close()
        raise StatefileError(f"{path}: cannot read the statefile: {error.strerror}", NO_STATEFILE) from None


def open_statefile(path: Path, identity: Identity) -> Statefile:
    """Open the statefile of this pool and generation.

    Raises:
        StatefileError: it is missing, truncated, corrupted or not of this pool and generation; its `code` tells which.
    """
    device, content = _open_device(path)
    try:
        label = _label(path, content)
        if label.pool != identity.pool:
            raise StatefileError(
                f"{path}: statefile of another pool ({label.pool}); give this pool its own", OF_ANOTHER
            )
        if not label.matches(identity):
            expected = label_of(identity, label.state)
            what = "other hosts" if label.generation == expected.generation else "another enabling of HA"
            raise StatefileError(f"{path}: statefile made for {what}; enable HA again", OF_ANOTHER)
    except StatefileError:
        device.close()
        raise
    return Statefile(device, identity)


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
        excluded = owner in snapshot.excluded
        return Notice(incarnation=snapshot.incarnations[owner], excluded=excluded, pool=state)

    _notify(path, identity, owner, changed)


def exclude(path: Path, identity: Identity, owner: int) -> None:
    """Exclude a host whose daemon does not run, until it joins again.

    Raises:
        StatefileError: the file cannot be used, or HA is not active.
    """

    def changed(snapshot: Snapshot) -> Notice:
        if snapshot.pool is not PoolState.ACTIVE:
            raise StatefileError(
                f"{path}: the pool state is {snapshot.pool.name.lower()}, so nobody is excluded", INVALID
            )
        return Notice(incarnation=snapshot.incarnations[owner], excluded=True, pool=snapshot.pool)

    _notify(path, identity, owner, changed)


def _notify(path: Path, identity: Identity, owner: int, changed: Callable[[Snapshot], Notice]) -> None:
    statefile = open_statefile(path, identity)
    try:
        snapshot = statefile.read()
        notice = changed(snapshot)
        statefile.write_notice(owner, notice)
        statefile.write_global(max(notice.pool, snapshot.pool), snapshot.mark)
    except OSError as error:
        raise StatefileError(f"{path}: the statefile failed: {error.strerror}", NO_STATEFILE) from None
    finally:
        statefile.close()


def write_obituary(path: Path, host: int, incarnation: int) -> None:
    """Publish that everything of this incarnation of `host`, and of those before, is dead.

    Called by the supervisor, from a process of its own, after it has seen them die. The obituary has its own sector, so
    a write of the dead daemon that is still under way cannot erase it.

    Raises:
        StatefileError: the file cannot be used; nothing was overwritten.
    """
    device, content = _open_device(path)
    try:
        label = _label(path, content)
        tag = tag_of(label.pool, label.generation)
        device.write(_at(host, OBITUARY_AT), pack_obituary(host, tag, incarnation))
    except OSError as error:
        raise StatefileError(f"{path}: cannot write the obituary: {error.strerror}", NO_STATEFILE) from None
    finally:
        device.close()
