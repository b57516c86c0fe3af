"""A pool on disk: made once, nothing overwritten, and whatever is wrong with it is one line."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hosts.agent.host_store import JsonHostStore
from hosts.agent.process import main
from hosts.daemon.statefile import read_generation
from hosts.database import Database
from hosts.errors import PoolError
from hosts.host import _specs
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile, VmEntry
from hosts.redo_log import RedoLog
from hosts.secret import read_secret

FILE = PoolFile.default(3, 4)


@pytest.fixture
def pool(tmp_path_factory: pytest.TempPathFactory) -> PoolDir:
    """A pool that was made."""
    return PoolDir.create(tmp_path_factory.mktemp("p") / "p", FILE, 2.0)


def test_a_pool_is_found_again_as_it_was_made(pool: PoolDir) -> None:
    """`open` gives what `create` gave, and its description is the one that it was made from."""
    assert PoolDir.open(pool.path) == pool
    assert (pool.file, pool.timeout, pool.name) == (FILE, 2.0, FILE.name)


def test_everything_that_hosts_need_is_there(pool: PoolDir) -> None:
    """Secret for its owner alone, statefile and redo log of this pool, host variables; ports that differ."""
    assert read_secret(pool.secret)
    assert stat.S_IMODE(pool.secret.stat().st_mode) == 0o600
    assert read_generation(pool.statefile).serves(pool.settings(1).identity)
    log = RedoLog.open(pool.redo_log, str(pool.uuid))
    database = Database.from_replay(log.read(), "redo log")
    log.close()
    assert database is not None
    assert (database.pool.term, [vm.memory for vm in database.vms.values()]) == (1, [vm.memory for vm in FILE.vms])
    assert json.loads((pool.host_dir(2) / "host.json").read_text())["host"] == {"role": 0, "armed": False, "reign": 1}
    ports = [host.agent for host in pool.hosts] + [host.daemon for host in pool.hosts]
    assert len(set(ports)) == 6
    assert str(pool.address(1)) == database.hosts[1].address


def test_a_directory_that_holds_anything_is_left_alone(pool: PoolDir, tmp_path: Path) -> None:
    """Neither a pool nor a stray file is overwritten."""
    (tmp_path / "mine").write_text("precious")
    for path in (pool.path, tmp_path):
        before = sorted(path.rglob("*"))
        with pytest.raises(PoolError, match="something is there already; nothing was overwritten"):
            PoolDir.create(path, FILE, 2.0)
        assert sorted(path.rglob("*")) == before


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A path in a file, a timeout without room for a lease, a path too long for sockets: one line, nothing made."""
    (tmp_path / "file").write_text("")
    for path, timeout, message in (
        (tmp_path / "file" / "p", 2.0, "no pool can be made here: Not a directory; name a directory you can write"),
        (tmp_path / "p", 0.1, "timeout 0.1 s leaves no room for a lease"),
        (tmp_path / ("x" * 100), 2.0, "too long for a unix socket"),
    ):
        with pytest.raises(PoolError, match=message):
            PoolDir.create(path, FILE, timeout)
        assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    """One line that says what to do about it."""
    tmp_path.chmod(0o500)
    with pytest.raises(PoolError, match="Permission denied; name a directory you can write"):
        PoolDir.create(tmp_path, FILE, 2.0)


def _set(path: tuple[Any, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        inner: Any = said
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.pop("uuid"), "uuid"),
        (_set(("format",), 2), "no pool in format 1"),
        (_set(("uuid",), "no"), "UUID"),
        (_set(("hosts",), []), "hosts"),
        (_set(("hosts", 0, "agent"), 0), "agent"),
        (_set(("hosts", 0, "name"), "../x"), "name"),
        (_set(("hosts", 1, "memory"), "much"), "memory"),
        (_set(("timeout",), 0.01), "timeout"),
        (_set(("more",), 1), "more"),
    ],
)
def test_a_spoilt_description_is_refused_with_the_place(
    pool: PoolDir, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    """One line that names the file and what is wrong in it."""
    place = pool.path / "pool.json"
    said = json.loads(place.read_text())
    change(said)
    place.write_text(json.dumps(said))
    with pytest.raises(PoolError, match=message) as refusal:
        PoolDir.open(pool.path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_garbage_is_no_pool(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, the answer is one line."""
    (tmp_path / "pool.json").write_bytes(content)
    with pytest.raises(PoolError, match=r"pool\.json: this describes no pool in format 1; restore it"):
        PoolDir.open(tmp_path)
    with pytest.raises(PoolError, match="there is no pool here; name the directory of one"):
        PoolDir.open(tmp_path / "nothing")


def test_a_redo_log_has_room_for_a_thousand_vms(tmp_path: Path) -> None:
    """The log grows with the database that it has to hold twice."""
    vms = tuple(VmEntry(f"vm{number}", 512) for number in range(1000))
    large = PoolDir.create(tmp_path / "p", evolve(FILE, vms=vms), 2.0)
    assert large.redo_log.stat().st_size > 1_000_000


def test_an_agent_says_in_a_line_which_value_of_its_host_it_cannot_have(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log names the file, the variable, the value and the domain; no traceback, and the file stays."""
    pool = PoolDir.create(tmp_path / "p", FILE, 2.0)
    path = pool.host_dir(0) / "host.json"
    JsonHostStore(path).commit({"role": 9})
    with pytest.raises(SystemExit) as ended:
        main(pool, 0, *_specs(2.0))
    assert ended.value.code == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f" agent: {path}: role = 9 is no host of a pool of {len(pool.hosts)}; put it right there" in said
    assert JsonHostStore(path).load()["role"] == 9
