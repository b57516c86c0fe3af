"""Host variables in a file: durable before a commit returns, whole at any crash, never guessed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hosts.agent.host_store import JsonHostStore
from hosts.errors import PoolError


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    """Values are merged: a commit names only what has changed."""
    store = JsonHostStore(tmp_path / "host.json")
    assert store.load() == {}
    store.commit({"armed": True, "seen": [0, 2]})
    store.commit({"armed": False, "role": None})
    again = JsonHostStore(tmp_path / "host.json")
    assert again.load() == store.load() == {"armed": False, "seen": [0, 2], "role": None}
    assert str(again) == str(tmp_path / "host.json")


def test_the_caller_cannot_change_what_is_kept(tmp_path: Path) -> None:
    """`load` gives a copy."""
    store = JsonHostStore(tmp_path / "host.json")
    store.commit({"armed": True})
    dict.update(store.load(), armed=False)
    assert store.load() == {"armed": True}


def test_the_file_and_its_name_are_on_the_disk_before_a_commit_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file first, then its name takes the old one's place, then the directory."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(fd: int) -> None:
        done.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def note_replace(path: Path, target: Path) -> Path:
        done.append(f"rename {path.name} {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    JsonHostStore(tmp_path / "host.json").commit({"armed": True})
    assert done == ["fsync host.json.new", "rename host.json.new host.json", f"fsync {tmp_path.name}"]


def test_a_crash_before_the_rename_leaves_the_old_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a new file beside it is of no interest, and is written over by the next commit."""
    path = tmp_path / "host.json"
    store = JsonHostStore(path)
    store.commit({"role": 1})

    def crash(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(PoolError, match=r"host\.json: cannot keep the host variables: No space left on device; make"):
        store.commit({"role": 2})
    monkeypatch.undo()
    assert store.load() == JsonHostStore(path).load() == {"role": 1}
    store.commit({"role": 2})
    assert JsonHostStore(path).load() == {"role": 2}


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 1}',
        b'{"format": 2, "host": {}}',
        b'{"format": true, "host": {}}',
        b'{"format": 1, "host": []}',
        b'{"format": 1, "host": {"armed": true}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_refused_with_a_remedy_and_kept(tmp_path: Path, garbage: bytes) -> None:
    """One line that names the file; the file stays as it was found."""
    path = tmp_path / "host.json"
    path.write_bytes(garbage)
    with pytest.raises(
        PoolError, match=r"^.*host\.json: these are no host variables of format 1; restore .*$"
    ) as error:
        JsonHostStore(path)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == garbage


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A directory stands there; it is not taken for a host without variables."""
    (tmp_path / "host.json").mkdir()
    with pytest.raises(
        PoolError, match=r"host\.json: cannot read the host variables: Is a directory; make it readable"
    ):
        JsonHostStore(tmp_path / "host.json")


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    """A version and the values by name, sorted."""
    JsonHostStore(tmp_path / "host.json").commit({"role": 0, "armed": True})
    text = (tmp_path / "host.json").read_text()
    assert json.loads(text) == {"format": 1, "host": {"armed": True, "role": 0}}
    assert text.index("armed") < text.index("role")
