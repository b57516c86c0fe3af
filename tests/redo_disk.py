"""Disks in memory that fail on demand, and a master that knows what the redo log has acknowledged."""

from __future__ import annotations

import errno
from uuid import UUID

from attrs import define, field

from fsm.drivers.clock import VirtualClock
from hosts.redo_log import RedoLog, Replay
from hosts.redo_log.format import SECTOR, VERSION, Identity, pack_identity, unpack_identity

POOL = "7d0f5a9e-3c3b-4a53-9d5b-0b8f6f6c2a11"
OTHER = "00000000-0000-4000-8000-000000000001"
HALF = 2 * SECTOR
SMALLEST = Identity(VERSION, UUID(POOL), 0, 2).smallest
Value = dict[str, object]


@define
class MemoryDisk:
    """A disk in memory that fails after `budget` more bytes: the rest of that write is not there."""

    image: bytearray
    budget: int | None = None
    written: int = 0

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.image[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        room = len(data) if self.budget is None else max(0, min(len(data), self.budget - self.written))
        self.image[offset : offset + room] = data[:room]
        self.written += room
        if room < len(data):
            raise OSError(errno.ENOSPC, "no space left")

    def close(self) -> None:
        pass


def new_disk() -> MemoryDisk:
    """The image of an empty log of the smallest size."""
    identity = pack_identity(Identity(VERSION, UUID(POOL), SMALLEST, 2))
    return MemoryDisk(bytearray(identity.ljust(SMALLEST, b"\0")))


def handle(disk: MemoryDisk, me: int = 0, clock: VirtualClock | None = None) -> RedoLog:
    """One more process's handle on the same disk. It mends itself only when its clock is moved."""
    identity = unpack_identity(disk.read(0, SECTOR))
    assert identity
    return RedoLog(disk, identity, "redo.log", me, clock=clock or VirtualClock())


def value(replay: Replay) -> tuple[int, Value]:
    """The generation, and the database when a delta simply sets keys."""
    result: Value = dict(replay.full or {})
    for delta in replay.deltas:
        result |= delta
    return replay.generation, result


@define
class Writer:
    """A master with its database: it sets keys, and knows what was acknowledged."""

    log: RedoLog
    term: int = 1
    generation: int = 0
    database: Value = field(factory=dict)

    def begin(self) -> Writer:
        self.log.begin(self.term, self.generation, self.database)
        return self

    def append(self, delta: Value) -> None:
        after = self.database | delta
        self.log.append(self.term, self.generation + 1, delta, lambda: after)
        self.generation, self.database = self.generation + 1, after

    @property
    def acknowledged(self) -> tuple[int, Value]:
        return self.generation, self.database


def written(disk: MemoryDisk, deltas: int = 3) -> Writer:
    """A log begun once, with some deltas."""
    writer = Writer(handle(disk)).begin()
    for number in range(deltas):
        writer.append({f"key{number}": number, "last": "é" * number})
    return writer


def half(log: RedoLog) -> int:
    """The half that the log's writer knows to count."""
    driver = log._driver
    return int(str(driver.node.value(driver.local, driver.pool, "redo_log.half")))


def tail(log: RedoLog) -> int:
    """Where on the disk its next record goes."""
    return log._port.base(half(log)) + log._port.tail
