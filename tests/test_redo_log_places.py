"""Where a redo log may be made and opened: nothing is overwritten, every refusal is one line."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import pytest

from hosts.errors import PoolError
from hosts.redo_log import FileDisk, RedoLog
from hosts.redo_log.format import VERSION, Identity, pack_identity
from tests.redo_disk import HALF, OTHER, POOL, SMALLEST, Writer, value


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
    newer = pack_identity(Identity(VERSION + 1, UUID(POOL), SMALLEST, 2)).ljust(SMALLEST, b"\0")
    cases = {
        "other": (log_file(tmp_path / "other", OTHER).read_bytes(), "of another pool"),
        "truncated": (
            good[:-1],
            f"truncated to {SMALLEST - 1} of {SMALLEST} bytes; restore it, or extend it",
        ),
        "short": (good[:20], "no redo log"),
        "newer": (newer, "format version 4, not 3"),
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
    os.truncate(path, Identity(VERSION, UUID(POOL), SMALLEST, 2).halves + HALF)
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
