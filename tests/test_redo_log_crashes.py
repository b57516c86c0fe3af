"""The redo log torn, spoiled or left by a crash at any byte: whole records, or a message (S7)."""

from __future__ import annotations

import errno

import pytest
from attrs import define

from hosts.errors import PoolError
from hosts.redo_log import RedoLogBroken
from hosts.redo_log.format import SECTOR
from tests.redo_disk import SMALLEST, MemoryDisk, Value, Writer, half, handle, new_disk, tail, value, written

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
        tails.append(tail(writer.log))
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
    full_ends = tail(writer.log)
    prefixes = [writer.acknowledged]
    for number in range(3):
        writer.append({f"more{number}": number})
        prefixes.append(writer.acknowledged)
    end = tail(writer.log)
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
    start = writer.log._port.base(half(writer.log))
    assert set(range(start, start + 32)) <= set(refused)
    assert all(start <= at < full_ends for at in refused)


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
    """A write that stops at the end of its record leaves older bytes behind it: whole, but not of this half.

    The half's older use had records of the same lengths at the same places.
    """
    disk = new_disk()
    writer = Writer(handle(disk), database={"key": 0})
    writer.begin()
    start = tail(writer.log)
    writer.append({"key": 1})
    length = tail(writer.log) - start
    writer.append({"key": 1})
    for term in (2, 3):
        writer.term = term
        writer.begin()
    assert (half(writer.log), tail(writer.log)) == (0, start)
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
    """A disk whose write number `lie` arrives and is reported as failed; none arrives after `dead`."""

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
    """A takeover meets a write that lies, tries again and dies anywhere: nothing acknowledged is lost."""
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
    """However little of another host's mark arrives, the mark before it still counts."""
    disk = new_disk()
    handle(disk).claim(2)
    for slot in range(2):
        for budget in range(44):
            torn = MemoryDisk(bytearray(disk.image), budget)
            with pytest.raises(RedoLogBroken):
                handle(torn, 1 - slot).claim(9)
            assert handle(torn).read().term in (2 + slot, 9)
        handle(disk, 1 - slot).claim(3 + slot)


def test_a_crash_at_any_byte_of_a_switch_of_halves_loses_nothing() -> None:
    """A write that finds its half full leaves the old state or the new one, never less than was acknowledged.

    The writer that lives on mends the log, and the change that failed is then not in it.
    """
    deltas: list[Value] = [{"key": "x" * 500, "at": number} for number in range(20)]
    disk = new_disk()
    writer, count = written(disk, 0), 0
    before, spent = writer.acknowledged, disk.written
    while half(writer.log) == 0:
        before, spent = writer.acknowledged, disk.written
        writer.append(deltas[count])
        count += 1
    after, cost = writer.acknowledged, disk.written - spent
    seen: set[int] = set()
    for budget in budgets(cost):
        again = written(crashed := new_disk(), 0)
        for delta in deltas[: count - 1]:
            again.append(delta)
        crashed.budget = crashed.written + budget
        with pytest.raises(RedoLogBroken):
            again.append(deltas[count - 1])
        found = value(handle(crashed).read())
        assert found in (before, after), budget
        seen.add(found[0])
        crashed.budget = None
        again.begin()
        assert value(handle(crashed).read()) == before, budget
        again.append(deltas[count - 1])
        assert value(handle(crashed).read()) == after, budget
    assert seen == {before[0], after[0]}
