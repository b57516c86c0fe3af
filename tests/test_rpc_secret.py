"""The pool's secret: only its owner can read it, and nothing else is taken for one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hosts.errors import PoolError
from hosts.secret import create_secret, read_secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the secret of the test lies."""
    return tmp_path / "pool.secret"


def test_what_is_created_is_read_back(path: Path) -> None:
    """64 hexadecimal digits, the same from both functions, different for each pool."""
    secret = create_secret(path)
    assert read_secret(path) == secret
    assert len(bytes.fromhex(secret)) == 32
    assert create_secret(path.with_name("other")) != secret


def test_only_the_owner_can_read_it_whatever_the_umask(path: Path) -> None:
    """Mode 0600 from the first moment, also where new files are open to everybody."""
    before = os.umask(0)
    try:
        create_secret(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_secret_is_never_overwritten(path: Path) -> None:
    """A second creation is refused and says so; the first secret stays."""
    secret = create_secret(path)
    with pytest.raises(PoolError, match=r"pool\.secret: there is a pool secret already; nothing was overwritten"):
        create_secret(path)
    assert read_secret(path) == secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_secret_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    """One bit for group or others is enough, and the message has the command that mends it."""
    create_secret(path)
    path.chmod(mode)
    with pytest.raises(PoolError, match=rf"mode {mode:04o}.*chmod 600 {path}"):
        read_secret(path)


@pytest.mark.parametrize(
    "text", [b"", b"ab" * 31, b"ab" * 33, b"xy" * 32, b"AB" * 32, b"ab" * 32 + b"\n\n", b"\xff" * 64]
)
def test_what_is_no_secret_is_refused(path: Path, text: bytes) -> None:
    """Too short, too long, no digits: one line with the file and the remedy."""
    path.touch(0o600)
    path.write_bytes(text)
    with pytest.raises(PoolError, match=r"pool\.secret: a pool secret is 64 hexadecimal digits; copy it again"):
        read_secret(path)


def test_a_missing_secret_is_refused(path: Path) -> None:
    """The message names the file."""
    with pytest.raises(PoolError, match=r"pool\.secret: there is no pool secret; copy it"):
        read_secret(path)


def test_a_pipe_or_directory_in_its_place_is_refused_at_once(path: Path) -> None:
    """A named pipe without a writer would block a plain open for ever."""
    os.mkfifo(path, 0o600)
    with pytest.raises(PoolError, match="no regular file"):
        read_secret(path)
    with pytest.raises(PoolError, match="no regular file"):
        read_secret(path.parent)


def test_a_directory_that_is_not_there_is_one_message(path: Path) -> None:
    """No traceback of the operating system's reaches a user."""
    with pytest.raises(PoolError, match="cannot make the pool secret: No such file or directory; make its directory"):
        create_secret(path / "below")
