"""Incarnations: no number is taken twice, whenever its host dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hosts.daemon.incarnation import take
from hosts.errors import PoolError


def test_a_number_is_above_all_that_is_shown_or_noted(tmp_path: Path) -> None:
    """The statefile may show more, after the host's own disk was lost; or less, after a life without a write."""
    path = tmp_path / "incarnation.json"
    assert [take(path, shown) for shown in (0, 0, 7, 3)] == [1, 2, 8, 9]


def test_a_host_that_dies_before_its_first_write_takes_another_number(tmp_path: Path) -> None:
    """Killed at any moment of its life: what it has told anybody is not told again, though no write ever lands."""
    path, told = tmp_path / "incarnation.json", []
    for _ in range(3):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                while True:
                    os.write(write, b"%d\n" % take(path, 0))
            finally:
                os._exit(1)  # not into the rest of the tests, whatever went wrong
        os.close(write)
        with open(read, "rb") as pipe:
            told += [int(pipe.readline()) for _ in range(5)]
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            told += [int(line) for line in pipe if line.endswith(b"\n")]
    assert told == sorted(set(told))
    assert take(path, 0) > told[-1]


def test_a_disk_that_refuses_gives_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a number that is not on the disk, nor one after a record that cannot be read."""
    path = tmp_path / "incarnation.json"
    take(path, 4)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _refuse)
        with pytest.raises(PoolError, match="cannot be noted"):
            take(path, 4)
    assert take(path, 4) == 6


def test_a_disk_that_takes_a_part_leaves_the_record_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write is no error of the disk's, yet a record that is torn would say no number."""
    path, write = tmp_path / "incarnation.json", os.write
    take(path, 4)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, text: write(fd, text[:9]))
        with pytest.raises(PoolError, match=r"cannot be noted.*only a part"):
            take(path, 4)
    assert take(path, 4) == 6


@pytest.mark.parametrize("said", ["", "{}", "7", '{"incarnation": %s}'])
@pytest.mark.parametrize("number", ["1e999", "NaN", "7.5", '"7"', "true", "-1", "4294967295"])
def test_a_record_without_a_number_gives_none(said: str, number: str, tmp_path: Path) -> None:
    """Whatever it says instead: one clear error, upon which the daemon ends without a lease."""
    path = tmp_path / "incarnation.json"
    path.write_text(said.replace("%s", number))
    with pytest.raises(PoolError, match="does not say"):
        take(path, 4)


def test_a_disk_that_cannot_be_written_is_not_said_to_be_full(tmp_path: Path) -> None:
    """The remedy fits whatever is in the way."""
    with pytest.raises(PoolError, match=r"No such file or directory.*a disk that can be written"):
        take(tmp_path / "gone" / "incarnation.json", 4)


def _refuse(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
