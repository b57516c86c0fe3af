"""The kernel of pools: everything in arrays is what the plain rules say, state by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fsm.errors import SpecError
from fsm.explore.any_world import AnyWorld, Unknown
from fsm.explore.joint import JointState
from fsm.explore.pool_kernel import PoolKernel
from fsm.explore.pool_space import PoolSpace
from fsm.explore.pool_tables import PoolTables
from fsm.explore.system import System
from fsm.explore.world_words import each
from fsm.language.load import Library
from fsm.search.fast import FastSearch
from fsm.search.memo import Memo
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits
from tests.chance_definitions import item

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).parent / "data" / "toys" / "systems"


def space_of(path: Path, **settings: object) -> PoolSpace:
    """A system with settings such as `hosts=3` or `faults_loss=1`."""
    system = System.load(path)
    for name, value in settings.items():
        system = system.with_setting(name.replace("_", "."), str(value))
    return PoolSpace(system)


SMALL = [
    (TOYS / "ring.yaml", {"hosts": 3, "faults_duplicate": 2}),
    (TOYS / "careless.yaml", {"hosts": 3}),
    (TOYS / "asking.yaml", {"operator_asker_go": 1, "faults_loss": 1, "faults_late": 1}),
    (TOYS / "asking.yaml", {"operator_asker_go": 1, "faults_outage": 1, "faults_crash": 1}),
    (TOYS / "asking.yaml", {"hosts": 1, "faults_loss": "any", "faults_outage": "any", "faults_restart": "any"}),
    (ROOT / "specs/systems/failover.yaml", {"faults_restart": 0, "faults_boot": 1}),
    (
        ROOT / "specs/systems/enable.yaml",
        {"faults_crash": 0, "faults_restart": 0, "faults_late": 0, "faults_loss": 0, "faults_statefile": 0},
    ),
    (ROOT / "specs/systems/lock.yaml", {"faults_boot": 1}),
    (ROOT / "specs/systems/lease.yaml", {"faults_stop": 0, "faults_crash": 0, "hosts": 2}),
]

COUNTED = [f"faults_{kind}" for kind in ("crash", "restart", "boot", "loss", "late", "statefile", "back")]


def moves_by_rules(space: PoolSpace, states: Iterable[JointState]) -> Counter[object]:
    """(source, target, group, fault) of every move that changes something, and refusals."""
    found: Counter[object] = Counter()
    for state in states:
        for edge in space.edges(state):
            if edge.refused is not None:
                found[state, edge.refused] += 1
            elif edge.target != state:
                found[state, edge.target, edge.group, edge.fault] += 1
    return found


def moves_by_kernel(kernel: PoolKernel, states: np.ndarray) -> Counter[object]:
    """The same, of packed states."""
    found: Counter[object] = Counter()
    whole = [kernel.unpack(int(state)) for state in states]
    for batch in kernel.expand(states):
        groups = np.broadcast_to(batch.group, batch.targets.shape)
        for source, target, group in zip(batch.sources.tolist(), batch.targets.tolist(), groups.tolist(), strict=True):
            found[whole[source], kernel.unpack(target), *kernel.groups[group]] += 1
        for source, message in batch.refused:
            found[whole[source], message] += 1
    return found


@pytest.mark.parametrize(("path", "settings"), SMALL)
def test_both_searches_find_the_same(path: Path, settings: dict[str, object]) -> None:
    """States, moves, levels, rows, refusals, and where each property is decided."""
    space = space_of(path, **settings)
    plain, fast = ReferenceSearch(space), FastSearch(PoolKernel(space), symmetry=False)
    assert plain.run(Limits(), None, False)
    assert fast.run(Limits(), None, False)
    for name in ("distinct", "generated", "edges", "depth", "needs_seen"):
        assert getattr(plain, name) == getattr(fast, name), name
    assert set(plain.fired) == set(fast.fired)
    assert set(plain.refused) == set(fast.refused)
    assert set(plain.settled) == set(fast.settled)
    assert {fast.state(int(key)) for level in fast.order for key in level} == set(plain.parents)


@pytest.mark.parametrize(("path", "settings"), [SMALL[2], SMALL[6]])
def test_rows_of_many_words_find_the_same(
    path: Path, settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each number of an inside and of a world in a word of its own, as where they are many."""
    narrow = FastSearch(PoolKernel(space_of(path, **settings)), symmetry=False)
    monkeypatch.setattr("fsm.explore.world_words.IN_WORD", 1)
    wide = FastSearch(PoolKernel(space_of(path, **settings)), symmetry=False)
    for search in (narrow, wide):
        assert search.run(Limits(), None, False)
    assert [level.tolist() for level in wide.order] == [level.tolist() for level in narrow.order]
    assert (wide.generated, wide.edges, wide.settled) == (narrow.generated, narrow.edges, narrow.settled)


@pytest.mark.parametrize(("path", "settings"), SMALL)
def test_moves_and_what_is_seen_are_those_of_the_rules(path: Path, settings: dict[str, object]) -> None:
    """Groups, faults and targets of every move out of some hundred states; observations; what is stuck."""
    space = space_of(path, **settings)
    kernel = PoolKernel(space)
    search = FastSearch(kernel, symmetry=False)
    search.run(Limits(states=300), None, False)
    packed = np.concatenate(search.order)[:300]
    states = [kernel.unpack(int(state)) for state in packed]
    assert [kernel.pack(state) for state in states] == packed.tolist()
    assert moves_by_kernel(kernel, packed) == moves_by_rules(space, states)
    assert kernel.stuck(packed).tolist() == [all(e.fault is not None for e in space.edges(state)) for state in states]
    seen = kernel.see(packed)
    for property_ in space.properties:
        if property_.kind == "step":
            after = np.roll(seen, 1)
            expected = [space.holds(property_, "text", s, states[i - 1]) for i, s in enumerate(states)]
            assert kernel.holds(property_, "text", seen, after).tolist() == expected
        else:
            expected = [space.holds(property_, "text", state) for state in states]
            assert kernel.holds(property_, "text", seen).tolist() == expected


def test_fields_that_are_too_narrow_are_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that begins with no room for what it finds comes to the same end."""
    space = space_of(TOYS / "asking.yaml", operator_asker_go=1, faults_loss=1)
    monkeypatch.setattr("fsm.explore.pool_kernel.FIRST_BITS", 3)
    kernel = PoolKernel(space)
    bits = kernel.bits
    search, plain = FastSearch(kernel, symmetry=False), ReferenceSearch(space)
    assert search.run(Limits(), None, False)
    assert plain.run(Limits(), None, False)
    assert (search.distinct, search.edges, search.generated) == (plain.distinct, plain.edges, plain.generated)
    assert kernel.bits > bits


class FirstAlone(AnyWorld):
    """Nothing but the first host runs."""

    def alive(self, w: Unknown, host: int) -> bool:
        return host == 0


@pytest.mark.parametrize("hosts", [7, 8])
def test_many_hosts_that_wait_for_many_things_are_not_taken_for_each_other(hosts: int) -> None:
    """Four machines wait for 128 combinations of operations: of many hosts, each has few bits for what it waits for."""
    operations = {"a": 3, "b": 3, "c": 3, "d": 1}
    port = {name: {"idempotent": True, "arguments": {}, "outcomes": {"good": {}}} for name in ("o0", "o1", "o2")}
    documents = {"ports/far.yaml": {"language": 1, "port": "far", "essay": "e", "operations": port, "events": {}}}
    documents |= {f"machines/{name}.yaml": _waiting(name, count) for name, count in operations.items()}
    documents["systems/chance.yaml"] = {
        "language": 1, "system": "chance", "essay": "e", "world": f"{__name__}:FirstAlone", "hosts": hosts,
        "machines": list(operations), "faults": {},
        "operator": {f"{name}.go{i}": "any" for name, count in operations.items() for i in range(count)},
        "properties": {"idle": {"reachable": "true", "why": "w w"}},
    }  # fmt: skip
    system = System.of(
        Library.of({path: item(document) for path, document in documents.items()}), "systems/chance.yaml"
    )
    fast, plain = FastSearch(PoolSpace(system).kernel(), False), ReferenceSearch(PoolSpace(system))
    for search in (fast, plain):
        assert search.run(Limits(), None, False)
    found = [(search.distinct, search.generated, search.edges, search.depth) for search in (fast, plain)]
    assert found == [(128, 1633, 704, 5)] * 2


def _waiting(name: str, count: int) -> dict[str, object]:
    """A machine that waits for any of so many operations."""
    states, orders = [f"w{i}" for i in range(count)], [f"go{i}" for i in range(count)]
    rows = [{"from": "idle", "on": order, "to": state, "do": f"far.o{order[2:]}", "why": "w w"}
            for order, state in zip(orders, states, strict=True)]  # fmt: skip
    rows += [{"from": state, "on": "far.good", "to": "idle", "why": "w w"} for state in states]
    return {"language": 1, "machine": name, "essay": "e", "ports": ["far"], "events": {order: {} for order in orders},
            "initial": "idle", "states": ["idle", *states], "rows": rows,
            "ignore": [{"in": states, "on": orders, "why": "w w"}]}  # fmt: skip


def test_a_number_that_does_not_fit_is_refused() -> None:
    """It would be taken for another one, and a state for another state."""
    tables = PoolTables(PoolSpace(System.load(TOYS / "ring.yaml")).joint)
    assert tables.below(255, 8) == 255
    with pytest.raises(SpecError, match=r"more than 256 different states of one part.*\[too-large\]"):
        tables.below(256, 8)


def test_a_part_with_more_values_than_its_field_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would reach into the field of the next part."""
    monkeypatch.setattr("fsm.explore.world_words.IN_WORD", 31)
    with pytest.raises(SpecError, match=r"more than 64 different states of one part.*\[too-large\]"):
        FastSearch(PoolKernel(space_of(ROOT / "specs/systems/enable.yaml")), symmetry=False).run(Limits())


def test_budgets_that_leave_no_room_are_refused() -> None:
    """A state has 63 bits."""
    with pytest.raises(SpecError, match=r"too many values for 63 bits.*\[too-large\]"):
        PoolKernel(space_of(ROOT / "specs/systems/failover.yaml", **dict.fromkeys(COUNTED, 1000)))


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_a_memo_knows_every_key_by_all_its_columns(columns: int) -> None:
    """Keys that are the same but for one column, asked again and among new ones: each has a number of its own."""
    asked: list[tuple[int, ...]] = []

    def fill(*keys: np.ndarray) -> range:
        asked.extend(each(keys))
        return range(len(asked) - len(keys[0]), len(asked))

    memo, random = Memo(fill, columns), np.random.default_rng(1)
    for _ in range(4):
        keys = random.integers(0, 5000 if columns == 1 else 8, (columns, 3000)).astype(np.uint64) << np.uint64(40)
        found = memo.find(*keys)
        assert [asked[number] for number in found.tolist()] == each(list(keys))
    assert len(set(asked)) == len(asked) > 60
