"""The pool database: changes are deltas, durable before they are visible; garbage is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from hosts.database import Database, DatabaseStore, Host, Pool, Vm
from hosts.errors import PoolError
from hosts.redo_log import Disk, RedoLog, RedoLogBroken, StaleTerm

POOL = "7d0f5a9e-3c3b-4a53-9d5b-0b8f6f6c2a11"
SMALL = Database(
    Pool(POOL, "demo"),
    {index: Host(index, f"h{index}", f"host{index}", f"127.0.0.1:{9000 + index}", 4096) for index in (0, 1)},
    {name: Vm(f"u-{name}", name, 512, "restart", order=1, start_delay=0.5) for name in ("vm1", "vm2")},
    {"ha": "off", "restart[vm1].bad": []},
)
NEW_VM = {"uuid": "u9", "name": "vm9", "memory": 256}


# --- the value ------------------------------------------------------------------------------------


def test_a_change_sets_what_it_names_and_nothing_else() -> None:
    """Named fields are set, the others stay, the generation rises by one and the old value is untouched."""
    before = SMALL.to_json()
    after = SMALL.change(
        {
            "pool": {"name": "renamed"},
            "vms": {"vm1": {"order": -1, "restart_priority": "best-effort"}, "vm9": NEW_VM},
            "hosts": {"1": {"address": "127.0.0.1:7"}},
            "variables": {"restart[vm1].bad": [0, 1], "fresh": None},
        }
    )
    assert after.pool == evolve(SMALL.pool, name="renamed", generation=1)
    assert after.vms["vm1"] == evolve(SMALL.vms["vm1"], order=-1, restart_priority="best-effort")
    assert (after.vms["vm2"], after.vms["vm9"]) == (SMALL.vms["vm2"], Vm("u9", "vm9", 256))
    assert after.hosts == {0: SMALL.hosts[0], 1: evolve(SMALL.hosts[1], address="127.0.0.1:7")}
    assert after.variables == {"ha": "off", "restart[vm1].bad": [0, 1], "fresh": None}
    assert SMALL.to_json() == before


def test_a_database_survives_its_json_form() -> None:
    """What `to_json` gives is JSON, and gives the same database back."""
    text = json.dumps(SMALL.change({"vms": {"vm1": {"order": 3}}}).under(7).to_json())
    again = Database.from_json(json.loads(text), "copy")
    assert (again.pool.term, again.pool.generation, again.vms["vm1"].order) == (7, 1, 3)
    assert json.dumps(again.to_json()) == text


def test_nothing_outside_can_change_a_database() -> None:
    """Neither its tables nor the lists that a delta brought can be altered afterwards."""
    bad = [0]
    database = SMALL.change({"variables": {"bad": bad}})
    bad.append(1)
    assert database.variables["bad"] == [0]
    with pytest.raises(TypeError):
        database.vms["vm3"] = database.vms["vm1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ({"vm": {}}, "'vm' is no table; there are pool, hosts, vms, variables"),
        ({"vms": ["vm1"]}, "vms: an object is needed, not ['vm1']"),
        ({"vms": {"vm1": 3}}, "vms.vm1: an object of fields is needed, not 3"),
        ({"vms": {"vm1": {"memory": "512"}}}, "vms.vm1.memory: '512' is no int"),
        ({"vms": {"vm1": {"memory": True}}}, "vms.vm1.memory: True is no int"),
        ({"vms": {"vm1": {"memory": 0}}}, "vms.vm1: 'memory' must be > 0: 0"),
        ({"vms": {"vm1": {"start_delay": "1"}}}, "vms.vm1.start_delay: '1' is no float"),
        ({"vms": {"vm1": {"restart_priority": "high"}}}, "vms.vm1.restart_priority: high not in literal"),
        ({"vms": {"vm1": {"ordre": 1}}}, "vms.vm1: 'ordre' is no field of it"),
        ({"vms": {"vm1": {"name": "vm2"}}}, "vms.vm1.name: 'vm2', not its key 'vm1'"),
        ({"vms": {"vm7": {"order": 1}}}, "vms.vm7.uuid: is missing"),
        ({"hosts": {"x": {}}}, "hosts.x: a host's key is its index"),
        ({"hosts": {"0": {"index": 1}}}, "hosts.0.index: 1, not its key 0"),
        ({"pool": {"ha": "on"}}, "pool: 'ha' is no field of it"),
        ({"pool": {"generation": 9}}, "pool.generation: is not set by a change"),
        ({"pool": {"term": 9}}, "pool.term: is not set by a change"),
        ({"pool": {"name": 3}}, "pool.name: 3 is no str"),
        ({"variables": {"ha": {1, 2}}}, "set is not JSON serializable; only JSON values can be recorded"),
        ({"variables": {"ha": float("nan")}}, "only JSON values can be recorded"),
        ({"variables": {"ha": "\ud800"}}, "only JSON values can be recorded"),
        ({"vms": {"a\nb": {"x": 1}}}, "vms.'a\\nb'"),
        ([1], "a JSON object is needed, not [1]"),
    ],
)
def test_garbage_in_a_change_is_refused(delta: Any, message: str) -> None:
    """Each mistake gets one line that says where it is, and the database stays as it is."""
    with pytest.raises(PoolError) as refusal:
        SMALL.change(delta)
    assert str(refusal.value).startswith("database change: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


KEYS = st.sampled_from(["pool", "ha", "hosts", "0", "vms", "vm1", "memory", "order", "variables"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_garbage_gives_a_database_or_a_message(delta: Any) -> None:
    """Whatever JSON comes as a delta: a good database, or one message."""
    try:
        after = SMALL.change(delta)
    except PoolError:
        return
    assert Database.from_json(after.to_json(), "copy") == after


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "database format None, not 1"),
        ({"version": 2}, "database format 2, not 1"),
        ({"version": 1}, "pool.uuid: is missing"),
        (SMALL.to_json() | {"extra": {}}, "'extra' is no table"),
    ],
)
def test_what_is_no_database_is_refused(content: dict[str, object], message: str) -> None:
    """Another version, or another object, is not taken for a database."""
    with pytest.raises(PoolError, match=r"^copy: ") as refusal:
        Database.from_json(content, "copy")
    assert message in str(refusal.value)


# --- the store ------------------------------------------------------------------------------------


@define
class FailingDisk:
    """A disk whose writes fail while `failing`."""

    disk: Disk
    failing: bool = False

    def read(self, offset: int, length: int) -> bytes:
        return self.disk.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        if self.failing:
            raise OSError("I/O error")
        self.disk.write(offset, data)

    def close(self) -> None:
        self.disk.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log that was made and never begun."""
    RedoLog.create(tmp_path / "redo.log", POOL, 1 << 16).close()
    return tmp_path / "redo.log"


@pytest.fixture
def log(path: Path) -> Iterator[RedoLog]:
    """This process's handle on it."""
    log = RedoLog.open(path, POOL)
    yield log
    log.close()


def on_disk(path: Path) -> Database | None:
    """What another process finds in the log."""
    log = RedoLog.open(path, POOL)
    database = Database.from_replay(log.read(), log.place)
    log.close()
    return database


def test_a_commit_is_on_disk_when_it_is_visible(path: Path, log: RedoLog) -> None:
    """Each commit can be read back by another process at once, also when the log goes from half to half."""
    store = DatabaseStore.start(log, 1, SMALL)
    for number in range(200):
        after = store.commit({"variables": {"number": number, "pad": "x" * 400}})
        assert after is store.database
        if number % 20 == 0:
            assert on_disk(path) == after
    assert (on_disk(path), store.database.pool.generation) == (store.database, 200)


def test_a_new_master_has_every_acknowledged_change(path: Path, log: RedoLog) -> None:
    """A take-over replays the log under a higher term, and the master before is refused from then on."""
    old = DatabaseStore.start(log, 1, SMALL)
    old.commit({"vms": {"vm1": {"order": 5}}})
    rival = RedoLog.open(path, POOL)
    new = DatabaseStore.take_over(rival, 5)
    assert new.database == old.database.under(5)
    with pytest.raises(StaleTerm):
        old.commit({"vms": {"vm1": {"order": 7}}})
    new.commit({"vms": {"vm1": {"order": 7}}})
    assert old.database.vms["vm1"].order == 5
    assert on_disk(path) == new.database
    rival.close()


def test_no_change_is_acknowledged_while_the_log_is_broken(path: Path, log: RedoLog) -> None:
    """A failed write makes every commit fail, unseen, until the store is mended (S7)."""
    store = DatabaseStore.start(log, 1, SMALL)
    log._port.disk = disk = FailingDisk(log._port.disk, failing=True)
    for _ in range(2):
        with pytest.raises(RedoLogBroken):
            store.commit({"vms": {"vm1": {"order": 0}}})
    with pytest.raises(RedoLogBroken):
        store.mend()
    assert "I/O error" in str(store.broken)
    disk.failing = False
    with pytest.raises(RedoLogBroken):
        store.commit({"vms": {"vm1": {"order": 0}}})
    assert store.database == SMALL.under(1) == on_disk(path)
    store.mend()
    assert not store.broken
    assert store.commit({"vms": {"vm1": {"order": 7}}}) == on_disk(path)


def test_a_wrong_change_is_not_written(path: Path, log: RedoLog) -> None:
    """A delta that the database refuses breaks nothing and leaves no trace in the log."""
    store = DatabaseStore.start(log, 1, SMALL)
    content = path.read_bytes()
    with pytest.raises(PoolError, match="3 is no str"):
        store.commit({"pool": {"name": 3}})
    assert path.read_bytes() == content
    store.commit({"pool": {"name": "renamed"}})


def test_a_takeover_that_failed_can_be_repeated(path: Path, log: RedoLog) -> None:
    """A new master whose first try met a failing disk tries again under the same term."""
    DatabaseStore.start(log, 1, SMALL)
    rival = RedoLog.open(path, POOL)
    rival._port.disk = disk = FailingDisk(rival._port.disk, failing=True)
    with pytest.raises(RedoLogBroken):
        DatabaseStore.take_over(rival, 2)
    disk.failing = False
    assert DatabaseStore.take_over(rival, 2).database == SMALL.under(2) == on_disk(path)
    rival.close()


def test_an_empty_log_cannot_be_taken_over(log: RedoLog) -> None:
    """There is nothing to be master of; the pool's own database starts the log."""
    with pytest.raises(PoolError, match=r"redo log: it holds no database; start it"):
        DatabaseStore.take_over(log, 1)
    DatabaseStore.start(log, 2, SMALL)
