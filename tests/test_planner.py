"""Where VMs are placed, whose turn it is, and what is said when there is no room."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.planner import Placement, Want, misfits, place, turn
from hosts.pool_file import HostEntry, PoolFile, VmEntry

Hosts = dict[int, int]


def wants(*sizes: int) -> list[Want]:
    """Protected VMs vm1, vm2, ... of these sizes."""
    return [Want(f"vm{n + 1}", size) for n, size in enumerate(sizes)]


def used(answer: Placement, vms: Sequence[Want]) -> Hosts:
    """The MiB that an answer takes of each host."""
    memory = {vm.name: vm.memory for vm in vms}
    load: Hosts = {}
    for name, host in answer.targets.items():
        load[host] = load.get(host, 0) + memory[name]
    return load


def most(hosts: Mapping[int, int], sizes: Sequence[int]) -> int:
    """The greatest number of VMs that fit, by trying every assignment."""
    best = 0
    for choice in itertools.product([None, *hosts], repeat=len(sizes)):
        free = dict(hosts)
        for size, host in zip(sizes, choice, strict=True):
            if host is not None:
                free[host] -= size
        if min(free.values(), default=0) >= 0:
            best = max(best, sum(host is not None for host in choice))
    return best


few_hosts = st.dictionaries(st.integers(0, 3), st.integers(0, 12), max_size=3)
even_hosts = st.dictionaries(st.integers(0, 3), st.integers(8, 11), max_size=4)
small_hosts = st.dictionaries(st.integers(0, 3), st.integers(-3, 12), max_size=4)
vm = st.builds(
    Want,
    name=st.uuids().map(str),
    memory=st.integers(1, 8),
    order=st.integers(-2, 2),
    protected=st.booleans(),
)
small_vms = st.lists(vm, max_size=9, unique_by=lambda want: want.name)


@given(small_hosts, small_vms)
def test_never_overfills_and_answers_for_every_vm(hosts: Hosts, vms: list[Want]) -> None:
    """No host gets more than its free memory, and each VM has either a target or a shortfall."""
    answer = place(hosts, vms)
    assert all(load <= hosts[host] for host, load in used(answer, vms).items())
    assert sorted([*answer.targets, *answer.unplaced]) == sorted(want.name for want in vms)


@given(small_hosts, small_vms, st.randoms(use_true_random=False))
def test_the_order_of_arguments_is_no_matter(hosts: Hosts, vms: list[Want], rng: random.Random) -> None:
    """The same question in another order gets the same answer."""
    shuffled, turned = list(vms), list(hosts.items())
    rng.shuffle(shuffled)
    rng.shuffle(turned)
    assert place(hosts, vms) == place(dict(turned), shuffled)


def test_the_answer_does_not_depend_on_hashing() -> None:
    """Two processes with other hash seeds place a crowded pool alike: a new master plans as the old."""
    code = (
        "from hosts.planner import *;"
        "print(place({n: 20 + n for n in range(5)}, [Want(f'v{n}', 3 + n % 7) for n in range(30)]))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert "unplaced={}" not in runs[0]


@given(few_hosts, st.integers(1, 6), st.integers(0, 6))
def test_vms_of_one_size_are_placed_as_often_as_possible(hosts: Hosts, size: int, count: int) -> None:
    """Of VMs of one size as many are placed as by trying everything."""
    vms = wants(*[size] * count)
    assert len(place(hosts, vms).targets) == most(hosts, [size] * count)


@given(even_hosts, st.lists(st.integers(6, 11), max_size=5))
def test_one_vm_a_host_is_a_greatest_matching(hosts: Hosts, sizes: list[int]) -> None:
    """Where no host can hold two of them, as many VMs are placed as by trying everything."""
    assert len(place(hosts, wants(*sizes)).targets) == most(hosts, sizes)


@given(small_hosts, small_vms)
def test_best_effort_never_costs_a_protected_vm_its_place(hosts: Hosts, vms: list[Want]) -> None:
    """As many protected VMs are placed with best-effort VMs about as without them."""
    protected = [want for want in vms if want.protected]
    together = place(hosts, vms)
    assert sum(want.name in together.targets for want in protected) == len(place(hosts, protected).targets)


def test_protected_vms_go_before_best_effort() -> None:
    """When one of two fits, it is the protected one, whatever the names and orders."""
    answer = place({0: 4}, [Want("a", 4, order=0, protected=False), Want("b", 4, order=5)])
    assert answer.targets == {"b": 0}


def test_vms_are_spread_where_there_is_plenty() -> None:
    """Equal VMs on equal hosts: the loss of one takes few; where that does not place all, they are packed."""
    vms = wants(2, 2, 2, 2, 2)
    assert used(place({0: 8, 1: 8, 2: 8}, vms), vms) == {0: 4, 1: 4, 2: 2}
    assert not place({0: 4, 1: 6}, wants(2, 2, 2, 4)).unplaced


def test_the_earlier_group_goes_first_when_memory_is_short() -> None:
    """Of equals the one of the lower order is placed, for others depend on it; negative orders are last."""
    vms = [Want("a", 4, order=-1), Want("b", 4, order=3), Want("c", 4, order=0)]
    assert set(place({0: 8}, vms).targets) == {"b", "c"}


@pytest.mark.parametrize(
    ("hosts", "sizes"),
    [
        ({0: 5, 1: 4, 2: 4}, (3, 3, 2, 2, 2)),
        ({0: 7, 1: 6, 2: 5}, (4, 4, 3, 3, 3)),
        ({0: 4, 1: 6, 2: 7}, (5, 4, 3, 3, 2)),
    ],
)
def test_a_left_out_vm_makes_others_move(hosts: Hosts, sizes: tuple[int, ...]) -> None:
    """Best fit in either order leaves one VM out here; a chain of moves makes room for it."""
    assert not place(hosts, wants(*sizes)).unplaced


def test_a_shortfall_names_the_hosts_and_what_is_missing() -> None:
    """The reason can be acted upon: what is needed, what each host has left, and how much is short."""
    answer = place({0: 1024, 1: 3072, 2: -512}, [Want("db", 4096), Want("web", 512)])
    assert answer.targets == {"web": 0}
    reason = answer.unplaced["db"]
    assert str(reason) == (
        "it needs 4096 MiB; beside the other VMs host 1 has 3072, host 0 has 512, host 2 has 0: 1024 MiB short at best"
    )
    assert "ash has 3072, host 0" not in reason.sentence(["oak", "ash"])
    assert "ash has 3072, oak has 512, host 2 has 0" in reason.sentence(["oak", "ash"])
    many = place(dict.fromkeys(range(9), 1), [Want("db", 4)]).unplaced["db"]
    assert str(many).endswith("host 3 has 1, 5 more have no more: 3 MiB short at best")


def test_without_hosts_the_reason_says_so() -> None:
    """Nobody is left: each VM is reported with that reason."""
    assert str(place({}, wants(1)).unplaced["vm1"]) == "it needs 1 MiB, and there is no live host"


@pytest.mark.parametrize("vms", [[Want("a", 1), Want("a", 2)], [Want("a", 0)]])
def test_a_question_without_sense_is_refused(vms: list[Want]) -> None:
    """A name twice, or a VM without memory, is an error of the caller."""
    with pytest.raises(ValueError, match="names that differ"):
        place({0: 8}, vms)


def test_a_thousand_vms_are_placed_in_a_moment() -> None:
    """64 crowded hosts and 1000 VMs of many sizes: nothing in the plan grows with the square of the VMs."""
    vms = [Want(f"v{n}", 100 + n % 37, protected=n % 5 > 0) for n in range(1000)]
    answer = place(dict.fromkeys(range(64), 1750), vms)
    assert len(answer.targets) > 900
    assert answer.unplaced


GROUPS = [
    Want("db", 1, order=0, start_delay=2.0),
    Want("dns", 1, order=0, start_delay=0.5),
    Want("web", 1, order=1),
    Want("late", 1, order=-1),
    Want("extra", 1, order=0, protected=False),
]


def test_groups_start_one_after_another() -> None:
    """Ascending order, negative last, best-effort after all protected; a group waits for all before it."""
    started: dict[str, float] = {}
    sequence = []
    for second in range(0, 50, 10):
        now = turn(second, GROUPS, started)
        sequence.append(sorted(now.names))
        started |= dict.fromkeys(now.names, float(second))
    assert sequence == [["db", "dns"], ["web"], ["late"], ["extra"], []]


def test_a_start_delay_holds_back_the_next_group_only() -> None:
    """2 s after the start of the VM whose delay ends last; until then `again` says when to ask."""
    assert turn(10.0, GROUPS, {"db": 10.0}).names == {"dns"}
    held = turn(11.9, GROUPS, {"db": 10.0, "dns": 11.0})
    assert (held.names, held.again) == (frozenset(), 12.0)
    assert turn(12.0, GROUPS, {"db": 10.0, "dns": 11.0}).names == {"web"}
    assert turn(12.0, GROUPS, {"db": 10.0, "dns": 11.9}).again == 12.4


def test_a_vm_given_up_holds_back_nobody() -> None:
    """A VM that cannot start does not stop the groups after it, nor does its delay."""
    assert turn(10.0, GROUPS, {"dns": 1.0}, given_up={"db"}).names == {"web"}
    assert turn(10.0, GROUPS, {}, given_up=[want.name for want in GROUPS]).names == frozenset()


def test_what_does_not_fit_is_known_before_anything_starts() -> None:
    """The names of the VMs without room in the whole pool, with the reason in host names."""
    pool = PoolFile("p", (HostEntry("ash", 4),), (VmEntry("a", 3), VmEntry("b", 2, restart_priority="")))
    assert misfits(pool) == {"b": "it needs 2 MiB; beside the other VMs ash has 1: 1 MiB short at best"}
    assert not misfits(PoolFile.default(3, 6))


@given(st.integers(2, 9), st.integers(0, 20))
def test_the_default_pool_survives_the_loss_of_any_host(hosts: int, vms: int) -> None:
    """All VMs of the pool that is shown without --pool fit on the survivors of one failure."""
    pool = PoolFile.default(hosts, vms)
    free = {index: host.memory for index, host in enumerate(pool.hosts) if index != 0}
    assert not place(free, [Want.of(entry) for entry in pool.vms]).unplaced
