"""A file that is not this pool's statefile, or is none any more, is refused in one line and left as it is."""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import uuid4

import pytest

from hosts.daemon.layout import FILE_SIZE, SECTION, SECTOR
from hosts.daemon.statefile import (
    NO_STATEFILE,
    OF_ANOTHER,
    OF_NO_POOL,
    StatefileError,
    create_statefile,
    open_statefile,
    write_obituary,
)
from tests.test_statefile import identity, made


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
    for use in (lambda: create_statefile(path, identity(), 0), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match=says) as refused:
            use()
        assert refused.value.code == code
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
    with pytest.raises(StatefileError, match=says):
        write_obituary(path, 0, 1)
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", [2 * SECTOR, SECTION, SECTION * 4, FILE_SIZE - 1])
def test_truncated_statefile_is_refused_untouched(tmp_path: Path, length: int) -> None:
    """A statefile cut short is told from one that was never made, and stays as it is."""
    content = whole(tmp_path)[:length]
    path = tmp_path / "statefile"
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity(), 0), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match="truncated statefile"):
            use()
    assert path.read_bytes() == content


@pytest.mark.parametrize("at", [512, 513, 518, 521, 525, 539])
def test_corrupted_global_section_is_refused_untouched(tmp_path: Path, at: int) -> None:
    """A changed byte in the sector that names the pool is found before anything is written."""
    content = bytearray(whole(tmp_path))
    content[at] ^= 0x40
    path = tmp_path / "statefile"
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity(), 0), lambda: open_statefile(path, identity())):
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
    for use in (lambda: create_statefile(path, other, 0), lambda: open_statefile(path, other)):
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
        create_statefile(tmp_path / "none" / "statefile", identity(), 0)


def test_file_truncated_under_a_daemon_is_a_failed_read(tmp_path: Path) -> None:
    """Truncation or wiping after the start is an I/O error of that turn, not an empty pool."""
    path = tmp_path / "statefile"
    file = made(path)
    with path.open("r+b") as raw:
        raw.write(bytes(2 * SECTOR))
    with pytest.raises(OSError, match="wiped or truncated"):
        file.read()
    path.write_bytes(b"")
    with pytest.raises(OSError, match="wiped or truncated"):
        file.read()
    file.close()


@pytest.mark.parametrize("version", [1, 3])
def test_another_format_is_refused_in_one_line(tmp_path: Path, version: int) -> None:
    """A statefile of an older or newer program is not touched, and the message says what to do."""
    path = tmp_path / "statefile"
    content = bytearray(whole(tmp_path))
    block = struct.pack("<IH", 0x31495653, version)
    if version == 1:
        content[SECTOR : 2 * SECTOR] = bytes(SECTOR)
        content[128 : 128 + len(block)] = block
    else:
        content[SECTOR : SECTOR + len(block)] = block
    path.write_bytes(content)
    for use in (lambda: create_statefile(path, identity(), 0), lambda: open_statefile(path, identity())):
        with pytest.raises(StatefileError, match=f"format {version}, and this program reads format 2; disable") as no:
            use()
        assert no.value.code == OF_NO_POOL
        assert "\n" not in str(no.value)
    assert path.read_bytes() == bytes(content)
