"""Symmetry of pools: orbits are counted once, verdicts stay, and whatever tells hosts or VMs apart is found."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve

from fsm.engine.turn import Effects, Event, Operation
from fsm.errors import SpecError
from fsm.explore.pool_space import PoolSpace
from fsm.explore.renaming import Renaming
from fsm.explore.symmetry import tour
from fsm.explore.system import System
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from fsm.language.load import Library
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits, Result
from fsm.search.walk import walk_of
from tests.chance_systems import chance_system
from tests.toy_worlds import Nothing

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).parent / "data" / "toys" / "systems"
LARGEST = 110
"""States of a system made by chance."""

ASKER = """
language: 1
machine: asker
essay: "Asks, keeps what it heard, tells the others; one at a time may hold the lock of the pool."
ports: [gauge]
shared: [holder]
variables:
  seen: {type: "host?", store: memory, initial: none, why: "whom the gauge showed"}
events: {go: {}}
states: [idle, asking, waiting]
initial: idle
rows:
- {from: idle, on: go, if: "holder == none", to: asking, do: gauge.look, set: {holder: HOLDER}, why: "to look"}
- {from: idle, on: go, if: else, to: same, why: "somebody else is at it"}
- {from: asking, on: gauge.shown, to: waiting, do: gauge.wait, set: {seen: who}, tell: [gauge.said(who=seen)],
   why: "say so"}
- {from: asking,  on: gauge.hidden, to: idle,    set: {holder: none}, why: "there is nothing to see"}
- {from: waiting, on: gauge.over,   to: idle,    set: {holder: none, seen: none}, why: "it is over"}
ignore:
- {in: [asking, waiting], on: go, why: "it is at it"}
"""
GAUGE = """
language: 1
port: gauge
essay: "Shows hosts."
operations:
  look: {instant: true, outcomes: {shown: {who: host}, hidden: {}}}
  wait: {idempotent: true, outcomes: {over: {}}}
signals: {said: {who: host}}
"""
STATE = """
language: 1
essay: "One holder."
variables:
  holder: {type: "host?", store: pool, initial: none, why: "who is at it"}
"""
SYSTEM = """
language: 1
system: gauges
essay: "Hosts that look at gauges."
world: WORLD
hosts: 3
machines: [asker]
operator: {asker.go: any}
sets: {waiting: "WAITING"}
properties:
  one:  {always: "FORMULA", why: "one at a time"}
  held: {reachable: "holder in waiting", why: "somebody waits"}
"""
WORDS = {
    "HOLDER": "me",
    "WORLD": "tests.test_pool_symmetry:Gauges",
    "FORMULA": "size(waiting) <= 1",
    "WAITING": "asker == waiting",
}


class Gauges(Nothing):
    """What was said of whom, and whether each gauge shows its own host."""

    facts: Mapping[str, Domain] = {"told": Domain("hosts")}

    def initial(self) -> Iterable[Hashable]:
        return [(frozenset(), frozenset({0}))]

    def view(self, w: Any, host: int) -> Hashable:
        return host in w[1]

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        return ("shown", {"who": host}) if view else ("hidden", {})

    def perform(self, w: Any, host: int, effects: Effects) -> Hashable:
        said = {signal.arguments["who"] for signal in effects.signals}
        return (w[0] | said, *w[1:])

    def actions(self, w: Any, pending: Pending) -> Iterator[Action[Hashable]]:
        for host in range(self.n):
            yield Action(f"gauge of host {host} turns", (w[0] - {host}, w[1] ^ {host}, *w[2:]))
            for machine, _ in pending[host]:
                yield Action(f"host {host} is done", w, None, host, Event(machine, "gauge.over"))

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        return {"told": w[0]}

    def permuted(self, w: Any, to: Renaming) -> Hashable:
        return (to.hosts_of(w[0]), to.hosts_of(w[1]), *w[2:])


class ActsByIndex(Gauges):
    """Only the gauge of host 1 ever turns back."""

    def actions(self, w: Any, pending: Pending) -> Iterator[Action[Hashable]]:
        for action in super().actions(w, pending):
            if len(action.world[1]) >= len(w[1]) or action.world[1] | {1} == w[1]:  # type: ignore[index]
                yield action


class PerformsByIndex(Gauges):
    """What is said of host 2 is not heard."""

    def perform(self, w: Any, host: int, effects: Effects) -> Hashable:
        after: Any = super().perform(w, host, effects)
        return (after[0] - {2}, *after[1:])


class SeesByIndex(Gauges):
    """Host 0 sees whether its neighbour's gauge is on, too."""

    def view(self, w: Any, host: int) -> Hashable:
        return host in w[1] if host else (host in w[1], 1 in w[1])


class ReadsByIndex(Gauges):
    """The gauge shows host 0, wherever it stands."""

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        return ("shown", {"who": 0}) if view else ("hidden", {})


class LivesByIndex(Gauges):
    """Host 1 is never there."""

    def alive(self, w: Hashable, host: int) -> bool:
        return host != 1


class TellsByIndex(Gauges):
    """Nothing is known of host 0."""

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        return {"told": w[0] - {0}}


class NoPermutation(Gauges):
    """Exchanging twice does not come back."""

    def initial(self) -> Iterable[Hashable]:
        return [(frozenset(), frozenset({0}), 0)]

    def permuted(self, w: Any, to: Renaming) -> Hashable:
        return to.hosts_of(w[0]), to.hosts_of(w[1]), (w[2] + 1) % 3


class Pointed(Gauges):
    """Host 0 is another one than the others, and it says so."""

    fixed = frozenset({0})

    def alive(self, w: Hashable, host: int) -> bool:
        return host != 0


class Mute(Gauges):
    """It says nothing of other orders."""

    permuted = None  # type: ignore[assignment]


def gauges(hosts: int = 3, **replaced: str) -> System:
    """The system of gauges, with other words in its files."""
    texts = {"machines/asker.yaml": ASKER, "ports/gauge.yaml": GAUGE,
             "state.yaml": STATE, "systems/gauges.yaml": SYSTEM}  # fmt: skip
    for path, text in texts.items():
        for word, value in (WORDS | replaced).items():
            text = text.replace(word, value)
        texts[path] = text
    return System.of(Library.of(texts), "systems/gauges.yaml").with_setting("hosts", str(hosts))


BELL = """
language: 1
machine: bell
essay: "Wakes all guests at once."
siblings: [guest]
events: {ring: {}}
states: [still]
initial: still
rows:
- {from: still, on: ring, to: same, tell: [guest.go], why: "wake them"}
"""
GUEST = """
language: 1
machine: guest
essay: "A VM that looks around, and may move."
instance: vm
ports: [tools]
variables:
  at: {type: "host?", store: pool, initial: none, why: "where it was seen"}
events: {go: {}}
states: [down, looking, up]
initial: down
rows:
- {from: down,    on: go,             to: looking, do: tools.start(vm=vm), why: "start it"}
- {from: looking, on: tools.started,  to: up,      set: {at: me},          why: "it runs here"}
- {from: looking, on: tools.failed,   to: down,                            why: "it does not"}
- {from: up,      on: tools.exited,   to: down,    set: {at: none},        why: "it is gone"}
ignore:
- {in: [looking, up], on: go, why: "it is awake"}
- {in: [down, looking], on: tools.exited, why: "it did not run"}
"""
TOOLS = """
language: 1
port: tools
essay: "VMs of this host."
operations:
  start: {idempotent: true, arguments: {vm: opaque}, outcomes: {started: {}, failed: {}}}
events: {exited: {}}
"""
GUESTS = """
language: 1
system: guests
essay: "Two VMs, and a bell that wakes them."
world: WORLD
hosts: HOSTS
machines: [bell, guest]
instances: {vm: [left, right]}
operator: {bell.ring: any}
sets: {one_up: "guest[left] == up or guest[right] == up", some_up: "any_in(guest, [up])"}
properties:
  p: {always: "FORMULA", why: "may be so"}
  q: {reachable: "all(guest[v].at != none for v in vm)", why: "both run somewhere"}
"""


class FirstComes(Nothing):
    """Whichever VM is started first is remembered."""

    def perform(self, w: Any, host: int, effects: Effects) -> Hashable:
        return w or next(((str(o.arguments["vm"]),) for o in effects.operations), w)

    def permuted(self, w: Any, to: Renaming) -> Hashable:
        return tuple(map(to.name, w))


def guests(world: str = "any", hosts: int = 1, formula: str = "true", sets: str = "") -> PoolSpace:
    """Two VMs."""
    system = GUESTS.replace("WORLD", world).replace("HOSTS", str(hosts)).replace("FORMULA", formula)
    system = system.replace(
        'one_up: "guest[left] == up or guest[right] == up"', sets or 'no_up: "not any_in(guest, [up])"'
    )
    texts = {"machines/bell.yaml": BELL, "machines/guest.yaml": GUEST, "ports/tools.yaml": TOOLS,
             "systems/guests.yaml": system}  # fmt: skip
    return PoolSpace(System.of(Library.of(texts), "systems/guests.yaml"))


@pytest.mark.parametrize("hosts", [1, 2])
def test_vms_are_interchangeable(hosts: int) -> None:
    """Slots, names in payloads and facts change places; hosts and VMs are permuted independently."""
    fast = explore(guests(hosts=hosts), symmetry=True)
    assert counts(fast) == counts(explore(guests(hosts=hosts), engine=REFERENCE, symmetry=True))
    assert fast.distinct == orbits(guests(hosts=hosts), 5000)
    whole = explore(guests(hosts=hosts))
    assert verdicts(fast) == verdicts(whole)
    assert fast.distinct < whole.distinct * (0.8 if hosts == 1 else 0.4)


@pytest.mark.parametrize("formula", ["guest_left_at == none or true", "empty(some_up) or guest[right].at == none"])
def test_a_vm_that_a_formula_names_is_not_exchanged(formula: str) -> None:
    """Outside of a quantifier; with one VM named there is no second one to exchange the other with."""
    refused(guests(formula=formula), "no two hosts or instances", "guests.yaml:5:8")
    assert explore(guests(formula="any(guest[left].at == none for left in vm) or true"), symmetry=True).finished


def test_the_order_in_which_vms_are_told_must_not_show() -> None:
    """A bell wakes the left one first; a world that remembers which came first tells them apart."""
    refused(guests("tests.test_pool_symmetry:FirstComes"), "FirstComes tells left and right apart", "guests.yaml:5:8")


def counts(result: Result) -> dict[str, object]:
    """All that both engines have to agree in."""
    return {
        "counts": (result.distinct, result.generated, result.edges, result.depth, result.finished),
        "verdicts": verdicts(result),
        "fired": result.fired,
        "refused": bool(result.refusals),
    }


def verdicts(result: Result) -> dict[str, tuple[str, int | None]]:
    """With the lengths of their stories."""
    return {v.property.name: (v.verdict, None if v.trace is None else len(v.trace)) for v in result.verdicts}


def orbits(space: PoolSpace, limit: int) -> int | None:
    """How many orbits the states have that are reached, counted one by one; None where there are too many states."""
    search = ReferenceSearch(PoolSpace(space.system))
    if not search.run(Limits(states=limit), None, False):
        return None
    return len({frozenset(space.images(state)) for state in search.parents})


@pytest.mark.parametrize("share", range(3))
def test_engines_verdicts_and_orbits_agree_on_systems_made_by_chance(share: int) -> None:
    """With symmetry both engines say the same, the same verdicts as without, and count orbits."""
    compared = fewer = 0
    for seed in range(share, 30, 3):
        system = evolve(chance_system(Random(seed)), n=2 + seed % 2)
        counted = orbits(PoolSpace(system), LARGEST)
        if counted is None:
            continue
        plain = explore(PoolSpace(system), engine=REFERENCE, symmetry=True)
        fast = explore(PoolSpace(system), engine=FAST, symmetry=True)
        whole = explore(PoolSpace(system))
        assert counts(fast) == counts(plain), f"seed {seed}"
        assert verdicts(fast) == verdicts(whole), f"seed {seed}"
        assert fast.distinct == counted, f"seed {seed}"
        compared, fewer = compared + 1, fewer + (counted < whole.distinct)
    assert compared >= 2
    assert fewer >= 2


@pytest.mark.parametrize(("name", "settings"), [
    ("careless", {"hosts": "3"}), ("careful", {"hosts": "4"}), ("ring", {"hosts": "2", "faults.duplicate": "1"}),
    ("asking", {"operator.asker.go": "1", "faults.late": "0", "faults.loss": "0"}),
])  # fmt: skip
def test_calls_and_counters_and_the_beginning_are_permuted(name: str, settings: dict[str, str]) -> None:
    """Of the toys too: calls under way with their numbers; a token that begins at host 0."""
    system = System.load(TOYS / f"{name}.yaml")
    for setting, value in settings.items():
        system = system.with_setting(setting, value)
    fast = explore(PoolSpace(system), symmetry=True)
    assert counts(fast) == counts(explore(PoolSpace(system), engine=REFERENCE, symmetry=True))
    assert verdicts(fast) == verdicts(explore(PoolSpace(system)))
    assert fast.distinct == orbits(PoolSpace(system), 5000)


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_stories_are_true(engine: str) -> None:
    """A story begins at the beginning, where host 0 has the token, and its last step breaks the promise."""
    system = System.load(TOYS / "ring.yaml").with_setting("hosts", "2").with_setting("faults.duplicate", "any")
    result = explore(PoolSpace(system), engine=engine, symmetry=True, limits=Limits(states=60))
    broken = [verdict for verdict in result.verdicts if verdict.verdict == "violated"]
    assert broken
    for verdict in broken:
        assert verdict.trace is not None
        assert verdict.trace.start["coming"] == frozenset({0})
        assert walk_of(PoolSpace(system), verdict.trace).breaks(verdict.property)


def test_hosts_that_look_at_gauges() -> None:
    """Three hosts in a world that says what permutations are: six orders, nearly six times fewer states."""
    space = PoolSpace(gauges())
    fast = explore(PoolSpace(gauges()), symmetry=True)
    assert counts(fast) == counts(explore(space, engine=REFERENCE, symmetry=True))
    assert fast.distinct == orbits(space, 5000)
    assert verdicts(fast) == verdicts(explore(PoolSpace(gauges())))


def test_a_host_that_the_world_tells_apart_stays() -> None:
    """The other two are exchanged; of two hosts there is nothing left to exchange."""
    space = PoolSpace(gauges(WORLD="tests.test_pool_symmetry:Pointed"))
    assert explore(PoolSpace(space.system), symmetry=True).distinct == orbits(space, 5000)
    assert all(image.locals[0] == state.locals[0] for state in space.initial() for image in space.images(state))
    refused(PoolSpace(gauges(2, WORLD="tests.test_pool_symmetry:Pointed")), "Pointed tells 0 apart", "gauges.yaml:5:8")


@pytest.mark.parametrize(("world", "words"), [
    ("ActsByIndex", "the action .* possible"),
    ("PerformsByIndex", "perform"),
    ("SeesByIndex", "view"),
    ("ReadsByIndex", "read"),
    ("LivesByIndex", "alive"),
    ("TellsByIndex", "state_facts"),
    ("NoPermutation", "permuted"),
    ("Mute", "it has no permuted"),
])  # fmt: skip
@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_a_world_that_tells_hosts_apart_is_caught(world: str, words: str, engine: str) -> None:
    """Whatever answer differs is named, at the line of the world."""
    space = PoolSpace(gauges(WORLD=f"tests.test_pool_symmetry:{world}"))
    refused(space, f"{world}.*{words}", "gauges.yaml:5:8", engine)
    refused(space, f"{world}.*{words}", "gauges.yaml:5:8", engine)
    assert explore(space, engine=engine).finished


def refused(space: PoolSpace, words: str, place: str, engine: str = FAST) -> None:
    """Symmetry is refused with these words at this place."""
    with pytest.raises(SpecError, match=words) as error:
        explore(space, engine=engine, symmetry=True)
    assert error.value.rule == "not-symmetric"
    assert place in str(error.value)


def test_what_orders_hosts_is_refused_where_it_stands() -> None:
    """`lowest` in a row, in a set and in a property; in a row only where its set has two members to choose from."""
    chosen = gauges(HOLDER='"lowest(everybody - {me})"')
    refused(PoolSpace(chosen), r"asker\.idle/go.*lowest\(\) tells host \d and host \d apart", "asker.yaml:13:10")
    assert explore(PoolSpace(chosen.with_setting("hosts", "2")), symmetry=True).finished
    refused(PoolSpace(gauges(FORMULA="empty(waiting) or lowest(waiting) == holder")), "lowest", "gauges.yaml:11:18")
    refused(PoolSpace(gauges(WAITING="asker == waiting and me == lowest(everybody)")), "lowest", "gauges.yaml:9:17")


def test_an_initial_value_that_is_a_host_is_refused_where_it_stands() -> None:
    """It comes back with every restart."""
    machine = ASKER.replace("HOLDER", "me").replace("initial: none", "initial: 1")
    texts = {"machines/asker.yaml": machine, "ports/gauge.yaml": GAUGE, "state.yaml": STATE,
             "systems/gauges.yaml": SYSTEM.replace("WORLD", "any").replace("FORMULA", "true").replace("WAITING", "true")
             .replace("operator", "faults: {restart: any}\noperator")}  # fmt: skip
    space = PoolSpace(System.of(Library.of(texts), "systems/gauges.yaml"))
    refused(space, "seen is 1 after each restart, which tells host 0 and host 1 apart", "asker.yaml:8:9")


@pytest.mark.parametrize("size", range(1, 7))
def test_a_tour_leads_through_all_permutations(size: int) -> None:
    """Each once, of one order and of two."""
    for sizes in ([size], [size, 3], [2, size]):
        things = [list(range(count)) for count in sizes]
        seen = [tuple(map(tuple, things))]
        for index in tour(sizes):
            which = int(index >= sizes[0] - 1)
            at = index - which * (sizes[0] - 1)
            things[which][at], things[which][at + 1] = things[which][at + 1], things[which][at]
            seen.append(tuple(map(tuple, things)))
        expected = 1
        for count in sizes:
            for factor in range(1, count + 1):
                expected *= factor
        assert len(seen) == len(set(seen)) == expected
