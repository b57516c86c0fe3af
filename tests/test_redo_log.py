"""The redo log: what is acknowledged is replayed, by one writer at a time (S7)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.errors import PoolError
from hosts.redo_log import RedoLog, RedoLogBroken, Replay, StaleTerm
from tests.redo_disk import HALF, POOL, MemoryDisk, Value, Writer, handle, new_disk, value, written


def test_what_was_appended_is_replayed_by_another_process(tmp_path: Path) -> None:
    """A log on a real file gives the next process the full database and every delta, and its term."""
    path = tmp_path / "redo.log"
    log = RedoLog.create(path, POOL, 1 << 16)
    assert path.stat().st_size == 1 << 16
    writer = Writer(log, term=4).begin()
    writer.append({"vm1": 2})
    writer.append({"vm1": None, "vm2": [1, 2]})
    log.close()
    replay = RedoLog.open(path, POOL).read()
    assert (value(replay), replay.term, replay.torn) == (writer.acknowledged, 4, False)
    assert len(replay.deltas) == 2


def test_an_empty_log_replays_to_nothing() -> None:
    """A log that nobody began holds no database, and that is no error."""
    assert handle(new_disk()).read() == Replay(0, 0, None, (), torn=False)


# --- a broken log ---------------------------------------------------------------------------------


def test_a_broken_log_acknowledges_nothing_until_it_is_begun_again() -> None:
    """After a failed write each append is refused, on a good disk too; a full database mends the log."""
    disk = new_disk()
    writer = written(disk)
    acknowledged = writer.acknowledged
    disk.budget = disk.written + 10
    with pytest.raises(RedoLogBroken, match="no space left"):
        writer.append({"lost": True})
    assert "no space left" in str(writer.log.broken)
    disk.budget = None
    with pytest.raises(RedoLogBroken, match="begin it again"):
        writer.append({"lost": True})
    assert value(handle(disk).read()) == acknowledged
    writer.begin()
    assert not writer.log.broken
    writer.append({"kept": True})
    assert value(handle(disk).read()) == writer.acknowledged


def test_a_short_write_breaks_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of which the kernel took only a part is a failed one."""
    writer = Writer(RedoLog.create(tmp_path / "redo.log", POOL, 1 << 16)).begin()
    pwrite = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:7], offset))
        with pytest.raises(RedoLogBroken, match="short write: 7 of"):
            writer.append({"vm1": 1})
    with pytest.raises(RedoLogBroken):
        writer.append({"vm1": 1})
    assert value(writer.log.read()) == (0, {})
    writer.log.close()


def test_a_database_that_fits_no_half_is_refused_and_breaks_nothing() -> None:
    """A database larger than a half is refused before anything is written; smaller changes go on."""
    writer = written(new_disk())
    with pytest.raises(PoolError, match="make a larger log"):
        writer.append({"large": "x" * HALF})
    writer.append({"small": "x"})
    assert value(writer.log.read()) == writer.acknowledged


# --- rival masters --------------------------------------------------------------------------------


@pytest.mark.parametrize("term", [0, 3, 4])
def test_a_term_that_the_log_has_seen_is_refused(term: int) -> None:
    """Neither a lower term nor the same one can claim the log, and a refused claim changes nothing."""
    disk = new_disk()
    writer = Writer(handle(disk), term=4).begin()
    image = bytes(disk.image)
    for log in (handle(disk), writer.log):
        with pytest.raises(StaleTerm, match="has seen term 4"):
            log.begin(term, 9, {})
    assert disk.image == image
    writer.append({"goes": "on"})


def test_an_older_writer_is_refused_from_the_claim_on() -> None:
    """As soon as a new master has claimed the log, before it has begun, the old one acknowledges nothing."""
    disk = new_disk()
    old, new = written(disk), handle(disk)
    replay = new.claim(2)
    image = bytes(disk.image)
    for _ in range(2):
        with pytest.raises(StaleTerm, match="step down"):
            old.append({"late": True})
    assert disk.image == image
    new.begin(2, *value(replay))
    assert value(handle(disk).read()) == old.acknowledged


def test_a_claim_during_a_write_keeps_it_from_being_acknowledged() -> None:
    """A claim that comes between a writer's first look and its write is seen by its second look."""
    disk = new_disk()
    old, new = written(disk), handle(disk)
    plain = old.log._port.disk

    class Slow(MemoryDisk):
        def write(self, offset: int, data: bytes) -> None:
            new.claim(2)
            plain.write(offset, data)

    old.log._port.disk = Slow(disk.image)
    with pytest.raises(StaleTerm):
        old.append({"late": True})


def test_two_masters_with_one_term_are_told_apart() -> None:
    """Two claims of one term at once leave one writer: the one whose mark is on the disk."""
    disk = new_disk()
    first, second = handle(disk), handle(disk)
    before = bytes(disk.image)
    first.begin(1, 0, {})
    disk.image[: len(before)] = before  # as if the second had looked before the first wrote
    second.begin(1, 0, {})
    with pytest.raises(StaleTerm):
        first.append(1, 1, {"rival": 1}, dict)
    second.append(1, 1, {"rival": 2}, dict)


def test_an_older_database_cannot_replace_a_newer_one() -> None:
    """A master whose copy is older than the log must replay it first."""
    disk = new_disk()
    newest = written(disk).acknowledged
    log = handle(disk)
    with pytest.raises(PoolError, match="replay the log first"):
        log.begin(2, newest[0] - 1, {})
    assert value(handle(disk).read()) == newest
    log.begin(2, *newest)


def test_a_handle_that_never_began_cannot_append() -> None:
    """Opening a log gives no right to write."""
    with pytest.raises(RedoLogBroken, match="not begun by this writer"):
        handle(new_disk()).append(0, 1, {}, dict)


def test_generations_have_no_gap() -> None:
    """A delta that does not follow the last one is a mistake of the program, not of the pool."""
    writer = written(new_disk())
    with pytest.raises(ValueError, match="does not follow"):
        writer.log.append(1, 9, {}, dict)
    writer.append({"goes": "on"})


# --- a plain model --------------------------------------------------------------------------------

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 9), st.integers(0, 300)),
        st.tuples(st.just("begin"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
        st.tuples(st.just("fail"), st.integers(0, 12000), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_any_history_equals_a_plain_model(operations: list[tuple[str, int, int]]) -> None:
    """Whatever is begun, appended, reopened and failed: replay gives what a dict holds.

    A change that failed may be in the replay or not, until a full database says which.
    """
    disk = new_disk()
    writer = Writer(handle(disk)).begin()
    possible = [writer.acknowledged]
    for what, number, size in operations:
        delta: Value = {str(number): "x" * size}
        after, start = (writer.generation + 1, writer.database | delta), disk.written
        try:
            if what == "append":
                writer.append(delta)
            elif what == "begin" and (number or writer.log.broken):
                writer.term += number
                writer.begin()
            elif what == "reopen":
                disk.budget, log = None, handle(disk)
                writer = Writer(log, writer.term + 1, *value(log.claim(writer.term + 1))).begin()
            elif what == "fail":
                disk.budget = disk.written + number
                continue
            possible = [writer.acknowledged]
        except RedoLogBroken:
            disk.budget = None
            possible += [after] if disk.written > start else []
        except PoolError:  # a record that failed is there: only its replay may go on under a new term
            assert what == "begin"
            assert possible[1:]
        assert value(handle(disk).read()) in possible
        assert writer.acknowledged in possible
