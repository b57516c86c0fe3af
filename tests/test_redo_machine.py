"""The redo log does what its machines say: every step of it replays, and it mends itself when they say so."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest

from fsm import specs
from fsm.drivers.clock import VirtualClock
from fsm.drivers.journal import Journal
from fsm.drivers.replay import replay
from fsm.engine.turn import Signal
from hosts.errors import PoolError
from hosts.redo_log import RedoLog, RedoLogBroken, StaleTerm
from hosts.redo_log.format import SECTOR, VERSION, Identity
from tests.redo_disk import POOL, SMALLEST, MemoryDisk, Writer, handle, new_disk, value, written

RETRY = 60.0
"""More than any pause between two tries."""


class Ear:
    """Hears alerts."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def signal(self, signal: Signal) -> None:
        self.heard.append(signal.name)


def noted(disk: MemoryDisk, lines: list[str], clock: VirtualClock, ear: Ear | None = None) -> RedoLog:
    """A handle with a journal."""
    journal = Journal(lambda data: lines.extend(data.decode().splitlines(keepends=True)))
    identity = Identity(VERSION, UUID(POOL), SMALLEST, 2)
    return RedoLog(disk, identity, "redo.log", clock=clock, alerts=ear, journal=journal)


def test_every_step_of_a_log_replays_through_its_machines() -> None:
    """A begin, changes, a switch of halves, a failure, a mend, a rival: the journal replays without divergence."""
    disk, lines, clock = new_disk(), list[str](), VirtualClock()
    writer = Writer(noted(disk, lines, clock)).begin()
    for number in range(15):
        writer.append({"key": "x" * 500, "at": number})
    disk.budget = disk.written + 10
    with pytest.raises(RedoLogBroken):
        writer.append({"lost": True})
    disk.budget = None
    clock.advance(RETRY)
    writer.append({"kept": True})
    handle(disk, 1).claim(2)
    for _ in range(2):
        with pytest.raises(StaleTerm):
            writer.append({"late": True})
    replayed = replay(lines, specs())
    assert replayed.divergence is None
    text = "".join(lines)
    for row in ("open/commit/other", "flushing/flushed/healed", "broken/after", "superseded/commit"):
        assert f'"redo_log.{row}"' in text, row


def test_a_broken_log_is_tried_again_until_it_works_and_says_so_once() -> None:
    """Two tries fail, the third writes the newest database: one alert of each kind; what was refused is gone."""
    disk, clock, ear = new_disk(), VirtualClock(), Ear()
    writer = Writer(noted(disk, [], clock, ear)).begin()
    writer.append({"kept": 1})
    disk.budget = disk.written + 10
    with pytest.raises(RedoLogBroken):
        writer.append({"lost": True})
    for _ in range(2):
        clock.advance(0.6)
        assert writer.log.broken
    assert ear.heard == ["log_broken"]
    disk.budget = None
    clock.advance(RETRY)
    assert (ear.heard, writer.log.broken) == (["log_broken", "log_healed"], None)
    assert value(handle(disk).read()) == writer.acknowledged
    writer.append({"more": 1})
    assert value(handle(disk).read()) == writer.acknowledged


def test_a_broken_log_that_is_claimed_anew_says_that_it_is_healed() -> None:
    """The master that had it takes it under a newer term before it is tried again: the alert of before is over."""
    disk, ear = new_disk(), Ear()
    writer = Writer(noted(disk, [], VirtualClock(), ear)).begin()
    disk.budget = disk.written + 10
    with pytest.raises(RedoLogBroken):
        writer.append({"lost": True})
    disk.budget = None
    writer.log.claim(2)
    assert ear.heard == ["log_broken"]
    writer.term = 2
    writer.begin()
    assert (ear.heard, writer.log.broken) == (["log_broken", "log_healed"], None)


def test_a_write_that_takes_too_long_is_given_up_and_holds_up_nobody() -> None:
    """Its call is refused when it ends, others at once; the log mends itself, and holds what was acknowledged."""
    begun, go_on = threading.Event(), threading.Event()

    class Stuck(MemoryDisk):
        def write(self, offset: int, data: bytes) -> None:
            begun.set()
            assert go_on.wait(10)
            MemoryDisk.write(self, offset, data)

    disk, clock = new_disk(), VirtualClock()
    writer = Writer(noted(disk, [], clock)).begin()
    writer.log._port.disk = Stuck(disk.image)
    refused: list[PoolError] = []

    def call() -> None:
        try:
            writer.log.append(1, 1, {"slow": True}, dict)
        except PoolError as error:
            refused.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(10)
    assert writer.log.overdue()
    with pytest.raises(RedoLogBroken, match="takes too long"):
        writer.append({"other": True})
    go_on.set()
    thread.join(10)
    assert [type(error) for error in refused] == [RedoLogBroken]
    clock.advance(RETRY)
    assert not writer.log.overdue()
    writer.append({"after": True})
    assert value(handle(disk).read()) == writer.acknowledged


def test_a_late_mark_of_a_former_master_does_not_replace_the_new_one() -> None:
    """Two marks for the whole pool let the old writer's end of a flush undo the claim; places of their own do not."""
    disk = new_disk()
    old, new = written(disk), handle(disk, 1)
    late = bytes(disk.image[SECTOR : 3 * SECTOR])
    new.claim(2)
    disk.image[SECTOR : 3 * SECTOR] = late
    with pytest.raises(StaleTerm):
        old.append({"late": True})


def test_a_host_without_a_mark_cannot_open_the_log(tmp_path: Path) -> None:
    """A log is made for so many hosts."""
    RedoLog.create(tmp_path / "redo.log", POOL, 1 << 16, 2).close()
    with pytest.raises(PoolError, match="made for 2 hosts, and this is host 2"):
        RedoLog.open(tmp_path / "redo.log", POOL, 2)
