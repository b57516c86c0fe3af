"""Machines put together with a world, faults and properties: one story, read from `systems/NAME.yaml`.

    language: 1
    system: failover
    essay: |
      The story, what is frozen, what is left out.
    world: hosts.worlds.pool:PoolWorld      # imported only when a system names it; `any`: fsm.explore.any_world
    settings: {ha: on}                      # keywords of the world
    hosts: 2
    machines: [life, election, monitor, restart, guest]
    instances: {vm: [v]}
    host: {role: 0, armed: true}            # initial host variables, for all; or a list, whose last entry is also for
                                            # the hosts after it
    pool: {ha: on}                          # initial pool variables
    faults: {crash: any, loss: 1}           # any: no counter in the state, the stronger claim; a number is a budget
    operator: {enable.enable: 1}            # events that an operator may send to any living host; budgets likewise
    latency: {"vm* starts*": "1s", "*": "5ms"}  # when actions of the world happen in a simulation
                                            # (fsm.explore.simulate)
    sets: {acting: "life in [running, plain] and role == me"}
    frozen: [enable]                        # machines whose timers never fire here: what they begin is another story
    begins: "ha == on"                      # where the story starts
    then: {disable: "ha == on"}             # where this holds, what the system `disable` begins with holds as well
    fair: {weak: ["host *"]}                # groups of moves that do not wait for ever (fsm.search.space.Fairness)
    properties:
      S1: {always: "size(acting) <= 1", why: "at most one acting master"}

Rules.
- Machines, ports and state.yaml are those of the folder that holds `systems/`, or else of the file's own folder, so
  that a copied folder is a whole of its own.
- A fault that is not named does not happen. A clause of the world holds until it is switched off (`without`).
- A system is a value: `with_machine`, `with_setting` and `without` give another one.
- `me` in `host` stands for the index of each host. What properties may say stands in `fsm.explore.properties`.

Left out: how it is explored (`fsm.search.explore`) and what a move is (`fsm.explore.joint`).
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from fsm.checks.check import resting_places
from fsm.checks.facts import Facts
from fsm.errors import Place, SpecError
from fsm.explore.any_world import AnyWorld
from fsm.explore.calls import Routes
from fsm.explore.system_values import read_budget, read_hosts, scalar, with_begun, with_value
from fsm.explore.world import OPERATOR, World
from fsm.language.document import Item, read, suggest
from fsm.language.expressions import parse_duration
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import located
from fsm.search.property_reader import read_fairness, read_property
from fsm.search.space import Fairness, Property

KEYS = ("language", "system", "essay", "world", "settings", "hosts", "machines", "instances", "host", "pool", "faults",
        "operator", "latency", "sets", "fair", "frozen", "begins", "then", "properties")  # fmt: skip
NEEDED = ("system", "essay", "world", "hosts", "machines", "properties")
GIVEN = ("n", "off", "faults", "routes")
"""What every world is called with besides its settings."""
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_CLASS = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):(\w+)")
_METHODS = ("initial", "alive", "view", "read", "perform", "actions", "state_facts")
"""What every world can be asked (`fsm.explore.world.World`)."""
FOLDER = "systems"
"""Where the systems of a folder of specs lie."""
SHORTEST = 0.001
"""Seconds of the shortest latency: where everything takes time, nothing goes round in no time for ever."""


@frozen
class Condition:
    """A set of hosts: those for which `text` holds."""

    name: str
    text: str
    at: Place = field(eq=False, repr=False)


@frozen
class Operated:
    """An event that an operator may send to a machine of any living host, and how often (None: any number of times)."""

    machine: str
    event: str
    budget: int | None


@frozen
class System:
    """A loaded system. `host` and `pool` are the initial variables as written, None where nothing is said;
    `parameters` are in seconds where they are times; `off` are the clauses of the world that are switched off;
    `latency` gives patterns of labels with seconds, None where such an action does not happen by itself; machines that
    are `frozen` have no timers here."""

    name: str
    essay: str
    at: Place
    world: Item = field(repr=False)
    settings: Mapping[str, Any]
    n: int
    machines: tuple[Machine, ...] = field(repr=False)
    machines_at: Place
    parameters: Mapping[str, float]
    instances: Mapping[str, tuple[str, ...]]
    host: Item | None = field(repr=False)
    pool: Item | None = field(repr=False)
    faults: Mapping[str, int | None]
    faults_at: Place
    operator: tuple[Operated, ...]
    latency: tuple[tuple[str, float | None], ...]
    sets: tuple[Condition, ...]
    properties: tuple[Property, ...]
    fairness: Fairness
    frozen: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: Path) -> System:
        """The system in a file; it is also put together once, so that every message comes now.

        Errors: `SpecError`, in the system, a machine, a port or state.yaml.
        """
        folder = path.parent if path.parent.name not in ("", "..") else path.resolve().parent
        if folder.name == FOLDER:
            return cls.of(Library(folder.parent), f"{FOLDER}/{path.name}")
        return cls.of(Library(folder), path.name)

    @classmethod
    def of(cls, library: Library, path: str) -> System:
        """The system of a document in a library, such as "systems/failover.yaml". Errors: as of `load`."""
        return _Reader(library, library.document(path)).built()

    @classmethod
    def alone(cls, path: Path) -> System:
        """A machine's file as a system: one host, `world: any`, and an operator who may send each of its events.

        Errors: `SpecError`, in the machine, a port or state.yaml, or where it needs machines beside it.
        """
        root, names = located(path)
        library = Library(root)
        machine = library.machine(names[0])
        said = {event: Item("any", machine.at) for event in (f"{machine.name}.{e}" for e in machine.events)}
        document = {
            "language": 1, "system": machine.name, "essay": f"{machine.name} alone", "world": "any", "hosts": 1,
            "machines": [Item(machine.name, machine.at)], "operator": said, "properties": {},
            "instances": {machine.instance: Item([Item("a", machine.at)], machine.at)} if machine.instance else {},
        }  # fmt: skip
        items = {key: Item(value, machine.at) for key, value in document.items()}
        return _Reader(library, Item(items, Place(str(path)))).built()

    def with_machine(self, machine: Machine) -> System:
        """The same with a machine of this name replaced; for mutants. Errors: `SpecError` if there is none."""
        names = [old.name for old in self.machines]
        if machine.name not in names:
            message = f"{self.name} has no machine {machine.name!r}{suggest(machine.name, names)}"
            raise SpecError(self.machines_at, message, "unknown-name")
        there = machine.without_timers() if machine.name in self.frozen else machine
        return evolve(self, machines=tuple(there if old.name == machine.name else old for old in self.machines))

    def with_setting(self, name: str, value: str) -> System:
        """The same with another number of hosts (`hosts`), another budget (`faults.crash`, `operator.enable.enable`),
        another setting of the world (`settings.master`) or another beginning (`host.role`, for every host; `pool.ha`).

        Arguments:
            name: what to set; a setting that is a mapping has its keys behind further dots.
            value: a number, or `any` for a budget; else a number, true, false, null or text.
        Errors: `SpecError` at the system for anything else; for a setting or variable that there is not, only once the
        world or the nodes are built.
        """
        said = Item(scalar(value), self.at)
        part, _, rest = name.partition(".")
        if name == "hosts":
            return evolve(self, n=read_hosts(said))
        if part == "faults" and rest:
            return evolve(self, faults={**self.faults, rest: read_budget(rest, said)})
        if part == "settings" and rest:
            return evolve(self, settings=with_value(self.settings, rest.split("."), said.value))
        if part == "host" and rest:
            return evolve(self, host=with_begun(self.host, rest, said))
        if part == "pool" and rest:
            return evolve(self, pool=with_begun(self.pool, rest, said))
        operated = {f"operator.{o.machine}.{o.event}": o for o in self.operator}
        if name in operated:
            budget = read_budget(name, said)
            changed = (evolve(o, budget=budget) if o is operated[name] else o for o in self.operator)
            return evolve(self, operator=tuple(changed))
        known = ["hosts", *(f"faults.{fault}" for fault in self.faults), *operated, "host.VARIABLE", "pool.VARIABLE"]
        known += [f"settings.{setting}" for setting in self._world_settings() or ()]
        raise said.fail(f"{self.name} has nothing to set called {name!r}{suggest(name, known, 99)}", "unknown-name")

    def without(self, clause: str) -> System:
        """The same with a clause of its world switched off; whether the world has it is seen when it is built."""
        return evolve(self, off=self.off | {clause})

    def build_world(self) -> World[Any]:
        """A fresh world for this system. Errors: `SpecError` where it cannot be found or does not fit."""
        make, at = self._world_class(), self.world.at
        taken = self._world_settings()
        for name in self.settings:
            if taken is not None and name not in taken:
                known = suggest(name, taken, 99) or "; it has none"
                raise SpecError(at, f"{self.world.value} has no setting {name!r}{known}", "unknown-name")
        routes = Routes.of(self.machines, self.machines_at, self.instances)
        may = frozenset(fault for fault, budget in self.faults.items() if budget != 0)
        try:
            world: World[Any] = make(n=self.n, off=self.off, faults=may, routes=routes, **dict(self.settings))
        except (TypeError, ValueError) as error:
            raise SpecError(
                at, f"{self.world.value} cannot be made with these settings: {error}", "bad-world"
            ) from None
        for fault in self.faults:
            if fault not in world.faults:
                known = suggest(fault, world.faults)
                raise SpecError(self.faults_at, f"the world has no fault {fault!r}{known}", "unknown-name")
        counted = (*world.faults, OPERATOR)
        for property_ in self.properties:
            for fault in property_.counting_on:
                if fault not in counted:
                    message = f"the world has no fault {fault!r} to count on{suggest(fault, counted)}"
                    raise SpecError(property_.at, message, "unknown-name")
        for clause in sorted(self.off):
            if clause not in world.clauses:
                known = f"its clauses are {', '.join(world.clauses)}" if world.clauses else "it has none"
                raise SpecError(at, f"{self.world.value} has no clause {clause!r}; {known}", "unknown-name")
        return world

    def _world_settings(self) -> list[str] | None:
        """The settings that the world takes, from its signature; None where that does not say."""
        try:
            taken = inspect.signature(self._world_class()).parameters
        except (TypeError, ValueError):
            return None
        named = [parameter.name for parameter in taken.values() if parameter.kind in _BY_NAME]
        return None if len(named) < len(taken) else [name for name in named if name not in GIVEN]

    def _world_class(self) -> Any:
        if self.world.value == "any":
            return AnyWorld
        named = _CLASS.fullmatch(self.world.value)
        try:
            if named is None:
                raise ImportError("it does not name a class")
            found = getattr(importlib.import_module(named[1]), named[2])
        except (ImportError, AttributeError) as error:
            remedy = "write 'package.module:Class', of a module on PYTHONPATH, or any"
            message = f"cannot import {self.world.value!r} ({error}); {remedy}"
            raise self.world.fail(message, "bad-world") from None
        missing = [method for method in _METHODS if not callable(getattr(found, method, None))]
        if not isinstance(found, type) or missing:  # nothing is called that is no world
            message = f"{self.world.value} is no class of worlds"
            raise self.world.fail(f"{message}: it has no {missing[0]}()" if missing else message, "bad-world")
        return found


@frozen
class _Reader:
    """Reads one system file."""

    library: Library
    document: Item

    def built(self) -> System:
        """The system, put together once, so that every message comes now."""
        from fsm.explore.joint import Joint
        from fsm.explore.properties import Observer

        system = self.system()
        begins = self.begins()
        if begins is None:
            Observer(system, Joint(system))
            return system
        joint = Joint(system)
        observer = Observer(evolve(system, properties=(*system.properties, begins)), joint)
        if not all(observer.formulas[-1].holds(observer.observe(state)) for state in joint.initial()):
            raise SpecError(begins.at, f"{system.name} does not begin so; say what holds at its beginning", "bad-value")
        return system

    def begins(self) -> Property | None:
        """Where the story starts, as a promise."""
        item = self.document.mapping("a system", KEYS).get("begins")
        why = f"{Path(self.document.at.file).stem} begins so"
        return None if item is None else Property("begins", "always", item.text("a formula"), why, item.at)

    def then(self, item: Item | None) -> Iterator[Property]:
        """That this story ends where others begin, a promise for each of them."""
        for name, when in self.named(item, "stories"):
            path = Path(self.document.at.file).with_name(f"{name}.yaml")
            if not path.exists():
                raise when.fail(f"there is no system {name!r} beside this one", "unknown-name")
            begins = _Reader(self.library, read(path, str(path))).begins()
            if begins is None:
                raise when.fail(
                    f"the system {name} does not say how it begins; give it the key 'begins'", "missing-key"
                )
            ended = when.text("a formula")
            text, why = f"not ({ended}) or ({begins.text})", f"where this story has ended, {name} begins"
            yield Property(f"begins_{name}", "always", text, why, when.at, needs=ended)

    def system(self) -> System:
        other = next((key for key in ("machine", "port") if key in self.document.mapping("a system")), None)
        if other is not None:
            message = f"this is a {other}, no system; `fsm check` checks machines, a system is in systems/NAME.yaml"
            raise self.document.fail(message, "no-system")
        top = self.document.mapping("a system", KEYS)
        for key in NEEDED:
            if key not in top:
                raise self.document.fail(f"a system needs the key {key!r}", "missing-key")
        name = top["system"].text("the name")
        if name != Path(self.document.at.file).stem:
            raise top["system"].fail(f"the file is called {Path(self.document.at.file).name}, not {name}", "bad-name")
        top["world"].text("the world")
        machines = tuple(self.machine(item) for item in top["machines"].sequence("machines"))
        frozen_ = self.frozen(top.get("frozen"), machines)
        faults = top["faults"].mapping("faults") if "faults" in top else {}
        return System(
            name=name, essay=top["essay"].text("the essay"), at=Place(self.document.at.file), world=top["world"],
            settings=self.settings(top.get("settings")), n=read_hosts(top["hosts"]),
            machines=tuple(m.without_timers() if m.name in frozen_ else m for m in machines), frozen=frozen_,
            machines_at=top["machines"].at, parameters=self.library.parameters(),
            instances=self.instances(top.get("instances"), machines), host=top.get("host"), pool=top.get("pool"),
            faults={fault: read_budget(fault, item) for fault, item in faults.items()},
            faults_at=top["faults"].at if "faults" in top else self.document.at,
            operator=self.operator(top.get("operator"), machines), latency=self.latency(top.get("latency")),
            sets=tuple(Condition(n, i.text("a condition"), i.at) for n, i in self.named(top.get("sets"), "sets")),
            fairness=read_fairness(top.get("fair")),
            properties=(
                *(read_property(n, i) for n, i in self.named(top["properties"], "properties")),
                *self.then(top.get("then")),
            ),
        )  # fmt: skip

    def frozen(self, item: Item | None, machines: tuple[Machine, ...]) -> frozenset[str]:
        names = [machine.name for machine in machines]
        for child in item.sequence("frozen machines") if item is not None else ():
            if child.text("a machine") not in names:
                raise child.fail(f"{child.value!r} is no machine here{suggest(child.value, names)}", "unknown-name")
        return frozenset(child.value for child in item.sequence("frozen machines")) if item is not None else frozenset()

    def named(self, item: Item | None, what: str) -> list[tuple[str, Item]]:
        entries = item.mapping(what) if item is not None else {}
        for name, child in entries.items():
            if not name.isidentifier():
                raise child.fail(f"{name!r} cannot name one of the {what}; use letters, digits and _", "bad-name")
        return list(entries.items())

    def settings(self, item: Item | None) -> dict[str, Any]:
        return {name: child.plain() for name, child in self.named(item, "settings")}

    def machine(self, item: Item) -> Machine:
        name = item.text("a machine")
        if name not in self.library.names():
            raise item.fail(f"there is no machine {name!r}{suggest(name, self.library.names())}", "unknown-name")
        machine = self.library.machine(name)
        for error in resting_places(Facts(machine, self.library)):  # no world knows what such a machine waits for
            raise error
        return machine

    def instances(self, item: Item | None, machines: tuple[Machine, ...]) -> dict[str, tuple[str, ...]]:
        given = {
            n: tuple(i.text("an instance") for i in c.sequence("instances")) for n, c in self.named(item, "instances")
        }
        for machine in machines:
            if machine.instance and not given.get(machine.instance):
                at = item or self.document
                message = f"{machine.name} is one a {machine.instance}: list them, as in {{{machine.instance}: [a, b]}}"
                raise at.fail(message, "missing-key")
        return given

    def operator(self, item: Item | None, machines: tuple[Machine, ...]) -> tuple[Operated, ...]:
        known = {f"{machine.name}.{event}": (machine.name, event) for machine in machines for event in machine.events}
        entries = item.mapping("operator") if item is not None else {}
        for name, child in entries.items():
            if name not in known:
                raise child.fail(f"no machine here has the event {name!r}{suggest(name, known)}", "unknown-event")
        return tuple(Operated(*known[name], read_budget(name, child)) for name, child in entries.items())

    def latency(self, item: Item | None) -> tuple[tuple[str, float | None], ...]:
        read, parameters = [], self.library.parameters()
        for pattern, child in (item.mapping("latency") if item is not None else {}).items():
            text = child.text("a latency")
            seconds = None if text == "never" else parse_duration(text, parameters, child.at)
            if seconds is not None and seconds < SHORTEST:
                raise child.fail(f"a latency is at least 1 ms, or never, not {text}", "bad-duration")
            read.append((pattern, seconds))
        return tuple(read)
