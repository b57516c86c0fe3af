"""The redo log: acknowledged records survive torn writes, crashes, damage and rival masters (S7)."""

from __future__ import annotations

import errno
import os
from copy import copy
from pathlib import Path
from uuid import UUID

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from hosts.errors import PoolError
from hosts.redo_log import FileDisk, RedoLog, RedoLogBroken, Replay, StaleTerm
from hosts.redo_log.format import HALVES, SECTOR, SMALLEST, Identity, pack_identity, unpack_identity

POOL = "7d0f5a9e-3c3b-4a53-9d5b-0b8f6f6c2a11"
OTHER = "00000000-0000-4000-8000-000000000001"
HALF = 2 * SECTOR
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
    identity = pack_identity(Identity(1, UUID(POOL), SMALLEST))
    return MemoryDisk(bytearray(identity.ljust(SMALLEST, b"\0")))


def handle(disk: MemoryDisk) -> RedoLog:
    """One more process's handle on the same disk."""
    identity = unpack_identity(disk.read(0, SECTOR))
    assert identity
    return RedoLog(disk, identity, "redo.log")


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


# --- torn and damaged -----------------------------------------------------------------------------


def test_a_tail_torn_at_any_byte_replays_to_the_record_before_it() -> None:
    """A delta of which only the first n bytes arrived is dropped, for every n; whole, it counts."""
    disk = new_disk()
    writer = written(disk)
    before, image = writer.acknowledged, bytes(disk.image)
    writer.append({"next": "value", "vm": {"resident": 1}})
    after, whole = writer.acknowledged, bytes(disk.image)
    changed = [at for at in range(len(image)) if image[at] != whole[at]]
    first, last = changed[0], changed[-1]
    for end in range(first, last + 1):
        torn = MemoryDisk(bytearray(whole[:end] + image[end:]))
        replay = handle(torn).read()
        assert value(replay) == before, end
        assert replay.torn == (end > first), end
    assert value(handle(MemoryDisk(bytearray(whole[: last + 1] + image[last + 1 :]))).read()) == after


def test_a_tail_cut_off_at_any_byte_replays_to_the_last_whole_record() -> None:
    """A disk that ends inside a delta gives the records before it, for every end inside the deltas."""
    disk = new_disk()
    writer, states, tails = Writer(handle(disk)).begin(), [], []
    for number in range(4):
        states.append(writer.acknowledged)
        tails.append(writer.log._base(0) + (writer.log._tail or 0))
        writer.append({f"key{number}": "x" * number})
    for end in range(tails[0], tails[-1]):
        replay = handle(MemoryDisk(disk.image[:end])).read()
        assert value(replay) == states[sum(tail <= end for tail in tails) - 1], end


def test_a_flip_of_any_byte_gives_whole_records_or_a_message() -> None:
    """Whatever byte is spoiled: a replay of whole records up to the damage, or a refusal; never garbage.

    Acknowledged records may be missing only when the flip lies in a delta: it looks like a torn tail.
    """
    disk = new_disk()
    writer = written(disk, 1)
    for _ in range(2):  # a second half, so that there is an old one to fall back to in silence
        writer.term += 1
        writer.begin()
    full_ends = writer.log._base(writer.log._half) + (writer.log._tail or 0)
    prefixes = [writer.acknowledged]
    for number in range(3):
        writer.append({f"more{number}": number})
        prefixes.append(writer.acknowledged)
    end = writer.log._base(writer.log._half) + (writer.log._tail or 0)
    refused = []
    for at in range(SECTOR, SMALLEST):
        if not any(disk.image[at - 40 : at + 40]):  # the zeros between are many and alike
            continue
        spoiled = MemoryDisk(bytearray(disk.image))
        spoiled.image[at] ^= 0x41
        try:
            replay = handle(spoiled).read()
        except PoolError:
            refused.append(at)
            continue
        assert value(replay) in prefixes, at
        if not full_ends <= at < end:
            assert value(replay) == writer.acknowledged, at
    half = writer.log._base(writer.log._half)
    assert set(range(half, half + 32)) <= set(refused)
    assert all(half <= at < full_ends for at in refused)


def test_bytes_of_an_older_use_of_a_half_are_not_replayed() -> None:
    """Whole records that an older database left behind the new one are no part of it."""
    disk = new_disk()
    writer = written(disk, 20)
    for term in (2, 3):
        writer.term = term
        writer.begin()
    replay = handle(disk).read()
    assert value(replay) == writer.acknowledged
    assert (replay.deltas, replay.torn) == ((), False)
    writer.append({"short": 1})
    assert not handle(disk).read().torn


def test_an_older_record_is_not_taken_for_the_next_one() -> None:
    """A write that stops at the end of its record leaves the older bytes there: a whole record, but not of this half.

    The half's older use had records of the same lengths at the same places.
    """
    disk = new_disk()
    writer = Writer(handle(disk), database={"key": 0})
    writer.begin()
    start = writer.log._tail or 0
    writer.append({"key": 1})
    length = (writer.log._tail or 0) - start
    writer.append({"key": 1})
    for term in (2, 3):
        writer.term = term
        writer.begin()
    assert (writer.log._half, writer.log._tail) == (0, start)
    disk.budget = disk.written + length
    before = writer.generation
    with pytest.raises(RedoLogBroken):
        writer.append({"key": 2})
    replay = handle(disk).read()
    assert (value(replay), replay.torn) == ((before + 1, {"key": 2}), True)


# --- crashes --------------------------------------------------------------------------------------


def budgets(cost: int) -> list[int]:
    """Every number of bytes below `cost`, but not those where only zeros go over the zeros after a header."""
    return [budget for budget in range(cost) if not 100 < budget < SECTOR]


def test_a_crash_at_any_byte_of_a_takeover_loses_nothing() -> None:
    """A new master that dies after any number of bytes of its begin leaves what was acknowledged.

    So does one that follows it, and the first one when it tries again on a mended disk.
    """
    disk = new_disk()
    before = written(disk).acknowledged
    probe = MemoryDisk(bytearray(disk.image))
    Writer(handle(probe), 2, *before).begin()
    for budget in budgets(probe.written):
        crashed = MemoryDisk(bytearray(disk.image), budget)
        log = handle(crashed)
        with pytest.raises(RedoLogBroken):
            log.begin(2, *before)
        assert log.broken
        crashed.budget = None
        assert value(handle(crashed).read()) == before, budget
        follower = handle(MemoryDisk(bytearray(crashed.image)))
        log.begin(2, *before)
        assert value(handle(crashed).read()) == before
        log.append(2, before[0] + 1, {}, dict)
        follower.begin(3, *before)
        assert value(follower.read()) == before


@define
class LyingDisk(MemoryDisk):
    """A disk on which the write number `lie` arrives whole, but is reported as failed, as is every one after `dead`."""

    lie: int = 99
    dead: int = 99
    count: int = 0

    def write(self, offset: int, data: bytes) -> None:
        if self.count < self.dead:
            MemoryDisk.write(self, offset, data)
        self.count += 1
        if self.count > self.dead or self.count == self.lie:
            raise OSError(errno.EIO, "I/O error")


@pytest.mark.parametrize("lie", range(1, 6))
@pytest.mark.parametrize("dead", range(1, 12))
def test_a_write_that_failed_but_arrived_loses_nothing(lie: int, dead: int) -> None:
    """A takeover meets a write that lies, tries again and dies anywhere: all that was acknowledged is still there."""
    disk = new_disk()
    before = written(disk).acknowledged
    lying = LyingDisk(disk.image, lie=lie, dead=dead)
    log = handle(lying)
    for attempt in range(2):
        try:
            log.begin(2, *before)
        except RedoLogBroken:
            continue
        assert attempt == 1
    assert value(handle(lying).read()) == before


def test_a_torn_claim_does_not_lower_the_term() -> None:
    """However little of a new mark arrives, the mark before it still counts."""
    disk = new_disk()
    handle(disk).claim(2)
    for slot in range(2):
        for budget in range(44):
            torn = MemoryDisk(bytearray(disk.image), budget)
            with pytest.raises(RedoLogBroken):
                handle(torn).claim(9)
            assert handle(torn).read().term in (2 + slot, 9)
        handle(disk).claim(3 + slot)


def test_a_crash_at_any_byte_of_a_switch_of_halves_loses_nothing() -> None:
    """A write that finds its half full leaves the old state or the new one, never less than was acknowledged.

    The writer that lives on mends the log, and the change that failed is then not in it.
    """
    disk = new_disk()
    writer = written(disk, 0)
    while True:
        image, log, before, spent = bytes(disk.image), copy(writer.log), writer.acknowledged, disk.written
        delta = {"key": "x" * 500, "at": writer.generation}
        writer.append(delta)
        if writer.log._half != log._half:
            break
    after, cost = writer.acknowledged, disk.written - spent
    seen: set[int] = set()
    for budget in budgets(cost):
        crashed = MemoryDisk(bytearray(image), budget)
        again = Writer(copy(log), 1, *before)
        again.log._disk = crashed
        with pytest.raises(RedoLogBroken):
            again.append(delta)
        found = value(handle(crashed).read())
        assert found in (before, after), budget
        seen.add(found[0])
        crashed.budget = None
        again.begin()
        assert value(handle(crashed).read()) == before, budget
        again.append(delta)
        assert value(handle(crashed).read()) == after, budget
    assert seen == {before[0], after[0]}


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
    plain = old.log._disk

    class Slow(MemoryDisk):
        def write(self, offset: int, data: bytes) -> None:
            new.claim(2)
            plain.write(offset, data)

    old.log._disk = Slow(disk.image)
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


# --- places ---------------------------------------------------------------------------------------


def log_file(path: Path, pool: str = POOL) -> Path:
    """A good log on disk."""
    RedoLog.create(path, pool, SMALLEST).close()
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"precious", "no redo log"),
        (bytes(SMALLEST * 2) + b"x", "never made a redo log"),
        (None, "open it"),
        (OTHER, "of another pool"),
    ],
)
def test_nothing_is_overwritten_by_creation(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    """A file with anything in it, a log of this pool included, is refused and left as it was."""
    path = tmp_path / "redo.log"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        log_file(path, content or POOL)
    before = path.read_bytes()
    with pytest.raises(PoolError, match=message) as refusal:
        RedoLog.create(path, POOL, SMALLEST)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 100, SMALLEST])
def test_an_empty_or_zeroed_file_becomes_a_log(tmp_path: Path, size: int) -> None:
    """What an interrupted creation leaves, zeros or nothing, can be made a log."""
    path = tmp_path / "redo.log"
    path.write_bytes(bytes(size))
    RedoLog.create(path, POOL, SMALLEST).close()
    assert path.stat().st_size == SMALLEST
    RedoLog.open(path, POOL).close()


def test_what_is_no_log_of_this_pool_is_not_opened(tmp_path: Path) -> None:
    """Missing, another pool's, truncated, of another version, spoiled, empty, no file: one line each."""
    good = log_file(tmp_path / "good").read_bytes()
    newer = pack_identity(Identity(2, UUID(POOL), SMALLEST)).ljust(SMALLEST, b"\0")
    cases = {
        "other": (log_file(tmp_path / "other", OTHER).read_bytes(), "of another pool"),
        "truncated": (
            good[:-1],
            f"truncated to {SMALLEST - 1} of {SMALLEST} bytes; restore it, or extend it",
        ),
        "short": (good[:20], "no redo log"),
        "newer": (newer, "format version 2, not 1"),
        "empty": (b"", "never made a redo log; create one"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PoolError, match=message):
            RedoLog.open(tmp_path / name, POOL)
        assert (tmp_path / name).read_bytes() == content
    os.mkfifo(tmp_path / "fifo")
    for name, message in {
        "missing": "No such file",
        ".": "directory",
        "fifo": "neither a regular file",
    }.items():
        with pytest.raises(PoolError, match=message):
            RedoLog.open(tmp_path / name, POOL)
    with pytest.raises(PoolError, match="no pool uuid"):
        RedoLog.open(tmp_path / "good", "pool one")
    with pytest.raises(PoolError, match="too few"):
        RedoLog.create(tmp_path / "small", POOL, SMALLEST - 1)
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize("at", range(38))
def test_a_flip_in_the_first_sector_is_refused(tmp_path: Path, at: int) -> None:
    """Whichever byte of the identity is spoiled, the log is not opened."""
    path = log_file(tmp_path / "redo.log")
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(PoolError):
        RedoLog.open(path, POOL)


def test_a_log_that_was_cut_off_is_replayed_once_it_is_extended(tmp_path: Path) -> None:
    """The remedy that the message of a truncated log names works."""
    path = tmp_path / "redo.log"
    log = RedoLog.create(path, POOL, SMALLEST)
    writer = Writer(log).begin()
    writer.append({"vm1": 1})
    log.close()
    os.truncate(path, HALVES + HALF)
    with pytest.raises(PoolError, match="truncated"):
        RedoLog.open(path, POOL)
    os.truncate(path, SMALLEST)
    assert value(RedoLog.open(path, POOL).read()) in (writer.acknowledged, (0, {}))


def test_writes_are_durable_when_they_return(tmp_path: Path) -> None:
    """The file is open for synchronous writes."""
    disk = FileDisk(log_file(tmp_path / "redo.log"))
    flags = int(Path(f"/proc/self/fdinfo/{disk._fd}").read_text().split("flags:")[1].split()[0], 8)
    assert flags & os.O_DSYNC
    disk.close()


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
