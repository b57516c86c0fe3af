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

from hosts.daemon.layout import (
    FILE_SIZE,
    MAX_HOSTS,
    NOTICE_AT,
    OBITUARY_AT,
    RECORD_AT,
    SECTION,
    SECTOR,
    Damaged,
    Identity,
    MarkWord,
    Phase,
    PoolState,
    Record,
    pack_record,
    unpack_record,
)
from hosts.daemon.statefile import (
    INVALID,
    NO_STATEFILE,
    OF_ANOTHER,
    OF_NO_POOL,
    Statefile,
    StatefileError,
    create_statefile,
    declare,
    exclude,
    open_statefile,
    write_obituary,
)

POOL = UUID("6f1c3d5e-0a4b-4c8d-9e2f-112233445566")


def identity(n: int = 3, pool: UUID = POOL, generation: UUID | None = None) -> Identity:
    """The identity of a pool of `n` hosts."""
    return Identity(pool, generation or uuid5(pool, "first"), tuple(uuid5(pool, f"host {i}") for i in range(n)))


def made(path: Path, of: Identity | None = None) -> Statefile:
    """A new statefile, open."""
    create_statefile(path, of or identity())
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
    sector = pack_record(owner, b"12345678", written)
    assert len(sector) == SECTOR
    assert unpack_record(owner, sector) == (b"12345678", written)


@given(records, st.integers(0, SECTOR - 1), st.integers(1, 255))
def test_no_flipped_byte_is_believed(written: Record, at: int, flip: int) -> None:
    """A record with any one byte changed is damage, never another record."""
    sector = bytearray(pack_record(3, b"12345678", written))
    sector[at] ^= flip
    with pytest.raises(Damaged):
        unpack_record(3, bytes(sector))


@given(records, records, st.integers(1, SECTOR - 1))
def test_torn_sector_is_never_a_mixture(old: Record, new: Record, at: int) -> None:
    """A sector that is half old and half new is damage, or exactly one of the two."""
    torn = pack_record(0, b"12345678", new)[:at] + pack_record(0, b"12345678", old)[at:]
    try:
        found = unpack_record(0, torn)
    except Damaged:
        return
    assert found in [(b"12345678", old), (b"12345678", new)]


def test_misplaced_record_is_damage() -> None:
    """A record found in another host's element is not that host's."""
    with pytest.raises(Damaged):
        unpack_record(1, pack_record(0, b"12345678", record()))


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
    create_statefile(path, identity(generation=uuid4()))
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
    assert NOTICE_AT - OBITUARY_AT == SECTOR
    file.close()


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The file is made with mode 0600."""
    made(tmp_path / "statefile").close()
    assert stat.S_IMODE((tmp_path / "statefile").stat().st_mode) == 0o600


def whole(tmp_path: Path) -> bytes:
    """The bytes of a statefile as it was made."""
    made(tmp_path / "good").close()
    return (tmp_path / "good").read_bytes()


@pytest.mark.parametrize(
    ("content", "says", "code"),
    [
        (b"precious data of somebody else".ljust(4096, b"."), "not a statefile, or corrupted", OF_NO_POOL),
        (b"x", "not a statefile, or corrupted", OF_NO_POOL),
    ],
)
def test_a_file_that_is_something_else_is_refused_untouched(
    tmp_path: Path, content: bytes, says: str, code: int
) -> None:
    """Neither create nor open touches a file that holds something else; the message is one line with the path."""
    path = tmp_path / "statefile"
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity()), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match=says) as refused:
            use()
        assert refused.value.code == code
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
    with pytest.raises(StatefileError, match=says):
        write_obituary(path, 0, 1)
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", [SECTOR, SECTION, SECTION * 4, FILE_SIZE - 1])
def test_truncated_statefile_is_refused_untouched(tmp_path: Path, length: int) -> None:
    """A statefile cut short is told from one that was never made, and stays as it is."""
    content = whole(tmp_path)[:length]
    path = tmp_path / "statefile"
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity()), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match="truncated statefile"):
            use()
    assert path.read_bytes() == content


@pytest.mark.parametrize("at", [0, 5, 9, 13, 30, 60, 97, 129, 140, 170])
def test_corrupted_global_section_is_refused_untouched(tmp_path: Path, at: int) -> None:
    """A changed byte anywhere in the global section is found before anything is written."""
    content = bytearray(whole(tmp_path))
    content[at] ^= 0x40
    path = tmp_path / "statefile"
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity()), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match="corrupted") as refused:
            use()
        assert refused.value.code == OF_NO_POOL
    assert path.read_bytes() == bytes(content)


def test_statefile_of_another_pool_is_refused_untouched(tmp_path: Path) -> None:
    """Another pool's file is neither opened nor made over."""
    path = tmp_path / "statefile"
    made(path).close()
    before = path.read_bytes()
    other = identity(pool=uuid4())
    for use in (lambda: create_statefile(path, other), lambda: open_statefile(path, other)):
        with pytest.raises(StatefileError, match="another pool") as refused:
            use()
        assert refused.value.code == OF_ANOTHER
    assert path.read_bytes() == before


def test_other_hosts_or_generation_is_not_opened(tmp_path: Path) -> None:
    """A daemon with another configuration than the file's does not start on it."""
    path = tmp_path / "statefile"
    made(path).close()
    with pytest.raises(StatefileError, match="made for other hosts"):
        open_statefile(path, identity(n=4))
    with pytest.raises(StatefileError, match="another enabling"):
        open_statefile(path, identity(generation=uuid4()))


def test_missing_or_forbidden_statefile_has_xhads_exit_code(tmp_path: Path) -> None:
    """A missing file is exit code 8, and a directory that does not exist is said so, without a traceback."""
    with pytest.raises(StatefileError, match="cannot open the statefile: No such file") as refused:
        open_statefile(tmp_path / "none", identity())
    assert refused.value.code == NO_STATEFILE
    with pytest.raises(StatefileError, match="cannot make the statefile"):
        create_statefile(tmp_path / "none" / "statefile", identity())


def test_file_truncated_under_a_daemon_is_a_failed_read(tmp_path: Path) -> None:
    """Truncation or wiping after the start is an I/O error of that turn, not an empty pool."""
    path = tmp_path / "statefile"
    file = made(path)
    with path.open("r+b") as raw:
        raw.write(bytes(SECTOR))
    with pytest.raises(OSError, match="wiped or truncated"):
        file.read()
    path.write_bytes(b"")
    with pytest.raises(OSError, match="wiped or truncated"):
        file.read()
    file.close()
