"""The statefile: what is written comes back, damage is named and confined, and nothing foreign is overwritten."""

from __future__ import annotations

import stat
import struct
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hosts.daemon.device import Device
from hosts.daemon.layout import (
    FILE_SIZE,
    MAX_HOSTS,
    RECORD_AT,
    SECTION,
    SECTOR,
    Damaged,
    Generation,
    Identity,
    MarkWord,
    Notice,
    Phase,
    PoolState,
    Record,
    pack_record,
    unpack_record,
)
from hosts.daemon.notices import ALONE, clear_excluded, declare, exclude, watched
from hosts.daemon.statefile import (
    INVALID,
    Statefile,
    StatefileError,
    create_statefile,
    open_statefile,
    read_generation,
    write_obituary,
)

POOL = UUID("6f1c3d5e-0a4b-4c8d-9e2f-112233445566")
FIRST = Generation(1, uuid5(POOL, "first"), b"12345678")


def identity(n: int = 3, pool: UUID = POOL, generation: UUID | None = None) -> Identity:
    """The identity of a pool of `n` hosts."""
    return Identity(pool, generation or uuid5(pool, "first"), tuple(uuid5(pool, f"host {i}") for i in range(n)))


def made(path: Path, of: Identity | None = None) -> Statefile:
    """A new statefile, open."""
    create_statefile(path, of or identity(), 0)
    return open_statefile(path, of or identity())


def record(incarnation: int = 1, sequence: int = 1, **fields: Any) -> Record:
    """A record of a live host, with `fields` changed."""
    plain = Record(incarnation=incarnation, sequence=sequence, phase=Phase.LIVE, live=frozenset({0}))
    return evolve(plain, **fields)


some_hosts = st.frozensets(st.integers(0, MAX_HOSTS - 1))
records = st.builds(
    Record,
    incarnation=st.integers(0, 2**32 - 1),
    sequence=st.integers(0, 2**64 - 1),
    phase=st.sampled_from(Phase),
    live=some_hosts,
    heard=some_hosts,
    stay=some_hosts,
    listed=st.dictionaries(st.integers(0, MAX_HOSTS - 1), st.integers(1, 2**32 - 1)),
    request=st.integers(0, 2**64 - 1),
    grant=st.none() | st.tuples(st.integers(0, MAX_HOSTS - 1), st.integers(0, 2**64 - 1)),
    excluded=st.booleans(),
    pool=st.sampled_from(PoolState),
    mark=st.builds(MarkWord, st.integers(0, 2**32 - 1), st.none() | st.integers(0, MAX_HOSTS - 1)),
)


@given(records, st.integers(0, MAX_HOSTS - 1))
def test_record_survives_packing(written: Record, owner: int) -> None:
    """A record comes back from its 512 bytes as it was, with the tag of its generation."""
    sector = pack_record(owner, FIRST, written)
    assert len(sector) == SECTOR
    assert unpack_record(owner, sector) == (FIRST, written)


@given(records, st.integers(0, SECTOR - 1), st.integers(1, 255))
def test_no_flipped_byte_is_believed(written: Record, at: int, flip: int) -> None:
    """A record with any one byte changed is damage, never another record."""
    sector = bytearray(pack_record(3, FIRST, written))
    sector[at] ^= flip
    with pytest.raises(Damaged):
        unpack_record(3, bytes(sector))


@given(records, records, st.integers(1, SECTOR - 1))
def test_torn_sector_is_never_a_mixture(old: Record, new: Record, at: int) -> None:
    """A sector that is half old and half new is damage, or exactly one of the two."""
    torn = pack_record(0, FIRST, new)[:at] + pack_record(0, FIRST, old)[at:]
    try:
        found = unpack_record(0, torn)
    except Damaged:
        return
    assert found in [(FIRST, old), (FIRST, new)]


def test_misplaced_record_is_damage() -> None:
    """A record found in another host's element is not that host's."""
    with pytest.raises(Damaged):
        unpack_record(1, pack_record(0, FIRST, record()))


def test_records_come_back_for_all_hosts_in_one_read(tmp_path: Path) -> None:
    """What each host wrote is what everybody reads."""
    file = made(tmp_path / "statefile")
    for host in range(3):
        file.write_record(host, record(incarnation=host + 1, sequence=7))
    snapshot = file.read()
    assert [found and found.incarnation for found in snapshot.records] == [1, 2, 3]
    assert snapshot.incarnations == (1, 2, 3)
    assert snapshot.obituaries == (0, 0, 0)
    assert not snapshot.damaged
    file.close()


def test_late_write_of_old_incarnation_hides_nothing(tmp_path: Path) -> None:
    """A write of an older incarnation that lands after the new one's leaves the new record in force."""
    file = made(tmp_path / "statefile")
    file.write_record(1, record(incarnation=5, sequence=1, phase=Phase.JOINING))
    file.write_record(1, record(incarnation=4, sequence=900))
    found = file.read().records[1]
    assert found is not None
    assert (found.incarnation, found.phase) == (5, Phase.JOINING)
    file.close()


def test_damaged_sector_is_no_record_and_is_named(tmp_path: Path) -> None:
    """One host's corrupt sector hides that host's record, is reported, and hurts nobody else."""
    path = tmp_path / "statefile"
    file = made(path)
    file.write_record(0, record(incarnation=1))
    file.write_record(1, record(incarnation=1))
    with path.open("r+b") as raw:
        raw.seek(SECTION * 2 + RECORD_AT + SECTOR + 100)
        raw.write(b"\xff\xfe")
    snapshot = file.read()
    assert snapshot.records[0] is not None
    assert snapshot.records[1] is None
    assert list(snapshot.damaged) == [1]
    assert "checksum" in snapshot.damaged[1]
    file.close()


def test_obituary_survives_the_daemons_next_write(tmp_path: Path) -> None:
    """An obituary has a sector of its own: no record, element or notice erases it."""
    path = tmp_path / "statefile"
    file = made(path)
    file.write_record(2, record(incarnation=6))
    write_obituary(path, 2, 6)
    file.write_record(2, record(incarnation=6, sequence=2))
    file.write_element(2, record(incarnation=6, sequence=2), frozenset())
    declare(path, identity(), 2, PoolState.ACTIVE)
    assert file.read().obituaries == (0, 0, 6)
    file.close()


def test_incarnations_go_on_in_a_new_generation(tmp_path: Path) -> None:
    """Enabling HA again makes old records strangers, and their incarnations are still taken."""
    path = tmp_path / "statefile"
    file = made(path)
    file.write_record(0, record(incarnation=9, pool=PoolState.INVALID))
    file.close()
    again = identity(generation=uuid4())
    file = made(path, again)
    snapshot = file.read()
    assert snapshot.records[0] is None
    assert snapshot.incarnations[0] == 9
    assert snapshot.pool is PoolState.INIT
    file.close()


def test_daemon_of_the_old_generation_sees_that_it_is_foreign(tmp_path: Path) -> None:
    """A file that is enabled anew under an open daemon tells it so."""
    path = tmp_path / "statefile"
    file = made(path)
    assert not file.read().foreign
    create_statefile(path, identity(generation=uuid4()), 1)
    assert file.read().foreign
    file.close()


def test_pool_state_never_goes_back(tmp_path: Path) -> None:
    """INVALID wins over every other word, whoever wrote it and whenever the others land."""
    path = tmp_path / "statefile"
    file = made(path)
    assert file.read().pool is PoolState.INIT
    declare(path, identity(), 0, PoolState.ACTIVE)
    declare(path, identity(), 1, PoolState.INVALID)
    file.write_record(2, record(incarnation=1, pool=PoolState.ACTIVE))
    file.write_global(PoolState.ACTIVE, MarkWord())
    assert file.read().pool is PoolState.INVALID
    with pytest.raises(StatefileError, match="cannot go back to active") as refused:
        declare(path, identity(), 0, PoolState.ACTIVE)
    assert refused.value.code == INVALID
    file.close()


def test_no_late_write_takes_a_word_back(tmp_path: Path) -> None:
    """Whatever of a former generation lands late, be it record, notice or mirror, the new one stays in force."""
    path = tmp_path / "statefile"
    old = made(path)
    old.write_record(0, record(incarnation=1, pool=PoolState.INVALID, mark=MarkWord(7, 0)))
    again = identity(generation=uuid4())
    create_statefile(path, again, 1)
    new = open_statefile(path, again)
    new.write_record(1, record(incarnation=1, pool=PoolState.ACTIVE, mark=MarkWord(3, 1)))
    old.write_record(0, record(incarnation=1, sequence=9, pool=PoolState.INVALID, mark=MarkWord(8, 0), excluded=True))
    old.write_notice(2, Notice(number=5, incarnation=9, excluded=True, pool=PoolState.INVALID))
    old.write_global(PoolState.INVALID, MarkWord(8, 0))
    shown = new.read()
    assert (shown.pool, shown.mark, shown.excluded) == (PoolState.ACTIVE, MarkWord(3, 1), frozenset())
    assert not shown.foreign
    assert old.read().foreign
    open_statefile(path, again).close()


def test_a_notice_that_lands_late_takes_nothing_back(tmp_path: Path) -> None:
    """Of two notices of one host the later counts, in whichever order they reach the disk."""
    path = tmp_path / "statefile"
    file = made(path)
    declare(path, identity(), 1, PoolState.ACTIVE)
    late = Notice(number=file.read().notices[1] + 1, incarnation=0, excluded=True, pool=PoolState.ACTIVE)
    file.write_notice(1, Notice(number=late.number + 1, incarnation=0, excluded=False, pool=PoolState.INVALID))
    file.write_notice(1, late)
    shown = file.read()
    assert (shown.pool, shown.excluded) == (PoolState.INVALID, frozenset())
    assert shown.notices[1] == late.number + 1


def test_of_two_that_enable_at_once_the_one_that_went_further_counts(tmp_path: Path) -> None:
    """Two generations of one number: invalid beats active beats init, and the other finds itself foreign."""
    path = tmp_path / "statefile"
    first = made(path)
    number = first.generation.number
    second = Statefile(Device(path, FILE_SIZE), identity(), evolve(first.generation, uuid=UUID(int=2**128 - 1)))
    second.write_notice(1, Notice(number=1, incarnation=0, excluded=False, pool=PoolState.INIT))
    assert first.read().foreign
    first.write_record(0, record(pool=PoolState.ACTIVE))
    assert second.read().foreign
    assert not first.read().foreign
    assert first.read().pool is PoolState.ACTIVE
    create_statefile(path, identity(generation=uuid4()), 2)
    assert read_generation(path).number == number + 1


def test_what_xhads_tools_are_shown_is_never_believed(tmp_path: Path) -> None:
    """Garbage in the mirror changes nothing, and the next that writes it mends it."""
    path = tmp_path / "statefile"
    file = made(path)
    file.write_record(0, record(pool=PoolState.ACTIVE))
    before = file.read()
    with path.open("r+b") as raw:
        raw.write(b"\xff" * SECTOR)
    assert file.read() == before
    open_statefile(path, identity()).close()
    assert before.pool is PoolState.ACTIVE
    file.close()


def test_greatest_mark_is_in_force(tmp_path: Path) -> None:
    """The mark of the last master wins over a late write of the one before."""
    file = made(tmp_path / "statefile")
    file.write_record(1, record(mark=MarkWord(2, 1)))
    file.write_record(0, record(mark=MarkWord(1, 0)))
    assert file.read().mark == MarkWord(2, 1)
    file.close()


def test_exclusion_lasts_until_the_host_has_joined(tmp_path: Path) -> None:
    """The notice counts for the incarnations up to its own; a later record decides for itself."""
    path = tmp_path / "statefile"
    file = made(path)
    with pytest.raises(StatefileError, match="nobody is excluded"):
        exclude(path, identity(), 1)
    file.write_record(1, record(incarnation=3, pool=PoolState.ACTIVE))
    exclude(path, identity(), 1)
    assert file.read().excluded == {1}
    file.write_record(1, record(incarnation=4, phase=Phase.JOINING, excluded=True))
    assert file.read().excluded == {1}
    file.write_record(1, record(incarnation=4, sequence=2))
    assert file.read().excluded == frozenset()
    file.close()


def test_an_operator_takes_an_exclusion_back(tmp_path: Path) -> None:
    """Of a daemon that did not join the exclusion is cleared by a notice; of a pool that is not active nothing is."""
    path = tmp_path / "statefile"
    file = made(path)
    with pytest.raises(StatefileError, match="nobody is excluded") as refused:
        clear_excluded(path, identity(), 1, watched(path, identity(), ALONE))
    assert refused.value.code == INVALID
    declare(path, identity(), 0, PoolState.ACTIVE)
    exclude(path, identity(), 1)
    file.write_record(1, record(incarnation=4, phase=Phase.BYE, excluded=True))
    assert file.read().excluded == {1}
    clear_excluded(path, identity(), 1, watched(path, identity(), ALONE))
    assert file.read().excluded == frozenset()
    exclude(path, identity(), 1)
    assert file.read().excluded == {1}
    file.close()


def test_an_exclusion_is_taken_back_by_promise_alone(tmp_path: Path) -> None:
    """Who does not promise is refused; so is the promise where another host writes meanwhile, or nothing is excluded.
    A host that lives without the statefile cannot be seen here: for that there is the promise."""
    path = tmp_path / "statefile"
    file = made(path)
    declare(path, identity(), 0, PoolState.ACTIVE)
    with pytest.raises(StatefileError, match="not excluded"):
        clear_excluded(path, identity(), 1, watched(path, identity(), ALONE))
    exclude(path, identity(), 1)
    with pytest.raises(StatefileError, match="promises: I made sure"):
        watched(path, identity(), "yes")
    file.write_record(2, record(incarnation=4))
    before = watched(path, identity(), ALONE)
    file.write_record(2, record(incarnation=4, sequence=2))
    with pytest.raises(StatefileError, match="index 2 lives"):
        clear_excluded(path, identity(), 1, before)
    assert file.read().excluded == {1}
    clear_excluded(path, identity(), 1, watched(path, identity(), ALONE))
    assert file.read().excluded == frozenset()
    file.close()


def test_xhad_tools_find_their_fields(tmp_path: Path) -> None:
    """Offsets, magic numbers and checksums are those that xhad's tools look for."""
    path = tmp_path / "statefile"
    file = made(path)
    file.write_global(PoolState.ACTIVE, MarkWord(1, 2))
    shown = record(sequence=77, live=frozenset({0, 2}), heard=frozenset({2}), stay=frozenset({0, 1, 2}), request=5)
    file.write_element(2, shown, frozenset({1}))
    data = path.read_bytes()
    assert len(data) == 266_240
    signature, inverse, checksum = struct.unpack_from("<III", data, 0)
    assert (signature, inverse) == (0x6C6F6F70, 0xF2721211)
    assert checksum == sum(struct.unpack_from("<22I", data, 12)) & 0xFFFFFFFF
    assert struct.unpack_from("<I", data, 60) == (PoolState.ACTIVE,)
    assert data[64:96].decode() == identity().hosts[2].hex
    at = SECTION * 3
    signature, inverse, checksum, sequence, index = struct.unpack_from("<5I", data, at)
    assert (signature, inverse, sequence, index) == (0x74736F68, 0xF1719212, 77, 2)
    assert checksum == sum(struct.unpack_from("<154I", data, at + 12)) & 0xFFFFFFFF
    assert struct.unpack_from("<QQQQI", data, at + 576) == (0b101, 0b111, 0b100, 0b010, 1)
    assert struct.unpack_from("<I", data, at + 628) == (0x68646E65,)
    file.close()


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The file is made with mode 0600."""
    made(tmp_path / "statefile").close()
    assert stat.S_IMODE((tmp_path / "statefile").stat().st_mode) == 0o600
