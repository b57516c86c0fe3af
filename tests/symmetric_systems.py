"""Systems with interchangeable hosts and VMs, and worlds that tell them apart in all ways there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.renaming import Renaming
from fsm.explore.system import System
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from fsm.language.load import Library
from tests.toy_worlds import Nothing

ASKER = """
language: 1
machine: asker
essay: "Asks, keeps what it heard, tells the others; one at a time may hold the lock of the pool."
ports: [gauge]
shared: [holder]
variables:
  seen: {type: "host?", store: memory, initial: INITIAL, why: "whom the gauge showed"}
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
faults: {RESTARTS}
"""
WORDS = {
    "HOLDER": "me",
    "INITIAL": "none",
    "RESTARTS": "",
    "WORLD": "tests.symmetric_systems:Gauges",
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


class Odd(Gauges):
    """Other than gauges are in one answer, in one world, to one host: `odd` says which."""

    odd: tuple[str, Any, int] = "", None, 0

    def is_odd(self, answer: str, w: Any, host: int | None = None) -> bool:
        return self.odd[:2] == (answer, w) and host in (None, self.odd[2])

    def alive(self, w: Any, host: int) -> bool:
        return not self.is_odd("alive", w, host)

    def view(self, w: Any, host: int) -> Hashable:
        return (host in w[1]) != self.is_odd("view", w, host)

    def perform(self, w: Any, host: int, effects: Effects) -> Hashable:
        after: Any = super().perform(w, host, effects)
        return (after[0] | {host}, after[1]) if self.is_odd("perform", w, host) else after

    def actions(self, w: Any, pending: Pending) -> Iterator[Action[Hashable]]:
        dropped = self.odd[2] if self.is_odd("actions", w) else None
        yield from (action for number, action in enumerate(super().actions(w, pending)) if number != dropped)

    def state_facts(self, w: Any) -> Mapping[str, Value]:
        return {"told": w[0] ^ {self.odd[2]} if self.is_odd("state_facts", w) else w[0]}


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


def guests(world: str = "any", hosts: int = 1, formula: str = "true", sets: str = "") -> System:
    """Two VMs."""
    system = GUESTS.replace("WORLD", world).replace("HOSTS", str(hosts)).replace("FORMULA", formula)
    system = system.replace(
        'one_up: "guest[left] == up or guest[right] == up"', sets or 'no_up: "not any_in(guest, [up])"'
    )
    texts = {"machines/bell.yaml": BELL, "machines/guest.yaml": GUEST, "ports/tools.yaml": TOOLS,
             "systems/guests.yaml": system}  # fmt: skip
    return System.of(Library.of(texts), "systems/guests.yaml")
