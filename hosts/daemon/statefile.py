"""The statefile on disk: make it, open it, read all of it, write one sector of it.

It is the pool's second channel beside the network, and the place of everything that must outlive a daemon: pool
state, exclusion, incarnations, obituaries. Its bytes are described in `layout.py`, what is in force in `in_force.py`.

Rules. Nothing is ever overwritten that is neither empty nor this pool's. One call is one I/O, so that a caller can keep
one in flight. What a single host wrote wrong is *no record* of that host, named in the snapshot; what makes the file
as a whole unusable (gone, truncated, another pool's) is an error. HA is enabled anew by a notice of a new generation,
numbered above all others: older records become strangers, but their incarnations still count, so numbers never repeat.

What it leaves out: retries, deadlines and threads, which are the daemon's; notices (`notices.py`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from attrs import frozen

from hosts.daemon.device import Device
from hosts.daemon.in_force import Element, Words, in_force
from hosts.daemon.layout import (
    FILE_SIZE,
    MAX_HOSTS,
    NOTICE_AT,
    NOTICES,
    OBITUARY_AT,
    RECORD_AT,
    RECORDS,
    SECTION,
    SECTOR,
    Damaged,
    Generation,
    Identity,
    MarkWord,
    Notice,
    PoolState,
    Record,
    pack_notice,
    pack_obituary,
    pack_record,
    unpack_notice,
    unpack_obituary,
    unpack_record,
)
from hosts.daemon.mirror import OtherFormat, pack_element, pack_global, pack_owner, unpack_owner
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
        foreign: HA has been enabled anew since the file was opened: `excluded`, `pool` and `mark` are the new one's.
        notices: number of the newest notice of each host, of whatever generation; 0 for none.
    """

    records: tuple[Record | None, ...]
    incarnations: tuple[int, ...]
    obituaries: tuple[int, ...]
    excluded: frozenset[int]
    pool: PoolState
    mark: MarkWord
    damaged: Mapping[int, str]
    foreign: bool = False
    notices: tuple[int, ...] = ()


class Statefile:
    """An open statefile of one pool; every method is one blocking I/O. Get one from `open_statefile`.

    All methods raise OSError when the storage fails: the outcome of a write is then unknown, it may land later.
    """

    def __init__(self, device: Device, identity: Identity, generation: Generation) -> None:
        self._device = device
        self.identity = identity
        self.generation = generation

    def read(self) -> Snapshot:
        """The sections of all configured hosts, in one read.

        Raises:
            OSError: also when the file has been truncated or wiped since it was opened.
        """
        length = SECTION * (1 + len(self.identity.hosts))
        data = self._device.read(0, length)
        try:
            pool = unpack_owner(data[: 2 * SECTOR]) if len(data) == length else None
        except Damaged as error:
            raise OSError(errno.EIO, f"the statefile is damaged: {error}", str(self._device.path)) from None
        if pool != self.identity.pool:
            raise OSError(errno.EIO, "the statefile has been wiped or truncated", str(self._device.path))
        return _snapshot(self.generation, _sections(data, len(self.identity.hosts)))

    def write_record(self, owner: int, record: Record) -> None:
        """Write the record of `owner` into the sector of its incarnation."""
        sector = RECORD_AT + SECTOR * (record.incarnation % RECORDS)
        self._device.write(_at(owner, sector), pack_record(owner, self.generation, record))

    def write_notice(self, owner: int, notice: Notice) -> None:
        """Write the notice of `owner`, whose daemon does not run, into the sector of its number."""
        self._device.write(
            _at(owner, NOTICE_AT + SECTOR * (notice.number % NOTICES)), pack_notice(owner, self.generation, notice)
        )

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


@frozen(kw_only=True)
class _Section:
    """What one host element says, a damaged sector counted as an empty one."""

    said: Element
    obituary: int
    damage: str

    @property
    def incarnation(self) -> int:
        return max([self.obituary, *(record.incarnation for _, record in self.said.records)])

    @property
    def notice(self) -> int:
        return max((notice.number for _, notice in self.said.notices), default=0)


def _sections(data: bytes, hosts: int) -> list[_Section]:
    """The elements of the first `hosts` hosts in the bytes of a statefile."""
    return [_section(host, data[_at(host, 0) : _at(host + 1, 0)]) for host in range(hosts)]


def _section(host: int, element: bytes) -> _Section:
    damage: list[str] = []

    def believed(unpack: Callable[[int, bytes], T], offset: int, otherwise: T) -> T:
        try:
            return unpack(host, element[offset : offset + SECTOR])
        except Damaged as error:
            damage.append(f"sector at {_at(host, offset)}: {error}")
            return otherwise

    records = [believed(unpack_record, RECORD_AT + SECTOR * k, None) for k in range(RECORDS)]
    notices = [believed(unpack_notice, NOTICE_AT + SECTOR * k, None) for k in range(NOTICES)]
    obituary = believed(unpack_obituary, OBITUARY_AT, 0)
    said = Element(records=tuple(filter(None, records)), notices=tuple(filter(None, notices)))
    return _Section(said=said, obituary=obituary, damage="; ".join(damage))


def _snapshot(mine: Generation, sections: list[_Section]) -> Snapshot:
    words = in_force([section.said for section in sections])
    return Snapshot(
        records=tuple(section.said.record(mine) for section in sections),
        incarnations=tuple(section.incarnation for section in sections),
        notices=tuple(section.notice for section in sections),
        obituaries=tuple(section.obituary for section in sections),
        excluded=words.excluded,
        pool=words.pool,
        mark=words.mark,
        damaged={host: section.damage for host, section in enumerate(sections) if section.damage},
        foreign=words.generation != mine,
    )


def create_statefile(path: Path, identity: Identity, owner: int) -> None:
    """Make the statefile of a pool for a new generation; its pool state is INIT.

    In a file of the same pool nothing changes but for a notice: what older generations wrote there no longer counts,
    except that incarnations go on.

    Arguments:
        path: a block device, an empty or missing file, or a statefile of the same pool.
        identity: pool, the new generation, hosts.
        owner: the host that enables HA, whose notice says so.

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
            content = file.read(FILE_SIZE)
            _claim(path, content, identity)
            end = file.seek(0, os.SEEK_END)
            if end < FILE_SIZE:
                file.write(bytes(FILE_SIZE - end))
            os.fsync(fd)
        _begin(Device(path, FILE_SIZE), identity, owner, content.ljust(FILE_SIZE, b"\0"))
    except OSError as error:
        raise StatefileError(f"{path}: cannot make the statefile: {error.strerror}", NO_STATEFILE) from None


def _begin(device: Device, identity: Identity, owner: int, content: bytes) -> None:
    """Write the first notice of a generation numbered above all that `content` holds, of whichever hosts."""
    sections = _sections(content, MAX_HOSTS)
    said = [of for section in sections for of, _ in (*section.said.records, *section.said.notices)]
    number = 1 + max((of.number for of in said), default=0)
    statefile = Statefile(device, identity, Generation(number, identity.generation, identity.tag))
    mine = sections[owner]
    try:
        if not any(content[: 2 * SECTOR]):
            device.write(SECTOR, pack_owner(identity.pool))
        statefile.write_notice(
            owner,
            Notice(number=mine.notice + 1, incarnation=mine.incarnation, excluded=False, pool=PoolState.INIT),
        )
        statefile.write_global(PoolState.INIT, MarkWord())
    finally:
        statefile.close()


def _claim(path: Path, content: bytes, identity: Identity) -> None:
    """Raise StatefileError unless `content` is empty or a statefile of the same pool."""
    if any(content):
        pool = _owner(path, content)
        if pool != identity.pool:
            raise StatefileError(
                f"{path}: statefile of another pool ({pool}); nothing was overwritten, use another file", OF_ANOTHER
            )


def _owner(path: Path, content: bytes) -> UUID:
    """The pool of a file's content; StatefileError when it is no whole statefile."""
    try:
        pool = unpack_owner(content[: 2 * SECTOR].ljust(2 * SECTOR, b"\0"))
    except OtherFormat as error:
        raise StatefileError(f"{path}: {error}", OF_NO_POOL) from None
    except Damaged as error:
        raise StatefileError(
            f"{path}: not a statefile, or corrupted: {error}; nothing was overwritten, restore it or move it away",
            OF_NO_POOL,
        ) from None
    if pool is None:
        raise StatefileError(f"{path}: no statefile has been made there; enable HA to make it", OF_NO_POOL)
    if len(content) < FILE_SIZE:
        raise StatefileError(
            f"{path}: truncated statefile, {len(content)} of {FILE_SIZE} bytes; nothing was overwritten,"
            " restore it or move it away",
            OF_NO_POOL,
        )
    return pool


def _generation(path: Path, content: bytes) -> Generation:
    """The generation in force in a file's content."""
    _owner(path, content)
    words: Words = in_force([section.said for section in _sections(content, MAX_HOSTS)])
    if words.generation is None:
        raise StatefileError(f"{path}: no statefile has been made there; enable HA to make it", OF_NO_POOL)
    return words.generation


def read_generation(path: Path) -> Generation:
    """Of which generation the statefile is: what an agent must know before it can open it.

    Raises:
        StatefileError: it is missing, truncated or corrupted.
    """
    device, content = _open_device(path)
    device.close()
    return _generation(path, content)


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
        pool = _owner(path, content)
        if pool != identity.pool:
            raise StatefileError(f"{path}: statefile of another pool ({pool}); give this pool its own", OF_ANOTHER)
        generation = _generation(path, content)
        if not generation.serves(identity):
            what = "other hosts" if generation.uuid == identity.generation else "another enabling of HA"
            raise StatefileError(f"{path}: statefile made for {what}; enable HA again", OF_ANOTHER)
    except StatefileError:
        device.close()
        raise
    return Statefile(device, identity, generation)


def write_obituary(path: Path, host: int, incarnation: int) -> None:
    """Publish that everything of this incarnation of `host`, and of those before, is dead.

    Called by the supervisor, from a process of its own, after it has seen them die. The obituary has its own sector, so
    a write of the dead daemon that is still under way cannot erase it.

    Raises:
        StatefileError: the file cannot be used; nothing was overwritten.
    """
    device, content = _open_device(path)
    try:
        _owner(path, content)
        device.write(_at(host, OBITUARY_AT), pack_obituary(host, incarnation))
    except OSError as error:
        raise StatefileError(f"{path}: cannot write the obituary: {error.strerror}", NO_STATEFILE) from None
    finally:
        device.close()
