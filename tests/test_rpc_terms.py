"""The durable term: it only rises, survives restarts, and is never guessed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hosts.errors import PoolError
from hosts.rpc.terms import MAX_TERM, TermKeeper


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the term of the test lies."""
    return tmp_path / "term.json"


def test_a_new_host_has_seen_no_term(path: Path) -> None:
    """0, and looking writes nothing."""
    assert TermKeeper(path).term == 0
    assert not path.exists()


def test_it_only_rises_and_survives_a_restart(path: Path) -> None:
    """A lower or equal term changes neither memory nor disk."""
    keeper = TermKeeper(path)
    keeper.raise_to(7)
    keeper.raise_to(3)
    keeper.raise_to(7)
    assert keeper.term == 7
    assert TermKeeper(path).term == 7


def test_a_term_is_in_force_only_once_it_is_on_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and directory are synced; when a sync fails the old term stays in force and the message says which file."""
    synced: list[str] = []
    real = os.fsync

    def noted(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", noted)
    keeper = TermKeeper(path)
    keeper.raise_to(1)
    assert synced == [f"{path}.new", str(path.parent)]

    def broken(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(PoolError, match=r"term\.json: cannot keep term 2: No space left on device"):
        keeper.raise_to(2)
    assert keeper.term == 1
    assert TermKeeper(path).term == 1


NO_TERMS = [
    b"", b"{}", b"7", b'{"format": 2, "term": 1}', b'{"format": 1, "term": true}', b'{"format": 1, "term": -1}',
    b'{"format": 1, "term": 1.0}', b'{"format": 1, "te', b"[" * 1000, b"\xff\xfe", b'{"format": 1, "term": %d}' % 2**53,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_TERMS)
def test_what_is_no_term_is_refused_and_kept(path: Path, text: bytes) -> None:
    """Taking a damaged file for term 0 would obey a master that everybody else has left."""
    path.write_bytes(text)
    with pytest.raises(PoolError, match=r"term\.json: this is no term of format 1; move it away, but only when"):
        TermKeeper(path)
    assert path.read_bytes() == text


def test_a_crash_before_the_rename_leaves_the_old_term(path: Path) -> None:
    """What a torn write leaves behind lies beside the term, and the next one replaces it."""
    TermKeeper(path).raise_to(4)
    path.with_name("term.json.new").write_bytes(b'{"form')
    keeper = TermKeeper(path)
    assert keeper.term == 4
    keeper.raise_to(5)
    assert TermKeeper(path).term == 5


def test_threads_leave_the_highest(path: Path) -> None:
    """Calls in many terms at once: the highest wins on disk too, whatever the order of the writes."""
    keeper = TermKeeper(path)
    threads = [threading.Thread(target=keeper.raise_to, args=(term,)) for term in (3, 9, 1, 8, 2, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.term == TermKeeper(path).term == 9


@pytest.mark.parametrize("term", [-1, MAX_TERM + 1, True])
def test_a_number_that_is_no_term_is_a_mistake_of_the_caller(path: Path, term: int) -> None:
    """It is not written."""
    with pytest.raises(ValueError, match="a term is a whole number"):
        TermKeeper(path).raise_to(term)
    assert not path.exists()
